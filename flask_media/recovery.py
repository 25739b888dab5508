"""What is done with jobs that are there: taken up, finished, ended, left to others, told of."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import signals
from . import telemetry
from .errors import JobCancelled
from .errors import MediaError
from .fields import fields
from .journal.codec import load_error
from .journal.codec import load_job
from .journal.journal import Journal
from .journal.records import Claim
from .journal.records import Record
from .journal.states import State
from .journal.steps import LostHoldError
from .types import GeneratedImage
from .types import MediaResult
from .values import GenerationJob
from .values import Job
from .variants import VariantSpec
from .work import Work

if TYPE_CHECKING:
    from .storage.base import Storage

logger = logging.getLogger(__name__)


class Recovery:
    """Goes on with jobs of the journal, whoever began them.

    :param journal: has the jobs.
    :param work: does what is left to do for one.
    :param storage: whose jobs they are.
    """

    def __init__(self, journal: Journal, work: Work, storage: Storage) -> None:
        self._journal = journal
        self._work = work
        self._storage = storage

    @property
    def journal(self) -> Journal:
        """Records each step."""
        return self._journal

    def resume_all(self) -> list[MediaResult | GeneratedImage | MediaError]:
        """See :meth:`flask_media.MediaService.resume_all`."""
        told = self.tell_failures()
        return told + self._each(self._finish_left, self._journal.left(self._storage.location))

    def tell_failures(self) -> list[MediaResult | GeneratedImage | MediaError]:
        """Tell of the jobs that ended without a picture in processes that ended before they did."""
        return self._each(self.tell_failure, self._journal.untold(self._storage.location))

    def _each(
        self,
        step: Callable[[str], MediaResult | GeneratedImage | MediaError | None],
        job_ids: list[str],
    ) -> list[MediaResult | GeneratedImage | MediaError]:
        results: list[MediaResult | GeneratedImage | MediaError] = []
        for job_id in job_ids:
            try:
                outcome = step(job_id)
            except MediaError as error:
                results.append(error)
            except Exception as error:  # one that no stage foresaw must not stop the others
                logger.exception("Job %s: can't be finished", job_id, extra=fields(job_id=job_id))
                results.append(
                    MediaError(f"{type(error).__name__}: {error}", job_id=job_id, retryable=False)
                )
            else:
                if outcome is not None:
                    results.append(outcome)
        return results

    def _finish_left(self, job_id: str) -> MediaResult | GeneratedImage | MediaError | None:
        """Finish a job that a dead process left; None if another process was quicker."""
        held = self._journal.claim(job_id)
        if not isinstance(held, Claim):
            return None
        return self.finish(held, self.taken_over(held), keep=True)

    def tell_failure(self, job_id: str) -> MediaError | None:
        """Tell of a job that ended without a picture in a process that ended before it did; None
        if another process was quicker."""
        if (claim := self._journal.take_untold(job_id)) is None:
            return None
        error = load_error(self._journal.record(job_id).error or "")
        self._work.failed(signals.generation_failed, self._as_known(claim), error)
        self._work.record(self._journal.release, claim)
        return error

    def cancel(self, job_id: str) -> bool:
        """See :meth:`flask_media.MediaJob.cancel`."""
        claim = self._journal.seize(job_id)
        if claim is None:
            return False
        error = JobCancelled("The job was cancelled before it cost anything more.")
        return self.end(claim, self._as_known(claim), error)

    def with_variants(
        self, result: MediaResult, variants: Mapping[str, VariantSpec] | None
    ) -> MediaResult:
        """The result of a picture that another asking made, with the variants of this one: those
        it lacks are made later."""
        return self._work.with_variants(result, variants)

    def dropped(self) -> list[str]:
        """The ids of this storage's jobs that a queue may go on with, as their process ended."""
        return self._journal.dropped(self._storage.location)

    def let_go(self, claim: Claim) -> None:
        """Leave a job that is held to any other process.

        :raises JournalError: it can't be recorded.
        """
        self._journal.release(claim)

    def hand_over(self, claim: Claim, seconds: float) -> bool:
        """Leave a job that is held to the processes that take jobs from a queue.

        :param seconds: after which it is anybody's, as when the queue has lost it.
        :returns: False if it was cancelled or another process took it over.
        """
        return self._journal.hand_over(claim, seconds)

    def accepted(self, claim: Claim, job: GenerationJob) -> Record:
        """The record of a job that is about to be put in a queue.

        :raises JournalError: it can't be read; then the job is not begun, if that can be recorded.
        """
        try:
            return self._journal.record(claim.id)
        except MediaError as error:
            self.turn_away(claim, job, error)
            raise

    def turn_away(self, claim: Claim, job: GenerationJob, error: MediaError) -> bool:
        """Give a job up that no queue takes. Asked for again it goes on with what it has.

        :returns: False if it goes on all the same, in another process.
        """
        error.job_id = claim.id
        if claim.state is State.REQUESTED and not claim.paid_calls:
            return self.end(claim, job, error)
        self._work.record(self._journal.release, claim, error)
        return True

    def adopt(self, job_id: str, *, from_queue: bool = False) -> tuple[Claim, GenerationJob] | None:
        """Hold a job that is to go on, as for a queue; None if it ended or another is at it."""
        claim = self.hold(job_id, from_queue=from_queue)
        return None if claim is None else (claim, self.taken_over(claim))

    def hold(self, job_id: str, *, from_queue: bool = False) -> Claim | None:
        """As :meth:`adopt`, for who does not work on it."""
        held = self._journal.claim(job_id, from_queue=from_queue, anew=False)
        return held if isinstance(held, Claim) else None

    def finish(
        self, claim: Claim, job: GenerationJob, *, buy: bool = False, keep: bool = False
    ) -> MediaResult | GeneratedImage | None:
        """Do what is left to do; None if another process took the job over meanwhile."""
        failure: MediaError | None = None
        is_kept = False
        try:
            return telemetry.work(
                claim, job, lambda: self._work.go_on(claim, job, buy=buy, keep=keep)
            )
        except LostHoldError:
            logger.info(
                "Job %s: it was cancelled, or another process took it over",
                claim.id,
                extra=fields(job_id=claim.id),
            )
            return None
        except MediaError as error:
            error.job_id = claim.id
            failure, is_kept = error, claim.is_retried(error)
            raise
        except Exception as error:
            failure = _unforeseen(claim, error)  # else it would begin again and again
            raise
        except BaseException:
            # From outside, in the middle of telling it, perhaps: another process will.
            is_kept = claim.state in (State.FAILED, State.QUARANTINED)
            raise
        finally:
            if not is_kept:
                self._work.record(self._journal.release, claim, failure)

    def end(self, claim: Claim, job: Job, error: MediaError) -> bool:
        """Record that a job that is held ends without a picture, and tell so.

        :returns: False if another process took it over.
        :raises JournalError: it can't be recorded.
        """
        try:
            self._journal.failed(claim, error)
        except LostHoldError:
            return False
        except BaseException:
            self._work.record(self._journal.release, claim)
            raise
        # If this is cut short from outside, it stays held, and another process tells it.
        self._work.failed(signals.generation_failed, job, error)
        self._work.record(self._journal.release, claim, error)
        return True

    def taken_over(self, claim: Claim) -> GenerationJob:
        """The job of a claim that another asking began.

        :raises MediaError: it can't be read. It ends with that, or is let go if that can pass or
            a picture is there.
        """
        try:
            return self._loaded(claim)
        except Exception as error:  # as of a newer version: it must not come again and again
            failure = _unforeseen(claim, error)
            if claim.state in (State.REQUESTED, State.UNKNOWN) and not failure.retryable:
                self.end(claim, self._as_known(claim), failure)  # else nobody could ask anew
            else:
                self._work.record(self._journal.release, claim, failure)
            raise failure from error
        except BaseException:
            self._work.record(self._journal.release, claim)
            raise

    def _as_known(self, claim: Claim) -> Job:
        """The job of a claim, to tell of it; of one that can't be read what its row says."""
        try:
            return self._loaded(claim)
        except Exception:
            logger.exception("Job %s: can't be read", claim.id, extra=fields(job_id=claim.id))
        key: str | None = None
        with contextlib.suppress(MediaError):  # where the journal is why
            key = self._journal.record(claim.id).object_key
        return Job(id=claim.id, object_key=key, url=None, format=None, metadata={})

    def _loaded(self, claim: Claim) -> GenerationJob:
        from . import imaging

        pictures = [imaging.inspect(data) for data in self._journal.references(claim.id)]
        return load_job(claim.id, self._journal.record(claim.id).spec, pictures)


def _unforeseen(claim: Claim, error: Exception) -> MediaError:
    """An error that no stage foresaw, as one that can be recorded."""
    if isinstance(error, MediaError):
        return error
    return MediaError(f"{type(error).__name__}: {error}", job_id=claim.id, retryable=False)
