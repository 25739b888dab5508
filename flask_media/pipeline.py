"""From an asking to its result: which job it is, who works on it, and what came of it."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING
from typing import Any

from werkzeug.datastructures import FileStorage

from . import prompts
from . import signals
from . import telemetry
from .config import MediaConfig
from .delivery.upkeep import Delivery
from .errors import InProgress
from .errors import InvalidRequest
from .errors import MediaError
from .errors import NotFound
from .errors import ObjectExists
from .errors import OutcomeUnknown
from .errors import UploadFailed
from .inputs import PictureSource
from .inputs import read_bytes
from .journal.codec import load_error
from .journal.journal import Journal
from .journal.records import Asking
from .journal.records import Busy
from .journal.records import Claim
from .journal.records import Finished
from .journal.records import Record
from .journal.states import State
from .recovery import Recovery
from .request import asking_of
from .request import generation_job
from .request import upload_job
from .stages import derived
from .stages import finished
from .stages import tell_of_manifest
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


class Pipeline(Recovery):
    """Takes askings in, finds or makes their jobs, and has them worked on.

    :param config: the checked config.
    :param generator: draws.
    :param storage: keeps.
    :param journal: records each step before the next is taken.
    :param delivery: stores pictures with what belongs to them.
    :param later: has the queue make the variants of a stored picture.
    :param sleep: waits so many seconds before the model is asked again; None
        for real ones.
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
        delivery: Delivery,
        later: Callable[[str], None],
        sleep: Callable[[float], None] | None,
        sender: object,
        prompt_loader: jinja2.BaseLoader | None,
    ) -> None:
        self._config = config
        self._generator = generator
        self._storage = storage
        self._delivery = delivery
        work = Work(
            config,
            generator=generator,
            storage=storage,
            journal=journal,
            delivery=delivery,
            later=later,
            sleep=sleep,
            sender=sender,
        )
        super().__init__(journal, work, storage)
        self._templates = prompts.prompt_environment(prompt_loader)

    @property
    def delivery(self) -> Delivery:
        """Stores pictures with what belongs to them."""
        return self._delivery

    # Doors

    def generate_and_upload(self, wanted: Wanted, terms: Terms) -> MediaResult:
        """See :meth:`flask_media.MediaService.generate_and_upload`."""
        job = self._job(wanted, self._storage.check_key(wanted.object_key))
        asking = self._asking(job, terms, wanted)
        held: MediaResult | Claim | Finished | Busy = self._begin(asking, job)
        while not isinstance(held, MediaResult):
            held = self._joined(held, job, asking, wait=terms.wait)
        if held.cached:
            telemetry.found(held)
        if job.variants and held.job_id != job.id:  # begun by another asking
            return self._delivery.with_variants(held, job.variants)
        return held

    def check(self, wanted: Wanted, terms: Terms) -> None:
        """See :meth:`flask_media.MediaService.check`."""
        job = self._job(wanted, self._storage.check_key(wanted.object_key))
        self._asking(job, terms, wanted)
        self._work.estimate(job)

    def enter(self, wanted: Wanted, terms: Terms) -> tuple[Claim, GenerationJob] | Record:
        """Find or make the job for a queue: it is held if there is something to do for it.

        :raises InProgress: it is under way already, and ``terms.wait`` is False.
        :raises ObjectExists: there is such an object, and ``terms.overwrite`` is False.
        :raises MediaError: as :meth:`generate_and_upload`, but nothing that costs.
        """
        key = self._storage.check_key(wanted.object_key)
        job = self._job(wanted, key)
        asking = self._asking(job, terms, wanted)
        held = self._begin(asking, job)
        while not isinstance(held, Claim):
            if isinstance(held, Busy) and not terms.wait:
                raise _in_progress(held.record)
            if isinstance(held, Busy) or not asking.reuse or held.record.state is not State.DONE:
                return self._found(held.record, job)
            other = self._instead(held, job, asking, self._outcome(held.record))
            if other is None:
                return self._found(held.record, job)
            held = other
        if not held.is_new:
            job = self.taken_over(held)
        if not terms.overwrite and held.state not in (State.GENERATED, State.UPLOADED):
            self._check_is_free(held, job)
        return held, job

    def _found(self, record: Record, job: GenerationJob) -> Record:
        """The job of another asking, whose picture gets the variants of this one too."""
        if record.result is not None:
            result = MediaResult.from_dict(record.result)
            telemetry.found(dataclasses.replace(result, cached=True))
            self.with_variants(result, job.variants)
        return record

    def known(self, wanted: Wanted, terms: Terms) -> Record | None:
        """What the idempotency key stands for, if there is nothing to do for it.

        :raises InProgress: it is under way, and ``terms.wait`` is False.
        :raises IdempotencyConflict: the key stands for another request.
        """
        job = self._job(wanted, self._storage.check_key(wanted.object_key))
        found = self._journal.known(self._asking(job, terms, wanted))
        if isinstance(found, Busy) and not terms.wait:
            raise _in_progress(found.record)
        return None if found is None else found.record

    def _check_is_free(self, claim: Claim, job: GenerationJob) -> None:
        """Refuse a key that has an object. Only now: no other job for it can begin any more."""
        key = job.object_key or ""
        beside = self._delivery.keys_beside(key, job.variants, job.format)
        try:
            if any(self._storage.exists(one) for one in (key, *beside)):
                raise ObjectExists(f"There is an object under {key!r} already.", job_id=job.id)
        except MediaError as error:
            self.end(claim, job, error)
            raise

    def generate(self, wanted: Wanted, *, spender: str | None) -> GeneratedImage:
        """See :meth:`flask_media.MediaService.generate`."""
        job = self._job(wanted, None)
        held = self._begin(self._asking(job, Terms(spender=spender), wanted), job)
        image = self.finish(held, job) if isinstance(held, Claim) else None
        if not isinstance(image, GeneratedImage):
            if isinstance(held, Claim):
                self._outcome(self._journal.record(held.id))  # raises, as where it was cancelled
            raise OutcomeUnknown("Another process took the job over.", job_id=job.id)
        return image

    def upload(self, data: PictureSource, wanted: Wanted, *, reencode: bool | None) -> MediaResult:
        """See :meth:`flask_media.MediaService.upload`."""
        from . import imaging

        if reencode is not None and not isinstance(reencode, bool):
            raise InvalidRequest(f"reencode is {reencode!r:.80}; it must be True, False or None.")
        is_cleaned = isinstance(data, FileStorage) if reencode is None else reencode
        if is_cleaned and wanted.keep_original is None:
            wanted = dataclasses.replace(wanted, keep_original=False)
        job = upload_job(wanted, self._storage, self._delivery)
        key = job.object_key or ""
        came = imaging.inspect(read_bytes("data", data), decode=True)
        marks = dataclasses.replace(self._config.marks, generated=False)
        if is_cleaned:
            picture = imaging.clean(came, format=job.format, marks=marks)
        else:
            picture = imaging.render(came, format=job.format, marks=marks)
        made = finished(
            picture,
            **derived(
                job,
                came,
                picture,
                marks,
                is_eager=self._delivery.is_eager,
                has_preview=self._config.placeholder,
            ),
        )
        tell_of_manifest(job, made)
        try:
            result, listing = self._work.put(job, key, made)
        except UploadFailed as error:
            self._work.failed(signals.upload_failed, job, error)
            self._delivery.give_up(key)
            raise
        self._work.listed(key, *self._journal.catalog.save(self._storage.location, listing))
        self._work.emit(signals.upload_finished, job, result=result)
        self._work.make_later(result)
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

    # A job

    def _job(self, wanted: Wanted, object_key: str | None) -> GenerationJob:
        return generation_job(
            wanted,
            object_key,
            generator=self._generator,
            storage=self._storage,
            delivery=self._delivery,
            templates=self._templates,
            template=self._config.prompt_template,
        )

    def _asking(self, job: GenerationJob, terms: Terms, wanted: Wanted) -> Asking:
        named: dict[str, Any] = {}
        if job.object_key is not None and wanted.variants is not None:
            named["variants"] = {name: one.to_dict() for name, one in job.variants.items()}
        if job.object_key is not None and wanted.keep_original is not None:
            named["keep_original"] = wanted.keep_original
        return asking_of(
            job,
            scope=self._storage.location,
            model=self._generator.model_of(job.request),
            terms=dataclasses.replace(
                terms, reuse=job.object_key is not None and (terms.reuse or self._config.reuse)
            ),
            named=named,
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
            result = self.finish(held, job if held.is_new else self.taken_over(held))
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

    def _outcome(self, record: Record) -> MediaResult:
        """What became of a job that is finished, or that was let go with an error."""
        if record.state in (State.DONE, State.UPLOADED) and record.result is not None:
            return dataclasses.replace(MediaResult.from_dict(record.result), cached=True)
        if record.state is State.DONE or record.error is None:
            raise NotFound(f"The picture of job {record.id} was handed out; nothing is stored.")
        error = load_error(record.error)
        error.job_id = record.id
        raise error


def _in_progress(record: Record) -> InProgress:
    return InProgress(
        f"Job {record.id} is at the same request. Ask again later, or with wait=True.",
        job_id=record.id,
    )
