"""How the parts of a service are, found out at once and in a bounded time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from .errors import MediaError
from .fields import fields
from .forks import reset_after_fork
from .types import Health
from .types import HealthCheck

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .parts import Parts

logger = logging.getLogger(__name__)


class Examiner:
    """Looks at each part in a thread, which nobody waits for longer than they said.

    One that hangs ends by its own time limits; until then no other is sent after it, however often
    is asked.
    """

    def __init__(self) -> None:
        self._after_fork()
        reset_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._looking: dict[str, Future[HealthCheck]] = {}

    def examine(self, parts: Parts, timeout: float) -> Health:
        """See :meth:`flask_media.MediaService.health`."""
        from concurrent.futures import wait

        started = time.monotonic()
        answers = {
            name: self._begin(name, partial(look, parts, timeout)) for name, look in LOOKS.items()
        }
        wait(answers.values(), max(started + timeout - time.monotonic(), 0.0))
        late = HealthCheck(ok=False, seconds=timeout, reason=f"It gave no answer in {timeout:g} s.")
        checks = {
            name: answer.result() if answer.done() else late for name, answer in answers.items()
        }
        for name, check in checks.items():
            if not check.ok:
                logger.warning("The %s is not well: %s", name, check.reason)
        return Health(checks=checks)

    def _begin(self, name: str, look: Callable[[], object]) -> Future[HealthCheck]:
        from concurrent.futures import Future

        with self._lock:
            answer = self._looking.get(name)
            if answer is not None:
                return answer
            answer = self._looking[name] = Future()
        thread = threading.Thread(
            target=self._look, args=(name, look), name=f"flask-media-health-{name}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:  # the system has no more
            self._end(name, HealthCheck(ok=False, seconds=0.0, reason=str(error)))
        return answer

    def _look(self, name: str, look: Callable[[], object]) -> None:
        started, reason = time.monotonic(), None
        try:
            look()
        except MediaError as error:
            reason = error.message
        except Exception as error:  # one that no part foresaw is an answer too
            logger.exception("The %s can't be examined", name, extra=fields(error=error))
            reason = type(error).__name__
        seconds = round(time.monotonic() - started, 4)
        self._end(name, HealthCheck(ok=reason is None, seconds=seconds, reason=reason))

    def _end(self, name: str, check: HealthCheck) -> None:
        with self._lock:
            answer = self._looking.pop(name)
        answer.set_result(check)


def _config(parts: Parts, _: float) -> None:
    from .values import GenerationRequest

    parts.generator.check(GenerationRequest(prompt="health", width=1024, height=1024))
    parts.storage.check_ready()


def _journal(parts: Parts, timeout: float) -> None:
    parts.journal.probe(timeout)


def _storage(parts: Parts, _: float) -> None:
    parts.storage.reach()


def _queue(parts: Parts, timeout: float) -> None:
    parts.queue.check(timeout)


LOOKS = {"config": _config, "journal": _journal, "storage": _storage, "queue": _queue}
"""What is looked at, by its name in the answer; the same in all versions."""
