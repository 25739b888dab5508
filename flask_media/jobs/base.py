"""What every queue is made of."""

from __future__ import annotations

import abc
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING
from typing import TypeAlias

from ..errors import BudgetExceeded
from ..errors import MediaError
from ..errors import ProviderError
from ..errors import RateLimited
from ..fields import fields

if TYPE_CHECKING:
    from ..journal.records import Claim
    from ..pipeline import Pipeline
    from ..types import GeneratedImage
    from ..types import MediaResult
    from ..values import GenerationJob

logger = logging.getLogger(__name__)

LONGEST_DELAY = 600.0
"""Longest time between two tries, in seconds, where the provider does not say."""

LONGEST_ASKED_DELAY = 3600.0
"""Longest time that a provider may ask to wait, in seconds; for more, the job ends."""

Put: TypeAlias = "Callable[[Claim, GenerationJob], None]"
"""Puts a job that is held into the queue."""


class Queue(abc.ABC):
    """Has jobs worked on apart from whoever asks for them.

    Many threads use it at once; it may be made before a fork and used after it.
    """

    @abc.abstractmethod
    def place(self) -> AbstractContextManager[Put]:
        """A place in the queue, kept for a job that is about to be recorded.

        :raises QueueUnavailable: there is none.
        """

    @abc.abstractmethod
    def make_variants(self, object_key: str) -> None:
        """Have the variants of a stored picture made that the journal lists for the queue.

        :raises QueueUnavailable: the queue is out of reach. The journal lists them still.
        """

    @abc.abstractmethod
    def check(self, seconds: float) -> None:
        """Fail if it can't take or work on a job now.

        :param seconds: how long to wait for a broker.
        :raises QueueUnavailable: it is full, out of reach or at its end.
        :raises NotConfigured: it needs what is not there.
        """

    def close(self) -> None:  # noqa: B027 - workers of their own go on
        """Take no more jobs, and wait for those that this process works on."""

    def start(self) -> None:  # noqa: B027 - workers of their own need no start
        """Begin to go on with what dead processes left, if it is this queue's to do so."""

    def drain(self) -> None:  # noqa: B027 - workers of their own do so anyway
        """Go on with what dead processes left until all of it has ended, if that is this queue's
        to do. :meth:`close`, from another thread or a signal, ends it early."""


class Runner:
    """Works on jobs that are held, and says when to try again.

    :param pipeline: does the work.
    :param retries: how often a job is tried again.
    :param first_delay: seconds before the first of these, where the provider does not say.
    """

    def __init__(self, pipeline: Pipeline, *, retries: int, first_delay: float) -> None:
        self.pipeline = pipeline
        """Does the work."""
        self._retries = retries
        self._first_delay = first_delay

    def run(
        self, claim: Claim, job: GenerationJob, tries: int
    ) -> MediaResult | GeneratedImage | float | None:
        """Work on a job that is held.

        :param tries: how often it was tried before.
        :returns: the result; or the seconds after which to try again, and the job stays held; or
            None if another process took it over.
        :raises MediaError: it is over without a result.
        """
        claim.is_retried = lambda error: self.delay(error, tries) is not None
        try:
            return self.pipeline.finish(claim, job, keep=True)
        except MediaError as error:
            delay = self.delay(error, tries)
            if delay is None:
                raise
            logger.info(
                "Job %s: %s; trying again in %.0f s",
                claim.id,
                type(error).__name__,
                delay,
                extra=fields(job_id=claim.id, error=error, seconds=delay),
            )
            return delay

    def delay(self, error: MediaError, tries: int) -> float | None:
        """Seconds after which to try again, None if that is no use.

        :param tries: how often it was tried before.
        """
        if tries >= self._retries:
            return None
        return delay_after(error, tries, first=self._first_delay)


def delay_after(error: MediaError, tries: int, *, first: float) -> float | None:
    """Seconds after which the same may succeed, None where no wait mends it.

    :param tries: how often it was tried before.
    :param first: seconds after the first try, where the provider does not say; doubled each time.
    """
    if not error.retryable or isinstance(error, BudgetExceeded):
        return None
    if isinstance(error, RateLimited) and error.daily:
        return None
    asked = error.retry_after if isinstance(error, ProviderError) else None
    if asked is not None:
        # A whole number from a generator of one's own would pass for no delay at all.
        return float(asked) if asked <= LONGEST_ASKED_DELAY else None
    return min(first * 2.0**tries, LONGEST_DELAY)
