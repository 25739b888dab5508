"""The base of queues that hand messages to workers: Celery's, and those of third parties.

A message is a few words; the journal has all the rest. So a message may come twice, late or not at
all: whoever takes one looks in the journal what is to be done, and :meth:`Messages.resume`
sends those that got lost again.
"""

from __future__ import annotations

import abc
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import Literal
from typing import TypeAlias

from ..errors import JournalError
from ..errors import MediaError
from ..errors import QueueUnavailable
from ..fields import fields
from .base import Put
from .base import Queue
from .base import Runner

if TYPE_CHECKING:
    from ..journal.records import Claim
    from ..values import GenerationJob

logger = logging.getLogger(__name__)

Kind: TypeAlias = Literal["generate", "make_variants"]
"""What a message is for."""

LOST_AFTER = 3600.0
"""Seconds after which a job whose message no worker took is sent anew."""

BROKER_SECONDS = 5.0
"""Seconds for a broker to connect and to answer."""


class Messages(Queue):
    """A queue that sends messages, whoever does what they are for.

    :param runner: works on a job.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._pipeline = runner.pipeline

    @abc.abstractmethod
    def send(self, kind: Kind, subject: str) -> None:
        """Have a worker do it.

        :param kind: what is to be done.
        :param subject: the job's id, or the key of the picture whose variants are made.
        :raises QueueUnavailable: the queue is out of reach.
        """

    def check_ready(self) -> None:
        """Fail before a job is recorded if no message can be sent. Makes no network call.

        :raises NotConfigured: something is missing; the message names it.
        """

    def check(self, seconds: float) -> None:  # noqa: ARG002 - for those with a broker
        """Fail if no message can be sent now; one with a broker asks that too.

        :param seconds: how long to wait for it.
        :raises NotConfigured: something is missing.
        :raises QueueUnavailable: the broker is out of reach.
        """
        self.check_ready()

    @contextmanager
    def place(self) -> Iterator[Put]:
        self.check_ready()

        def put(claim: Claim, job: GenerationJob) -> None:
            try:
                if not self._pipeline.hand_over(claim, LOST_AFTER):
                    return
            except JournalError as error:  # it is recorded, and anybody's after the lease
                extra = fields(job_id=claim.id, error=error)
                logger.warning("Job %s: can't be handed over: %s", claim.id, error, extra=extra)
                return
            try:
                self.send("generate", claim.id)
            except QueueUnavailable as error:
                if self._pipeline.turn_away(claim, job, error):
                    raise
            except MediaError:
                raise  # it was worked on at once
            except Exception as error:  # whatever it is: no worker will hear of the job
                refusal = QueueUnavailable(f"The queue took no message: {type(error).__name__}.")
                if self._pipeline.turn_away(claim, job, refusal):
                    raise refusal from error
                raise  # it was, at once

        yield put

    def make_variants(self, object_key: str) -> None:
        self.send("make_variants", object_key)

    def resume(self) -> dict[str, int]:
        """Send the jobs anew that dead processes had or whose message was lost; for a timer.

        :returns: how many were ``sent``, and of how many failures was ``told``.
        :raises QueueUnavailable: the queue is out of reach; the jobs stay for the next time.
        """
        self.check_ready()
        sent, told = 0, len(self._pipeline.tell_failures())
        refusal: QueueUnavailable | None = None
        end = float("inf")
        for job_id in self._pipeline.dropped():
            if time.monotonic() > end:
                break
            try:
                sent += self._send_anew(job_id)
            except QueueUnavailable as error:
                # That of one job, perhaps; but no broker that is away is waited for with each.
                refusal, end = error, min(end, time.monotonic() + BROKER_SECONDS)
            except MediaError as error:  # the others must not wait for it
                logger.warning(
                    "Job %s: can't be sent to the queue anew: %s",
                    job_id,
                    error,
                    extra=fields(job_id=job_id, error=error),
                )
            except Exception:  # one that nobody foresaw must not stop the others either
                extra = fields(job_id=job_id)
                logger.exception("Job %s: can't be sent to the queue anew", job_id, extra=extra)
        if refusal is not None:
            raise refusal
        for key in self._pipeline.delivery.take_left(LOST_AFTER):
            self.make_variants(key)
        return {"sent": sent, "told": told}

    def _send_anew(self, job_id: str) -> bool:
        """Send a job anew; False if it ended or another process is at it."""
        claim = self._pipeline.hold(job_id)
        if claim is None or not self._pipeline.hand_over(claim, LOST_AFTER):
            return False
        try:
            self.send("generate", job_id)
        except BaseException:
            self._pipeline.let_go(claim)
            raise
        logger.info("Job %s: sent to the queue anew", job_id, extra=fields(job_id=job_id))
        return True


class MessageQueue(Messages):
    """A queue whose workers get messages.

    A subclass says how one is sent, and a worker calls :meth:`work` with what was sent.

    :param runner: works on a job.
    """

    @abc.abstractmethod
    def send(self, kind: Kind, subject: str, tries: int = 0, delay: float = 0.0) -> None:
        """Have a worker call :meth:`work` with the first three arguments.

        :param kind: what is to be done.
        :param subject: the job's id, or the key of the picture whose variants are made.
        :param tries: how often it was tried before.
        :param delay: seconds after which.
        :raises QueueUnavailable: the queue is out of reach.
        """

    def work(self, kind: Kind, subject: str, tries: int = 0) -> None:
        """What a message is for; call it in the app's context. A message too many does nothing.

        What fails and can pass is sent again, as MEDIA_QUEUE_RETRIES allows.

        :raises MediaError: it is over without a result.
        """
        try:
            delay = self._worked(kind, subject, tries)
        except (JournalError, QueueUnavailable) as error:
            delay = self._runner.delay(error, tries)
            if delay is None:
                raise
        if delay is not None:
            self.send(kind, subject, tries + 1, delay)

    def _worked(self, kind: Kind, subject: str, tries: int) -> float | None:
        """Do it; the seconds after which to try again, None if it is over."""
        if kind == "make_variants":
            return self._derived(subject, tries)
        held = self._pipeline.adopt(subject, from_queue=True)
        if held is None:  # it may have failed in a worker that died before it said so
            self._pipeline.tell_failure(subject)
            return None
        outcome = self._runner.run(*held, tries)
        if not isinstance(outcome, float):
            return None
        # Whatever becomes of the message, the job is anybody's in the end.
        self._pipeline.hand_over(held[0], outcome + LOST_AFTER)
        try:
            self.send(kind, subject, tries + 1, outcome)
        except BaseException:
            self._pipeline.let_go(held[0])
            raise
        return None

    def _derived(self, object_key: str, tries: int) -> float | None:
        try:
            self._pipeline.delivery.make_left(object_key)
        except MediaError as error:
            delay = self._runner.delay(error, tries)
            if delay is None:
                raise
            return delay
        return None
