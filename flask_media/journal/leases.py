"""Keeping hold of jobs for as long as this process lives."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable

from ..fields import fields
from ..forks import reset_after_fork
from .records import Claim

logger = logging.getLogger(__name__)


class Keeper:
    """Renews the leases of this process's jobs while it has any, in a thread of its own.

    A claim that nobody has any more, as one that an exception from outside made its holder drop,
    is not renewed: its lease runs out.

    :param lease: seconds that a lease lasts; it is renewed three times as often.
    :param renew: writes the new expiry of the jobs that are held.
    """

    def __init__(self, lease: float, renew: Callable[[list[Claim]], None]) -> None:
        self._interval = lease / 3
        self._renew = renew
        self._after_fork()
        reset_after_fork(self)

    def _after_fork(self) -> None:
        """Hold nothing: what is held is the parent's, and its thread did not come along."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._held: weakref.WeakSet[Claim] = weakref.WeakSet()
        self._wake = threading.Event()

    def close(self) -> None:
        """Have the thread end at once if nothing is held."""
        self._wake.set()

    def hold(self, claim: Claim) -> None:
        """The job is held from now on."""
        with self._lock:
            self._held.add(claim)
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="flask-media-leases", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # no more threads: the next one that is held tries
                    extra = fields(error=error)
                    logger.warning("Leases can't be renewed now: %s", error, extra=extra)
                else:
                    self._thread = thread

    def release(self, claim: Claim) -> None:
        """The job is not held any more. The thread stays for the next one, for a while."""
        with self._lock:
            self._held.discard(claim)

    def _run(self) -> None:
        while True:
            if self._wake.wait(self._interval):
                self._wake.clear()
            with self._lock:
                held = list(self._held)
                if not held:
                    self._thread = None
                    return
            try:
                self._renew(held)
            except Exception:  # the thread has to live on: without it, every long call is lost
                logger.exception("Leases could not be renewed")
