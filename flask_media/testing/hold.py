"""Calls that wait until the test lets them go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self

from .seen import FakeCall

WAIT_SECONDS = 30.0
"""How long a test waits for calls, or a call for its test, before that is a fault."""


class Hold:
    """Keeps the calls that fit at the model, as if it took its time; a context manager.

    Made by :meth:`Fake.hold`. Calls come from other threads, as of ``generate_later``.
    """

    def __init__(self, fits: Callable[[FakeCall], bool]) -> None:
        self._fits = fits
        self._thread = threading.get_ident()
        self._changed = threading.Condition()
        self._is_released = False
        self._came = 0
        self._waiting = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def waiting(self) -> int:
        """How many calls wait now."""
        return self._waiting

    def wait(self, calls: int = 1, timeout: float = WAIT_SECONDS) -> None:
        """Wait until so many calls have come.

        :param calls: how many since the hold was made.
        :param timeout: seconds.
        :raises AssertionError: they did not come in time.
        """
        __tracebackhide__ = True
        with self._changed:
            if not self._changed.wait_for(lambda: self._came >= calls, timeout):
                raise AssertionError(f"{self._came} of {calls} calls came within {timeout:g} s.")

    def release(self) -> None:
        """Let the calls go on, and further ones pass."""
        with self._changed:
            self._is_released = True
            self._changed.notify_all()

    def keep(self, call: FakeCall) -> None:
        """Wait here until released, if the call is one of those.

        :raises AssertionError: nobody could or did release it.
        """
        if self._is_released or not self._fits(call):
            return
        if threading.get_ident() == self._thread:
            raise AssertionError(
                f"The test holds this call ({call.prompt!r:.80}) and makes it itself, so nobody "
                "can release it. Make it in another thread, as with generate_later."
            )
        with self._changed:
            self._came += 1
            self._waiting += 1
            self._changed.notify_all()
            try:
                if not self._changed.wait_for(lambda: self._is_released, WAIT_SECONDS):
                    raise AssertionError(f"The call was held for {WAIT_SECONDS:g} s.")
            finally:
                self._waiting -= 1
