"""From an asking to its result: which job it is, who works on it, and what came of it."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING
from typing import Any

from . import prompts
from . import signals
from .config import MediaConfig
from .errors import InProgress
from .errors import JobCancelled
from .errors import MediaError
from .errors import NotFound
from .errors import ObjectExists
from .errors import OutcomeUnknown
from .errors import UploadFailed
from .inputs import PictureSource
from .inputs import read_bytes
from .journal.codec import load_error
from .journal.codec import load_job
from .journal.journal import Journal
from .journal.records import Asking
from .journal.records import Busy
from .journal.records import Claim
from .journal.records import Finished
from .journal.records import Record
from .journal.states import State
from .journal.steps import LostHoldError
from .request import asking_of
from .request import generation_job
from .request import upload_job
from .stages import finished
from .types import GeneratedImage
from .types import MediaResult
from .values import GenerationJob
from .values import Terms
from .values import Wanted
from .work import Work

if TYPE_CHECKING:
    import jinja2

    from .generators.base import Generator
    from .storage.base import Storage

logger = logging.getLogger(__name__)


class Pipeline:
    """Takes askings in, finds or makes their jobs, and has them worked on.

    :param config: the checked config.
    :param generator: draws.
    :param storage: keeps.
    :param journal: records each step before the next is taken.
    :param sender: the sender of the signals.
    :param prompt_loader: finds the app's own prompt template.
    """

    def __init__(
        self,
        config: MediaConfig,
        *,
        generator: Generator,
        storage: Storage,
        journal: Journal,
        sender: object,
        prompt_loader: jinja2.BaseLoader | None,
    ) -> None:
        self._config = config
        self._generator = generator
        self._storage = storage
        self._journal = journal
        self._work = Work(
            config, generator=generator, storage=storage, journal=journal, sender=sender
        )
        self._templates = prompts.prompt_environment(prompt_loader)

    # Doors

    def generate_and_upload(self, wanted: Wanted, terms: Terms) -> MediaResult:
        """See :meth:`flask_media.MediaService.generate_and_upload`."""
        job = self._job(wanted, self._storage.check_key(wanted.object_key))
        asking = self._asking(job, terms)
        held: MediaResult | Claim | Finished | Busy = self._begin(asking, job)
        while not isinstance(held, MediaResult):
            held = self._joined(held, job, asking, wait=terms.wait)
        return held

    def enter(self, wanted: Wanted, terms: Terms) -> tuple[Claim, GenerationJob] | Record:
        """Find or make the job for a queue: it is held if there is something to do for it.

        :raises InProgress: it is under way already, and ``terms.wait`` is False.
        :raises ObjectExists: there is such an object, and ``terms.overwrite`` is False.
        :raises MediaError: as :meth:`generate_and_upload`, but nothing that costs.
        """
        key = self._storage.check_key(wanted.object_key)
        job = self._job(wanted, key)
        asking = self._asking(job, terms)
        held = self._begin(asking, job)
        while not isinstance(held, Claim):
            if isinstance(held, Busy) and not terms.wait:
                raise _in_progress(held.record)
            if isinstance(held, Busy) or not asking.reuse or held.record.state is not State.DONE:
                return held.record
            other = self._instead(held, job, asking, self._outcome(held.record))
            if other is None:
                return held.record
            held = other
        if not held.is_new:
            return held, self.taken_over(held, job.metadata)
        if not terms.overwrite:
            self._check_is_free(held, job, key)
        return held, job

    def _check_is_free(self, claim: Claim, job: GenerationJob, key: str) -> None:
        """Refuse a key that has an object. Only now: no other job for it can begin any more."""
        try:
            if self._storage.exists(key):
                raise ObjectExists(f"There is an object under {key!r} already.", job_id=job.id)
        except MediaError as error:
            self.end(claim, job, error)
            raise

    def generate(self, wanted: Wanted, *, spender: str | None) -> GeneratedImage:
        """See :meth:`flask_media.MediaService.generate`."""
        job = self._job(wanted, None)
        held = self._begin(self._asking(job, Terms(spender=spender)), job)
        image = self.finish(held, job) if isinstance(held, Claim) else None
        if not isinstance(image, GeneratedImage):
            raise OutcomeUnknown("Another process took the job over.", job_id=job.id)
        return image

    def upload(
        self, data: PictureSource, object_key: str, metadata: Mapping[str, Any] | None
    ) -> MediaResult:
        """See :meth:`flask_media.MediaService.upload`."""
        from . import imaging

        job = upload_job(object_key, metadata, self._storage)
        picture = imaging.inspect(read_bytes("data", data), decode=True)
        picture = imaging.render(picture, format=job.format, generated=False)
        try:
            result = self._work.put(job, object_key, finished(picture))
        except UploadFailed as error:
            self._work.failed(signals.upload_failed, job, error)
            raise
        self._work.emit(signals.upload_finished, job, result=result)
        return result

    def resume(self, job_id: str, *, buy: bool) -> MediaResult | GeneratedImage:
        """See :meth:`flask_media.MediaService.resume`."""
        while True:
            held = self._journal.claim(job_id)
            if isinstance(held, Busy):
                record = self._journal.wait(job_id)
                if not record.has_ended:
                    continue
                return self._outcome(record)
            if isinstance(held, Finished):
                return self._outcome(held.record)
            result = self.finish(held, self.taken_over(held), buy=buy)
            if result is not None:
                return result

    def resume_all(self) -> list[MediaResult | GeneratedImage | MediaError]:
        """See :meth:`flask_media.MediaService.resume_all`."""
        told = self.tell_failures()
        return told + self._each(self._finish_left, self._journal.left(self._storage.location))

    def tell_failures(self) -> list[MediaResult | GeneratedImage | MediaError]:
        """Tell of the jobs that ended without a picture in processes that ended before they did."""
        return self._each(self._tell_failure, self._journal.untold(self._storage.location))

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
                logger.exception("Job %s: can't be finished", job_id)
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

    def _tell_failure(self, job_id: str) -> MediaResult | GeneratedImage | MediaError | None:
        """Tell of a job that ended without a picture in a process that ended before it did; None
        if another process was quicker."""
        if (claim := self._journal.take_untold(job_id)) is None:
            return None
        job = self.taken_over(claim)
        error = load_error(self._journal.record(job_id).error or "")
        self._work.failed(signals.generation_failed, job, error)
        self._work.record(self._journal.release, claim)
        return error

    def cancel(self, job_id: str) -> bool:
        """See :meth:`flask_media.MediaJob.cancel`."""
        claim = self._journal.seize(job_id)
        if claim is None:
            return False
        error = JobCancelled("The job was cancelled before it cost anything more.")
        self.end(claim, self.taken_over(claim), error)
        return True

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

    def turn_away(self, claim: Claim, job: GenerationJob, error: MediaError) -> bool:
        """Give a job up that no queue takes. Asked for again it goes on with what it has.

        :returns: False if it goes on all the same, in another process.
        """
        error.job_id = claim.id
        try:
            if claim.state is State.REQUESTED and not claim.paid_calls:
                self.end(claim, job, error)
            else:
                self._work.record(self._journal.release, claim, error)
        except LostHoldError:
            return False
        return True

    @property
    def journal(self) -> Journal:
        """Records each step."""
        return self._journal

    def adopt(self, job_id: str, *, from_queue: bool = False) -> tuple[Claim, GenerationJob] | None:
        """Hold a job that is to go on, as for a queue; None if it ended or another is at it."""
        held = self._journal.claim(job_id, from_queue=from_queue, anew=False)
        return (held, self.taken_over(held)) if isinstance(held, Claim) else None

    # A job

    def end(self, claim: Claim, job: GenerationJob, error: MediaError) -> None:
        """Record that a job that is held ends without a picture, and tell so."""
        try:
            self._journal.failed(claim, error)
        except BaseException:
            self._work.record(self._journal.release, claim)
            raise
        # If this is cut short from outside, it stays held, and another process tells it.
        self._work.failed(signals.generation_failed, job, error)
        self._work.record(self._journal.release, claim, error)

    def _job(self, wanted: Wanted, object_key: str | None) -> GenerationJob:
        return generation_job(
            wanted,
            object_key,
            generator=self._generator,
            storage=self._storage,
            templates=self._templates,
            template=self._config.prompt_template,
        )

    def _asking(self, job: GenerationJob, terms: Terms) -> Asking:
        return asking_of(
            job,
            scope=self._storage.location,
            model=self._generator.model_of(job.request),
            terms=dataclasses.replace(
                terms, reuse=job.object_key is not None and (terms.reuse or self._config.reuse)
            ),
        )

    def _begin(self, asking: Asking, job: GenerationJob) -> Claim | Finished | Busy:
        return self._journal.begin(
            asking,
            model=self._generator.model_of(job.request),
            estimate=self._work.estimate(job),
        )

    def _joined(
        self, held: Claim | Finished | Busy, job: GenerationJob, asking: Asking, *, wait: bool
    ) -> MediaResult | Claim | Finished | Busy:
        """What comes of the asking, or how its job stands after another process was at it.

        It stays with that job, whatever becomes of it: asked anew it would be another picture.
        """
        if isinstance(held, Claim):
            result = self.finish(held, job if held.is_new else self.taken_over(held, job.metadata))
            return result if isinstance(result, MediaResult) else self._journal.claim(held.id)
        record = held.record
        if isinstance(held, Busy):
            if not wait:
                raise _in_progress(record)
            record = self._journal.wait(record.id)
            if not record.has_ended:
                return self._journal.claim(record.id)  # its process ended: it is anybody's
        result = self._outcome(record)
        if not asking.reuse:
            return result
        other = self._instead(held, job, asking, result)
        return other or dataclasses.replace(result, cost_usd=Decimal(0))

    def _instead(
        self, held: Finished | Busy, job: GenerationJob, asking: Asking, result: MediaResult
    ) -> Claim | Finished | Busy | None:
        """What the asking comes to if the stored picture will not do; None if it will."""
        if held.is_named:
            return None  # a key stands for its result, whatever became of the object
        if not self._storage.holds(result.object_key, result.sha256):
            self._journal.forget(held.record.id)  # overwritten or deleted since
            return self._begin(asking, job)
        if isinstance(held, Finished) and not self._journal.stand_for(asking, held.record.id):
            return self._begin(asking, job)
        return None

    def taken_over(self, claim: Claim, metadata: dict[str, str] | None = None) -> GenerationJob:
        """The job of a claim that another asking began."""
        from . import imaging

        try:
            pictures = [imaging.inspect(data) for data in self._journal.references(claim.id)]
            job = load_job(claim.id, self._journal.record(claim.id).spec, pictures)
        except BaseException:  # whatever it is, the job must not stay held
            self._work.record(self._journal.release, claim)
            raise
        return job if metadata is None else dataclasses.replace(job, metadata=metadata)

    def _outcome(self, record: Record) -> MediaResult:
        """What became of a job that is finished, or that was let go with an error."""
        if record.state in (State.DONE, State.UPLOADED) and record.result is not None:
            return dataclasses.replace(MediaResult.from_dict(record.result), cached=True)
        if record.state is State.DONE or record.error is None:
            raise NotFound(f"The picture of job {record.id} was handed out; nothing is stored.")
        error = load_error(record.error)
        error.job_id = record.id
        raise error

    def finish(
        self, claim: Claim, job: GenerationJob, *, buy: bool = False, keep: bool = False
    ) -> MediaResult | GeneratedImage | None:
        """Do what is left to do; None if another process took the job over meanwhile."""
        failure: MediaError | None = None
        is_kept = False
        try:
            return self._work.go_on(claim, job, buy=buy, keep=keep)
        except LostHoldError:
            logger.warning("Job %s: another process took it over", claim.id)
            return None
        except MediaError as error:
            error.job_id = claim.id
            failure, is_kept = error, claim.is_retried(error)
            raise
        except BaseException:
            # From outside, in the middle of telling it, perhaps: another process will.
            is_kept = claim.state in (State.FAILED, State.QUARANTINED)
            raise
        finally:
            if not is_kept:
                self._work.record(self._journal.release, claim, failure)


def _in_progress(record: Record) -> InProgress:
    return InProgress(
        f"Job {record.id} is at the same request. Ask again later, or with wait=True.",
        job_id=record.id,
    )
