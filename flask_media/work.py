"""What is done for one job: generate -> inspect and render -> store -> signal.

Each step is recorded before the next is taken, so that another process can go on from there.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar

from . import signals
from . import telemetry
from .attempts import ask
from .config import MediaConfig
from .delivery.upkeep import Delivery
from .errors import InvalidImage
from .errors import JobCancelled
from .errors import JournalError
from .errors import MediaError
from .errors import NoImageReturned
from .errors import NotConfigured
from .errors import OutcomeUnknown
from .errors import ProviderRefused
from .errors import ProviderUnavailable
from .errors import RateLimited
from .errors import UploadFailed
from .fields import fields
from .journal.journal import Journal
from .journal.listing import Listing
from .journal.records import Claim
from .journal.states import State
from .journal.steps import LostHoldError
from .stages import generated_image
from .stages import media_result
from .stages import rendered
from .stages import tell_of_manifest
from .types import GeneratedImage
from .types import MediaResult
from .values import GenerationAnswer
from .values import GenerationJob
from .values import GenerationRequest
from .values import Job
from .values import Made
from .variants import VariantSpec

if TYPE_CHECKING:
    from blinker import NamedSignal

    from .generators.base import Generator
    from .storage.base import Storage

logger = logging.getLogger(__name__)

Recorded = TypeVar("Recorded")


class Work:
    """The stages, the journal between them, and who hears of them.

    :param config: the checked config.
    :param generator: draws.
    :param storage: keeps.
    :param journal: records each step.
    :param delivery: stores pictures with what belongs to them.
    :param later: has the queue make the variants of a stored picture.
    :param sleep: waits so many seconds before the model is asked again; None
        for real ones.
    :param sender: the sender of the signals.
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
    ) -> None:
        self._config = config
        self._generator = generator
        self._storage = storage
        self._journal = journal
        self._delivery = delivery
        self._later = later
        self._sleep = sleep
        self._sender = sender

    def go_on(
        self, claim: Claim, job: GenerationJob, *, buy: bool, keep: bool
    ) -> MediaResult | GeneratedImage:
        """Do what is left to do for a job that is held.

        :param buy: ask once more, however many calls may have been charged.
        :param keep: nobody takes a picture that is not to be stored: leave it in the journal.
        """
        if claim.state is State.UPLOADED:
            stored = self._journal.record(claim.id).result
            return self._told(claim, job, MediaResult.from_dict(stored or {}))
        if claim.state is State.GENERATED:
            answer = self._kept(claim)
        elif job.object_key is None and keep:
            error = OutcomeUnknown("Nobody waits for this picture any more.", retryable=False)
            self.record(self._journal.failed, claim, error)
            self.failed(signals.generation_failed, job, error)
            raise error
        else:
            answer = self._called(claim, job, buy=buy)
        made = self._made(claim, job, answer)
        if job.object_key is None:
            if not keep:
                self.record(self._journal.returned, claim)
            return generated_image(job, made)
        try:
            result, listing = self.put(job, job.object_key, made, seek=not claim.is_new)
        except Exception as error:
            if claim.unwritten and isinstance(error, UploadFailed):
                self._keep(claim, answer.data, error)  # the journal failed when the picture came
            self.failed(signals.upload_failed, job, error, claim)
            raise
        has_receivers = signals.has_receivers(signals.upload_finished, self._sender)
        scope = self._storage.location
        listed = self.record(self._journal.uploaded, claim, result, scope, listing, has_receivers)
        if listed is not None:
            self.listed(job.object_key, *listed)
        return self._told(claim, job, result)

    def listed(self, key: str, stale: list[str], is_contested: bool) -> None:
        """See to what was made of an earlier picture, and to one that was stored at once."""
        self._delivery.delete_objects(stale)
        if is_contested:
            self._delivery.give_up(key)

    def _told(self, claim: Claim, job: GenerationJob, result: MediaResult) -> MediaResult:
        if claim.state is not State.DONE:  # then nobody was there to be told of it
            self.emit(signals.upload_finished, job, result=result)
        if claim.state is State.UPLOADED:
            self.record(self._journal.done, claim)
        if claim.state in (State.UPLOADED, State.DONE):  # else not recorded: resume finds it stored
            self.make_later(result)
        return result

    def make_later(self, result: MediaResult) -> None:
        """Have the queue make the variants that are to be made later. What it can't take now, the
        journal keeps for it."""
        if self._config.variants_when == "later" and result.variants:
            self._have_made(result.object_key)

    def _have_made(self, key: str) -> None:
        try:
            self._later(key)
        except Exception as error:  # noqa: BLE001 - the picture is stored, whatever a broker raises
            extra = fields(object_key=key, error=error)
            logger.warning("The variants of %r wait: %s", key, error, extra=extra)

    def with_variants(
        self, result: MediaResult, variants: Mapping[str, VariantSpec] | None
    ) -> MediaResult:
        """The result of a picture that another asking made, with the variants of this one: those
        it lacks are made later."""
        try:
            result, is_left = self._delivery.with_later(result, variants)
        except MediaError as error:  # the picture itself is there
            said = fields(object_key=result.object_key, error=error)
            logger.warning(
                "The variants of %r can't be listed: %s", result.object_key, error, extra=said
            )
            return result
        if is_left:
            self._have_made(result.object_key)
        return result

    def record(self, step: Callable[..., Recorded], *arguments: Any) -> Recorded | None:
        """Record what has happened already. That it can't be recorded must not undo it."""
        try:
            return step(*arguments)
        except JournalError as error:
            extra = fields(error=error)
            logger.error("What is done could not be recorded: %s", error, extra=extra)  # noqa: TRY400
        return None

    def _keep(self, claim: Claim, data: bytes, error: UploadFailed) -> None:
        """Record a picture that is in no storage, or else hand it to the caller."""
        try:
            self._journal.kept(claim, data)
        except JournalError as fault:
            error.data, error.retryable = data, False
            error.message = (
                f"{error} Nor can it be recorded: {fault} The error's attribute data is the only "
                "place that the picture is in."
            )

    def estimate(self, job: GenerationJob, model: str | None = None) -> Decimal | None:
        """US dollars that one call may cost, None when no price is known.

        :raises NotConfigured: there is a budget, and no price to keep it by.
        """
        request = job.request if model is None else dataclasses.replace(job.request, model=model)
        cost = self._generator.expected_cost(request)
        if cost is None and self._journal.budgets.any:
            raise NotConfigured(
                f"No price is known for {self._generator.model_of(request)}, so no budget can be "
                "kept. Choose a model of the table with GEMINI_MODEL, or unset "
                "MEDIA_BUDGET_USD_PER_DAY and MEDIA_BUDGET_USD_PER_USER_PER_DAY."
            )
        return cost

    def _called(self, claim: Claim, job: GenerationJob, *, buy: bool) -> GenerationAnswer:
        """Have the picture generated: the bytes as they come, recorded."""
        request = job.request
        allowed = self._allowed_calls(claim, job, buy=buy)
        logger.info(
            "Job %s: asking for %d x %d pixels, %d references",
            *(job.id, request.width, request.height, len(request.references)),
            extra=fields(job),
        )
        started = time.monotonic()
        is_recorded, is_first = claim.state is State.GENERATING, True

        def call(model: str) -> GenerationAnswer:
            nonlocal is_recorded, is_first
            if not is_recorded:
                self._journal.calling(claim, model=model, estimate=self.estimate(job, model))
            if is_first:
                self.emit(signals.generation_started, job)
            is_recorded = is_first = False
            return self._call(claim, dataclasses.replace(request, model=model))

        models = (self._generator.model_of(request), *self._config.gemini_fallback_models)
        try:
            answer, _ = ask(
                call, models=models, max_calls=allowed, job_id=job.id, sleep=self._sleep
            )
        except LostHoldError:
            raise  # another process has it, or it was cancelled: what comes of it is told there
        except Exception as error:
            if isinstance(error, MediaError):
                self._end(claim, error)
            self.failed(signals.generation_failed, job, error, claim)
            raise
        seconds = time.monotonic() - started
        logger.info(
            "Job %s: %s answered call %d after %.2f s with %d bytes, cost %s USD",
            *(job.id, answer.model, len(claim.attempts), seconds),
            *(len(answer.data), "unknown" if answer.cost_usd is None else answer.cost_usd),
            extra=fields(job, attempt=len(claim.attempts), seconds=seconds, answer=answer),
        )
        self.record(self._journal.generated, claim, answer)
        return answer

    def _call(self, claim: Claim, request: GenerationRequest) -> GenerationAnswer:
        """Make one call; one without an answer is recorded."""
        try:
            return telemetry.call(self._generator, request, len(claim.attempts))
        except OutcomeUnknown as error:
            error.retryable = self._may_ask_again(claim, after=1, is_unknown=True)
            self.record(self._journal.unknown, claim, error)
            raise
        except (RateLimited, ProviderUnavailable, ProviderRefused) as error:
            self.record(self._journal.refused, claim, error)
            raise

    def _allowed_calls(self, claim: Claim, job: GenerationJob, *, buy: bool) -> int:
        """How many calls may be made now; those that may have been paid count for ever."""
        allowed = self._config.gemini_max_attempts - claim.paid_calls
        if buy:
            return max(allowed, 1)
        if claim.paid_calls and not self._may_ask_again(claim):
            error = OutcomeUnknown(
                f"{claim.paid_calls} calls for this picture may have been charged without giving "
                f"it. resume({claim.id!r}, buy=True) asks once more.",
                retryable=False,
            )
            if not claim.is_told:
                self.failed(signals.generation_failed, job, error)
            raise error
        return allowed

    def _may_ask_again(self, claim: Claim, *, after: int = 0, is_unknown: bool = False) -> bool:
        """Whether a later asking may call, after so many more calls that may have been paid."""
        if claim.paid_calls + after >= self._config.gemini_max_attempts:
            return False
        is_unknown = is_unknown or any(one.get("outcome") == "unknown" for one in claim.attempts)
        return not is_unknown or self._config.on_unknown == "retry"

    def _end(self, claim: Claim, error: MediaError) -> None:
        """Record how asking ended without a picture."""
        if isinstance(error, InvalidImage):
            self.record(self._journal.quarantined, claim, error, error.data)
        elif isinstance(error, NoImageReturned):
            error.retryable = self._may_ask_again(claim, after=1)
            self.record(lambda: self._journal.failed(claim, error, paid=True))
        elif isinstance(error, OutcomeUnknown | JournalError):
            pass  # recorded, or not to be recorded
        elif claim.is_retried(error) and claim.state is not State.GENERATING:
            pass  # it stays unfinished for its holder's next try
        elif claim.paid_calls and claim.state is not State.GENERATING and _will_pass(error):
            pass  # it stays unfinished, so that what it may have cost counts in the next asking
        else:
            self.record(self._journal.failed, claim, error)

    def _kept(self, claim: Claim) -> GenerationAnswer:
        """The answer that an earlier process recorded."""
        record, data = self._journal.record(claim.id), self._journal.picture(claim.id)
        if data is None:
            raise JournalError(f"The journal has lost the bytes of job {claim.id}.")
        return GenerationAnswer(
            data=data, model=record.model or "", usage=record.usage, cost_usd=record.cost_usd
        )

    def _made(self, claim: Claim, job: GenerationJob, answer: GenerationAnswer) -> Made:
        """Verify the answer and bring it into the form asked for."""
        try:
            made = rendered(
                job,
                answer,
                len(claim.attempts),
                marks=dataclasses.replace(self._config.marks, generated=self._generator.is_trained),
                is_eager=self._delivery.is_eager,
                has_preview=self._config.placeholder,
            )
        except Exception as error:
            if isinstance(error, InvalidImage):
                data = answer.data if claim.unwritten else None
                self.record(self._journal.quarantined, claim, error, data)
            self.failed(signals.generation_failed, job, error)
            raise
        tell_of_manifest(job, made)
        self.emit(signals.generation_finished, job, image=generated_image(job, made))
        return made

    def put(
        self, job: Job, key: str, made: Made, *, seek: bool = False
    ) -> tuple[MediaResult, Listing]:
        """Store the picture under the key, and what belongs to it.

        :param seek: look first whether it is there already, stored by a process that then ended.
        :returns: the result, and how the picture is to be listed.
        :raises UploadFailed: the storage refused or failed; says whether that can pass.
        """
        self.emit(signals.upload_started, job)
        try:
            derived = telemetry.store(
                job,
                self._config.storage_name,
                lambda: self._delivery.store(job, key, made, seek=seek),
            )
            is_generated = isinstance(job, GenerationJob) and self._generator.is_trained
            result, listing = self._delivery.told(
                media_result(job, key, made), made.picture, derived, is_generated=is_generated
            )
        except MediaError as cause:
            raise UploadFailed(
                f"{key!r} could not be stored: {cause}", retryable=cause.retryable
            ) from cause
        size = result.size_bytes
        extra = fields(job, size_bytes=size)
        logger.info("Job %s: stored %d bytes as %r", job.id, size, key, extra=extra)
        return result, listing

    def failed(
        self, signal: NamedSignal, job: Job, error: Exception, claim: Claim | None = None
    ) -> None:
        """Log that there is no picture, or that it is not stored; and tell so, unless the holder
        of the claim tries again by itself."""
        if isinstance(error, MediaError):
            error.job_id = job.id
        level = logging.INFO if isinstance(error, JobCancelled) else logging.WARNING
        extra = fields(job, error=error)
        logger.log(level, "Job %s: %s: %s", job.id, type(error).__name__, error, extra=extra)
        if claim and isinstance(error, MediaError) and claim.is_retried(error):
            return
        if claim:
            claim.is_told = False  # that was about another error
        self.emit(signal, job, error=error)

    def emit(self, signal: NamedSignal, job: Job, **values: Any) -> None:
        """Send one of the six signals about a job."""
        signals.emit(
            signal,
            self._sender,
            job_id=job.id,
            object_key=job.object_key,
            prompt=job.prompt,
            **values,
        )


def _will_pass(error: MediaError) -> bool:
    return error.retryable or isinstance(error, NotConfigured)
