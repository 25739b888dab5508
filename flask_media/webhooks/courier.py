"""Delivers the letters of the outbox, in a thread of its own that no job waits for."""

from __future__ import annotations

import atexit
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import MediaError
from ..fields import fields
from ..forks import reset_after_fork
from ..transport import Exchange
from ..transport import Road
from . import signing

if TYPE_CHECKING:
    import ssl

    from ..config_checks import Secret
    from ..journal.outbox import Letter
    from ..journal.outbox import Outbox

logger = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Most seconds for one delivery in all, names and a slow answer included."""

LONGEST_DELAY = 3600.0
"""Longest time between two tries, in seconds."""

JITTER = 0.2
"""Part of a delay by which it may be longer or shorter."""

LONGEST = 24 * 3600.0
"""Seconds after the end of a job until which its delivery is tried."""

EXIT_SECONDS = 5.0
"""Most seconds that a process which ends waits for deliveries."""

SHORTEST_PAUSE = 0.1
"""Seconds between two looks, where a letter is due and yet another process has it."""

GONE = 410
"""The status by which a receiver says that it wants no more of a message."""


class Courier:
    """Posts letters one after the other. Every process that ends jobs has one; a letter is with
    one of them at a time.

    :param outbox: has the letters.
    :param url: where to.
    :param secret: what they are signed with.
    :param scope: gives the storage whose jobs are told of.
    :param first_delay: seconds before the second try; doubled for each further one.
    :param sweep_seconds: how often to look for what other processes left.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        url: Secret,
        secret: Secret,
        scope: Callable[[], str],
        first_delay: float,
        sweep_seconds: float,
    ) -> None:
        self._outbox = outbox
        self._url = url
        self._secret = secret
        self._scope = scope
        self._first_delay = first_delay
        self._sweep_seconds = sweep_seconds
        self._host = urlsplit(url.reveal()).hostname or ""
        self._after_fork()
        reset_after_fork(self)
        outbox.notify = self.wake

    def _after_fork(self) -> None:
        """Begin anew: the thread did not come along, and connections are the parent's."""
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._thread: threading.Thread | None = None
        self._road: Road | None = None
        self._end = float("inf")

    def start(self) -> None:
        """Deliver what is due, and from now on what becomes due, as long as the process lives."""
        with self._lock:
            if self._thread is not None or self._is_closing:
                return
            thread = threading.Thread(target=self._run, name="flask-media-webhooks", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # no more threads: the next end of a job tries
                logger.warning("Webhooks can't be delivered now: %s", error)
                return
            self._thread = thread
            atexit.register(self.close)

    def wake(self) -> None:
        """There is a new letter."""
        self.start()
        self._news.set()

    def close(self) -> None:
        """Deliver what is due, for no longer than ``EXIT_SECONDS``, and end.

        Called when the process ends. What is left is for other processes.
        """
        with self._lock:
            self._end = time.monotonic() + EXIT_SECONDS
            thread = self._thread
        self._news.set()
        if thread is not None:
            thread.join(EXIT_SECONDS)
        atexit.unregister(self.close)

    @property
    def _is_closing(self) -> bool:
        return self._end != float("inf")

    def _run(self) -> None:
        while True:
            self._news.clear()
            is_last = self._is_closing
            try:
                pause = self._deliver_due()
            except MediaError as error:
                logger.warning("Webhooks can't be delivered now: %s", error)
                pause = self._sweep_seconds
            except Exception:  # the thread has to live on: no other one here delivers
                logger.exception("Webhooks can't be delivered now")
                pause = self._sweep_seconds
            if is_last:
                return
            self._news.wait(pause)

    def _deliver_due(self) -> float:
        """Deliver what is due; returns the seconds after which to look again."""
        self._outbox.scopes.add(self._scope())  # and those of before: their jobs may end yet
        while time.monotonic() < self._end and (letter := self._outbox.take()) is not None:
            self._deliver(letter)
        due = self._outbox.due_in()
        if due is None:
            return self._sweep_seconds
        return min(max(due, SHORTEST_PAUSE), self._sweep_seconds)

    def _deliver(self, letter: Letter) -> None:
        exchange = Exchange(min(time.monotonic() + TIMEOUT, self._end))
        self._post(letter, exchange)
        status = 0 if exchange.fault else exchange.status
        outcome = exchange.detail if exchange.fault else f"{self._host} answered {status}"
        if 200 <= status < 300:
            self._outbox.drop(letter)
            extra = fields(job_id=letter.job_id)
            logger.info("Job %s: %s has taken its webhook", letter.job_id, self._host, extra=extra)
            return
        delay = self._delay(letter.attempts)
        if status == GONE or letter.age + delay > LONGEST:
            self._outbox.drop(letter)
            logger.error(
                "Job %s: its webhook %s to %s is given up after %d tries: %s",
                *(letter.job_id, letter.id, self._host, letter.attempts, outcome),
                extra=fields(job_id=letter.job_id),
            )
            return
        self._outbox.again(letter, delay)
        logger.warning(
            "Job %s: its webhook to %s failed: %s; trying again in %.0f s",
            *(letter.job_id, self._host, outcome, delay),
            extra=fields(job_id=letter.job_id, seconds=delay),
        )

    def _delay(self, attempts: int) -> float:
        """Seconds before the next try; somewhat random, so that not all come at once."""
        delay = min(self._first_delay * 2.0 ** min(attempts - 1, 20), LONGEST_DELAY)
        return delay * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret is made

    def _post(self, letter: Letter, exchange: Exchange) -> None:
        """Make one try; what came of it is in the exchange."""
        url, body, now = urlsplit(self._url.reveal()), letter.body.encode(), int(time.time())
        headers = {
            "Host": url.netloc,
            "User-Agent": "Flask-Media",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            signing.ID: letter.id,
            signing.TIMESTAMP: str(now),
            signing.SIGNATURE: signing.sign(letter.id, now, body, self._secret.reveal()),
        }
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        target = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
        try:
            if self._road is None:
                self._road = Road(self._url.reveal(), _ssl_context)
            self._road.run("POST", target, lines, body, exchange)
        except (ValueError, OSError) as error:
            exchange.detail = str(error)  # a proxy or certificates that can't be used


def _ssl_context() -> ssl.SSLContext:
    import httpx2

    return httpx2.create_ssl_context()
