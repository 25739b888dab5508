"""Ctrl-C and SIGTERM, once and twice."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INTERRUPTED = 130
"""The exit code of what a signal ended, as shells have it."""

TWICE_SECONDS = 1.0
"""A second signal counts from then on: ``timeout`` and wrappers send one to the command and to its
process group, which is one Ctrl-C."""


@contextmanager
def until_told(end: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM in here calls ``end``, a second raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    first: list[float] = []

    def told(*_: Any) -> None:
        if not first:
            first.append(time.monotonic())
            end()
        elif time.monotonic() - first[0] >= TWICE_SECONDS:
            raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, told) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
