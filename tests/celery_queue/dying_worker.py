"""A worker of the shop that is killed when it stores a variant called ``thumb``."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from .worker import celery_app

__all__ = ["celery_app"]


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "os.rename" and os.fsencode(arguments[1]).endswith(b".thumb.webp"):
        os.killpg(0, signal.SIGKILL)  # the one that listens too


sys.addaudithook(_watch)
