"""From an asking to its result: which job it is, who works on it, and what came of it."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING
from typing import Any

from . import prompts
from . import signals
from .config import MediaConfig
from .errors import InProgress
from .errors import MediaError
from .errors import NotFound
from .errors import OutcomeUnknown
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
from .journal.states import UNFINISHED
from .journal.states import State
from .journal.steps import LostHoldError
from .options import ImageGenerationConfig
from .request import asking_of
from .request import generation_job
from .request import upload_job
from .stages import finished
from .types import GeneratedImage
from .types import MediaResult
from .values import GenerationJob
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

    def generate_and_upload(
        self,
        prompt: str,
        object_key: str,
        metadata: Mapping[str, Any] | None,
        config: ImageGenerationConfig | None,
        reference_images: Iterable[PictureSource | str],
        *,
        idempotency_key: str | None,
        reuse: bool,
        spender: str | None,
        wait: bool,
    ) -> MediaResult:
        """See :meth:`flask_media.MediaService.generate_and_upload`."""
        key = self._storage.check_key(object_key)
        job = self._job(prompt, config, reference_images, key, metadata)
        asking = asking_of(
            job,
            scope=self._storage.location,
            model=self._generator.model_of(job.request),
            idempotency_key=idempotency_key,
            reuse=reuse or self._config.reuse,
            spender=spender,
        )
        held: MediaResult | Claim | Finished | Busy = self._begin(asking, job)
        while not isinstance(held, MediaResult):
            held = self._joined(held, job, asking, wait=wait)
        return held

    def generate(
        self,
        prompt: str,
        config: ImageGenerationConfig | None,
        reference_images: Iterable[PictureSource | str],
        *,
        spender: str | None,
    ) -> GeneratedImage:
        """See :meth:`flask_media.MediaService.generate`."""
        job = self._job(prompt, config, reference_images)
        asking = asking_of(
            job,
            scope=self._storage.location,
            model=self._generator.model_of(job.request),
            spender=spender,
        )
        held = self._begin(asking, job)
        image = self._finish(held, job) if isinstance(held, Claim) else None
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
        result = self._work.put(job, object_key, finished(picture))
        self._work.emit(signals.upload_finished, job, result=result)
        return result

    def resume(self, job_id: str, *, buy: bool) -> MediaResult | GeneratedImage:
        """See :meth:`flask_media.MediaService.resume`."""
        while True:
            held = self._journal.claim(job_id)
            if isinstance(held, Busy):
                record = self._journal.wait(job_id)
                if record.state in UNFINISHED and not _was_let_go(record):
                    continue
                return self._outcome(record)
            if isinstance(held, Finished):
                return self._outcome(held.record)
            result = self._finish(held, self._taken_over(held), buy=buy)
            if result is not None:
                return result

    def resume_all(self) -> list[MediaResult | GeneratedImage | MediaError]:
        """See :meth:`flask_media.MediaService.resume_all`."""
        scope = self._storage.location
        steps = [(self._tell_failure, job_id) for job_id in self._journal.untold(scope)]
        steps += [(self._finish_left, job_id) for job_id in self._journal.left(scope)]
        results: list[MediaResult | GeneratedImage | MediaError] = []
        for step, job_id in steps:
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
        return self._finish(held, self._taken_over(held), keep=True)

    def _tell_failure(self, job_id: str) -> MediaResult | GeneratedImage | MediaError | None:
        """Tell of a job that ended without a picture in a process that ended before it did; None
        if another process was quicker."""
        if (claim := self._journal.take_untold(job_id)) is None:
            return None
        job = self._taken_over(claim)
        error = load_error(self._journal.record(job_id).error or "")
        self._work.failed(signals.generation_failed, job, error)
        self._work.record(self._journal.release, claim)
        return error

    # A job

    def _job(
        self,
        prompt: str,
        config: ImageGenerationConfig | None,
        reference_images: Iterable[PictureSource | str],
        object_key: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> GenerationJob:
        return generation_job(
            prompt,
            config,
            reference_images,
            generator=self._generator,
            storage=self._storage,
            templates=self._templates,
            template=self._config.prompt_template,
            object_key=object_key,
            metadata=metadata,
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
            result = self._finish(
                held, job if held.is_new else self._taken_over(held, job.metadata)
            )
            return result if isinstance(result, MediaResult) else self._journal.claim(held.id)
        record = held.record
        if isinstance(held, Busy):
            if not wait:
                raise InProgress(
                    f"Job {record.id} is at the same request. Ask again later, or with wait=True.",
                    job_id=record.id,
                )
            record = self._journal.wait(record.id)
            if record.state in UNFINISHED and not _was_let_go(record):
                return self._journal.claim(record.id)  # its process ended: it is anybody's
        result = self._outcome(record)
        if not asking.reuse:
            return result
        # A key stands for its result, whatever became of the object.
        if not held.is_named:
            if not self._storage.holds(result.object_key, result.sha256):
                self._journal.forget(record.id)  # overwritten or deleted since
                return self._begin(asking, job)
            if isinstance(held, Finished) and not self._journal.stand_for(asking, record.id):
                return self._begin(asking, job)
        return dataclasses.replace(result, cost_usd=Decimal(0))

    def _taken_over(self, claim: Claim, metadata: dict[str, str] | None = None) -> GenerationJob:
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

    def _finish(
        self, claim: Claim, job: GenerationJob, *, buy: bool = False, keep: bool = False
    ) -> MediaResult | GeneratedImage | None:
        """Do what is left to do; None if another process took the job over meanwhile."""
        failure: MediaError | None = None
        try:
            return self._work.go_on(claim, job, buy=buy, keep=keep)
        except LostHoldError:
            logger.warning("Job %s: another process took it over", claim.id)
            return None
        except MediaError as error:
            error.job_id = claim.id
            failure = error
            raise
        finally:
            self._work.record(self._journal.release, claim, failure)


def _was_let_go(record: Record) -> bool:
    """Whether whoever was at an unfinished job stopped with an error, rather than ended."""
    return record.owner is None and record.error is not None
