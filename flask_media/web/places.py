"""How many requests may wait at once: each of them keeps a thread of the server."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..forks import reset_after_fork


class Places:
    """A number of places to wait in, for one process.

    :param most: how many there are.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._after_fork()
        reset_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0

    def take(self) -> Callable[[], None] | None:
        """Take a place, if there is one.

        :returns: what gives it back, however often it is called; None if all are taken.
        """
        with self._lock:
            if self._taken >= self._most:
                return None
            self._taken += 1
        is_left = False

        def leave() -> None:
            nonlocal is_left
            with self._lock:
                if not is_left:
                    is_left = True
                    self._taken -= 1

        return leave
