"""Word of each step within this process, so that who waits for a job need not keep looking."""

from __future__ import annotations

import threading
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager


class Changes:
    """Tells threads and event loops that some job has moved. Other processes tell nothing."""

    def __init__(self) -> None:
        self._moved = threading.Condition()
        self._listeners: list[Callable[[], object]] = []

    def tell(self) -> None:
        """A job has moved."""
        with self._moved:
            self._moved.notify_all()
            for listener in self._listeners:
                listener()

    def wait(self, seconds: float) -> None:
        """Wait until a job has moved, for so many seconds at most."""
        with self._moved:
            self._moved.wait(seconds)

    @contextmanager
    def heard_by(self, listener: Callable[[], object]) -> Iterator[None]:
        """Call it meanwhile whenever a job has moved, in the thread that moved it: it must neither
        wait nor raise."""
        with self._moved:
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._moved:
                self._listeners.remove(listener)
