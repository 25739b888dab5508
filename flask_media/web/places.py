"""How many requests may wait at once, and how long: each of them keeps a thread of the server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from flask import request

from ..forks import reset_after_fork

ALONE_SECONDS = 10.0
"""Most seconds that a request waits in a process that serves one at a time.

Such a worker of gunicorn says that it is alive between requests only, and is killed when it has not
for 30 seconds (``--timeout``).
"""


def seconds_here(seconds: float) -> float:
    """So many seconds, or as many of them as this server bears."""
    return seconds if request.environ.get("wsgi.multithread") else min(seconds, ALONE_SECONDS)


class Places:
    """A number of places to wait in, for one process.

    :param most: how many there are. One caller gets a quarter of them, and one at least.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._share = max(1, most // 4)
        self._after_fork()
        reset_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._taken: set[tuple[str, object]] = set()

    def take(self, who: str) -> Callable[[], None] | None:
        """Take a place, if there is one.

        :param who: who waits.
        :returns: what gives it back, however often it is called; None if there is none for them.
        """
        place = (who, object())
        with self._lock:
            taken = self._taken.copy()
            if len(taken) >= self._most or sum(who == other for other, _ in taken) >= self._share:
                return None
            self._taken.add(place)
        # Without the lock: the garbage collector may call it in the thread that has that.
        return partial(self._taken.discard, place)
