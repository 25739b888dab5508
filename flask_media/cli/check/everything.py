"""What ``flask media check`` looks at, a module each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .finding import Finding

if TYPE_CHECKING:
    from flask import Flask

    from ...service import MediaService


def examine(app: Flask, service: MediaService) -> Iterator[Finding]:
    """Look at all, one after the other; each finding comes as soon as it is there.

    :param app: has the config, the blueprints and the Celery app.
    :param service: its service.
    """
    from . import journal
    from . import model
    from . import pages
    from . import queue
    from . import settings
    from . import storage
    from . import variants

    yield from settings.examine(app, service)
    yield from model.examine(service)
    yield from storage.examine(service)
    yield from variants.examine(app, service)
    yield from pages.examine(app, service)
    yield from journal.examine(service)
    yield from queue.examine(app, service)
