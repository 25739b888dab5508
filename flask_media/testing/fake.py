"""A fake: the app's service with no model, no bucket and no journal behind it but the fake's."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask
from flask import current_app
from flask import has_app_context

from ..wiring import Wiring
from ..wiring import each_service
from .asserts import FakeAsserts
from .hold import Hold
from .parts import FakeParts

if TYPE_CHECKING:
    from ..config import MediaConfig
    from ..parts import Surroundings

__all__ = ["Fake", "Hold", "fake", "fake_everywhere"]


class Fake(FakeAsserts):
    """Draws, keeps, counts, and fails as it is told; made by :func:`fake`.

    Threads may share it.
    """

    def _parts(
        self, config: MediaConfig, around: Surroundings, *, base_url: str | None
    ) -> FakeParts:
        return FakeParts(config, around, director=self, base_url=base_url)


@contextmanager
def fake(app: Flask | None = None, *, base_url: str | None = None) -> Iterator[Fake]:
    """Have the app's service draw and keep pictures by itself, whoever uses it, until the end.

    It stays the same object, with the same pipeline. The model draws pictures of the size asked
    for and bills them as a real one would; the bucket is memory; the journal is a file that goes
    away. The app's own journal, folder, bucket, broker and webhooks are not touched. What is left
    unfinished at the end is forgotten.

    Blocks may be nested: the innermost counts.

    :param app: the app; None for the current one.
    :param base_url: what the pictures' URLs begin with, as ``https://cdn.example``; None for those
        of the blueprint's files route, else ``memory://``.
    :raises RuntimeError: there is no app, or Flask-Media is not initialised on it.
    :raises StrayCallError: at the end, for what :meth:`Fake.prevent_stray` found in a thread.
    """
    with _directed(base_url) as (it, meet):
        with ExitStack() as stack:
            meet(stack, _service_of(app))
            yield it
        it.check_strays()


@contextmanager
def fake_everywhere(*, base_url: str | None = None) -> Iterator[Fake]:
    """As :func:`fake`, for every service of the process, those of apps that are made meanwhile and
    that of the process outside any app. All share one journal and one storage.

    For code that makes its own app, as a task with ``create_app()`` in it.
    """
    with _directed(base_url) as (it, meet):
        with ExitStack() as stack, each_service(partial(meet, stack)):
            yield it
        it.check_strays()


class _Meet:
    """Puts the fake's parts in a service."""

    def __init__(self, it: Fake, base_url: str | None) -> None:
        self._it, self._base_url = it, base_url

    def __call__(self, stack: ExitStack, service: Wiring) -> None:
        make = partial(self._it._parts, base_url=self._base_url)  # noqa: SLF001 - of this module
        stack.enter_context(service.stand_in(make))
        stack.callback(self._it.release_all)  # before its threads are waited for


@contextmanager
def _directed(base_url: str | None) -> Iterator[tuple[Fake, _Meet]]:
    with tempfile.TemporaryDirectory(prefix="flask-media-fake-") as folder:
        it = Fake(Path(folder), f"memory://fake-{uuid.uuid4().hex}")
        yield it, _Meet(it, base_url)


def _service_of(app: Flask | None) -> Wiring:
    if app is None:
        if not has_app_context():
            raise RuntimeError(
                "fake() needs an app context, and there is none. Use it within 'with "
                "app.app_context():', or name the app: fake(app)."
            )
        named: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        return _service_of(named)
    service = app.extensions.get("media")
    if not isinstance(service, Wiring):
        raise RuntimeError(  # noqa: TRY004 - as current_media does
            f"Flask-Media is not initialised on the app {app.name!r}. Call FlaskMedia(app), or "
            "media.init_app(app), before fake(app)."
        )
    return service
