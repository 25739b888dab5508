"""The service: what an app calls. The pipeline does the work."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from contextlib import ExitStack
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING
from typing import Any

from .awaited import awaited
from .errors import InvalidRequest
from .errors import MediaError
from .errors import NotFound
from .errors import QueueUnavailable
from .operated import OperatedService
from .options import ImageGenerationConfig

if TYPE_CHECKING:
    from .inputs import PictureSource
    from .jobs.handle import MediaJob
    from .journal.records import Record
    from .types import GeneratedImage
    from .types import MediaResult
    from .values import Terms
    from .values import Wanted
    from .variants import VariantSpec


class MediaService(OperatedService):
    """Generates pictures and stores them; ``current_media`` is the one of the current app.

    Threads may share it. It opens nothing before its first use, so it can be made before a fork.
    """

    # What an app asks for

    def generate_and_upload(
        self,
        prompt: str,
        object_key: str,
        metadata: Mapping[str, Any] | None = None,
        config: ImageGenerationConfig | None = None,
        *,
        reference_images: Iterable[PictureSource | str] = (),
        variants: Mapping[str, VariantSpec] | None = None,
        keep_original: bool | None = None,
        idempotency_key: str | None = None,
        reuse: bool = False,
        spender: str | None = None,
        wait: bool = True,
    ) -> MediaResult:
        """Generate a picture and store it.

        The same unfinished work asked for again goes on where it stood: a picture that is paid
        for is never bought again, one that is under way is waited for.

        :param prompt: what the picture shall show; 30,000 characters at most.
        :param object_key: where to store it, as ``goals/7/house.png``.
        :param metadata: stored with it: text, numbers, booleans; None values are dropped.
        :param config: how it shall look.
        :param reference_images: pictures to go by: bytes, binary files, or keys stored already.
        :param variants: derivatives to make of it, by name: a width, a box ``(640, 400)``, a
            :class:`Variant` or its fields; None for those of MEDIA_VARIANTS.
        :param keep_original: store the file as the model sent it too, where another one is made of
            it; None for what MEDIA_KEEP_ORIGINAL says.
        :param idempotency_key: your name for this request, 255 characters at most: asked again
            with it, finished or not, it is the same picture. Within a Celery task the task's id
            does this by itself.
        :param reuse: take the stored picture of an equal request, if there is one.
        :param spender: whose budget it counts against, as a user's id.
        :param wait: wait for the same request if it is under way elsewhere, else raise.
        :raises NotConfigured: a config key is missing.
        :raises InvalidRequest: an argument is wrong.
        :raises BudgetExceeded: it does not fit in the day's budget.
        :raises JournalError: it can't be recorded. None of these four costs anything.
        :raises IdempotencyConflict: the key stands for another request.
        :raises InProgress: it is under way elsewhere, and ``wait`` is False.
        :raises ContentBlocked: the model refuses the content.
        :raises NoImageReturned: the model answered without a picture.
        :raises RateLimited: the provider's limit is reached; see ``retry_after``.
        :raises ProviderUnavailable: the provider is down or out of reach.
        :raises ProviderRefused: the provider refuses the key, the model or the request.
        :raises GenerationTimeout: no answer within GEMINI_TIMEOUT.
        :raises OutcomeUnknown: the call was cut off and may have been charged.
        :raises InvalidImage: what came is no usable picture.
        :raises UploadFailed: the picture could not be stored.
        """
        from .values import Terms
        from .values import Wanted

        terms = Terms(idempotency_key=idempotency_key, reuse=reuse, spender=spender, wait=wait)
        wanted = Wanted(
            prompt=prompt,
            object_key=object_key,
            metadata=metadata,
            config=config,
            reference_images=reference_images,
            variants=variants,
            keep_original=keep_original,
        )
        return self._pipeline.generate_and_upload(wanted, terms)

    def generate(
        self,
        prompt: str,
        config: ImageGenerationConfig | None = None,
        *,
        reference_images: Iterable[PictureSource | str] = (),
        spender: str | None = None,
    ) -> GeneratedImage:
        """Generate a picture and return it without storing it.

        The journal keeps its bytes until it returns; it is never the same job as another.

        :raises MediaError: as :meth:`generate_and_upload`, except ``UploadFailed``.
        """
        from .values import Wanted

        wanted = Wanted(prompt=prompt, config=config, reference_images=reference_images)
        return self._pipeline.generate(wanted, spender=spender)

    def upload(
        self,
        data: PictureSource,
        object_key: str,
        metadata: Mapping[str, Any] | None = None,
        *,
        variants: Mapping[str, VariantSpec] | None = None,
        keep_original: bool | None = None,
        reencode: bool | None = None,
    ) -> MediaResult:
        """Verify and store a picture that is there already.

        A werkzeug ``FileStorage`` comes from a user: it is encoded anew from its pixels, so that
        nothing else of the file is stored, no place in its EXIF and no script behind its end.
        Other bytes are stored as they are if the key's extension says the same format, else they
        are encoded in that format.

        :param data: bytes, a binary file or a werkzeug ``FileStorage``; 50 MB at most.
        :param object_key: where to store it.
        :param metadata: stored with it, as in :meth:`generate_and_upload`.
        :param variants: derivatives to make of it, as in :meth:`generate_and_upload`.
        :param keep_original: store the untouched file too; MEDIA_KEEP_ORIGINAL has no say where
            the file is encoded anew for safety.
        :param reencode: whether to encode it anew from its pixels whatever its format is; None
            does so with a ``FileStorage``.
        :raises NotConfigured: a config key is missing.
        :raises InvalidRequest: an argument is wrong.
        :raises InvalidImage: the bytes are no usable picture.
        :raises UploadFailed: it could not be stored.
        """
        from .values import Wanted

        wanted = Wanted(
            object_key=object_key,
            metadata=metadata,
            variants=variants,
            keep_original=keep_original,
        )
        return self._pipeline.upload(data, wanted, reencode=reencode)

    def generate_many(
        self, requests: Iterable[Mapping[str, Any]], concurrency: int = 4
    ) -> list[MediaResult | MediaError]:
        """Generate and store many pictures, some at once.

        :param requests: the arguments of :meth:`generate_and_upload` for each, as
            ``dict(prompt=..., object_key=...)``; checked to be such before the first is begun.
        :param concurrency: how many at once, 1 to 256; each takes a thread.
        :returns: in their order the result of each, or its error in its place: one that fails
            costs the others nothing.
        :raises InvalidRequest: ``concurrency`` is wrong, or a request is no such dict.
        """
        from .jobs.many import generate_many

        return generate_many(
            self.generate_and_upload, requests, concurrency=concurrency, context=self._context
        )

    # What an app awaits

    agenerate_and_upload = awaited(generate_and_upload)
    agenerate = awaited(generate)
    aupload = awaited(upload)
    agenerate_many = awaited(generate_many)

    # What is made in the background

    def generate_later(
        self,
        prompt: str,
        object_key: str,
        metadata: Mapping[str, Any] | None = None,
        config: ImageGenerationConfig | None = None,
        *,
        reference_images: Iterable[PictureSource | str] = (),
        variants: Mapping[str, VariantSpec] | None = None,
        keep_original: bool | None = None,
        idempotency_key: str | None = None,
        reuse: bool = False,
        spender: str | None = None,
        wait: bool = True,
    ) -> MediaJob:
        """Have a picture generated and stored in the background, by the queue of MEDIA_QUEUE.

        The arguments are those of :meth:`generate_and_upload`, checked at once. The journal keeps
        the job: it is finished though this process ends. The same request, unfinished or under the
        same idempotency key, is the same job. Variants that it was not asked for are then made
        after its picture: where that is still to come, once the handle's ``result()`` has it.

        :param wait: join the same request if it is under way, else raise.
        :returns: the job; its ``result(timeout)`` waits, and :meth:`job` finds it again by its id.
        :raises QueueUnavailable: too many jobs wait, or the queue is out of reach.
        :raises NotConfigured: a config key is missing.
        :raises InvalidRequest: an argument is wrong.
        :raises BudgetExceeded: it does not fit in the day's budget.
        :raises JournalError: it can't be recorded.
        :raises IdempotencyConflict: the key stands for another request.
        :raises InProgress: it is under way, and ``wait`` is False. None of these costs anything.
        """
        from .values import Terms
        from .values import Wanted

        terms = Terms(
            idempotency_key=idempotency_key,
            reuse=reuse,
            spender=spender,
            wait=wait,
            is_queued=True,
        )
        wanted = Wanted(
            prompt=prompt,
            object_key=object_key,
            metadata=metadata,
            config=config,
            reference_images=reference_images,
            variants=variants,
            keep_original=keep_original,
        )
        return self.put_in_queue(wanted, terms)

    agenerate_later = awaited(generate_later)

    def check(self, wanted: Wanted, terms: Terms) -> None:
        """Check a request as :meth:`generate_later` does, and record nothing.

        For a queue, it has to be set up too.

        :raises NotConfigured: a config key is missing.
        :raises InvalidRequest: an argument is wrong.
        """
        self._pipeline.check(wanted, terms)
        if terms.is_queued:
            # A queue that is full now may have room when the job is ordered.
            with suppress(QueueUnavailable), self.queue.place():
                pass

    def put_in_queue(self, wanted: Wanted, terms: Terms) -> MediaJob:
        """:meth:`generate_later`, on terms that only the HTTP interface has."""
        from .journal.records import Record

        is_reused = terms.reuse or self._config.reuse
        with ExitStack() as stack:
            try:
                put = stack.enter_context(self.queue.place())
            except QueueUnavailable:
                found = self._pipeline.known(wanted, terms)
                if found is None:
                    raise
                return self._handle(found, is_found=True, is_reused=is_reused)
            entered = self._pipeline.enter(wanted, terms)
            if isinstance(entered, Record):
                is_found = entered.result is not None
                return self._handle(
                    entered, is_found=is_found, is_reused=is_reused, variants=wanted.variants
                )
            claim, job = entered
            variants = {} if claim.is_new else wanted.variants
            handle = self._handle(self._pipeline.accepted(claim, job), variants=variants)
            put(claim, job)
        return handle

    def job(self, job_id: str, *, spender: str | None = None) -> MediaJob:
        """The job of that id, as it stands.

        :param spender: whose it must be, and for this storage; None takes anybody's.
        :raises NotFound: the journal has no such job, or it is another's.
        """
        return self._handle(self._record(job_id, spender))

    def jobs(
        self,
        spender: str | None = None,
        *,
        state: str | None = None,
        since: date | None = None,
        limit: int = 20,
        before: str | None = None,
    ) -> list[MediaJob]:
        """The jobs for this storage, newest first.

        :param spender: whose; None for everybody's.
        :param state: a state of the journal, as ``failed``; None for all.
        :param since: a day or time (UTC where it names no zone) that they were asked for from.
        :param limit: most jobs to return.
        :param before: the id of the last one of the page before.
        :raises NotFound: they have no job of that id.
        :raises InvalidRequest: there is no such state, or ``since`` is no day.
        """
        from .inputs import moment
        from .journal.states import State

        if state not in (None, *State):
            states = ", ".join(repr(one.value) for one in State)
            raise InvalidRequest(f"state is {state!r:.80}; it must be {states} or None.")
        page = self.journal.page(
            self.storage.location,
            spender,
            limit=limit,
            before=None if before is None else self._record(before, spender),
            state=None if state is None else State(state),
            since=None if since is None else moment("since", since),
        )
        return [self._handle(record) for record in page]

    def _handle(self, record: Record, **values: Any) -> MediaJob:
        from .jobs.handle import MediaJob

        return MediaJob(
            self._pipeline,
            record,
            start_queue=self.start_queue,
            threads=self._parts.lookups,
            **values,
        )

    def _record(self, job_id: str, spender: str | None) -> Record:
        record = self.journal.record(job_id)
        if spender is not None and (record.spender, record.scope) != (
            spender,
            self.storage.location,
        ):
            raise NotFound(f"The journal has no job {job_id!r} of theirs.")
        return record

    # What was asked for before

    def resume(self, job_id: str, *, buy: bool = False) -> MediaResult | GeneratedImage:
        """Go on with a job where it stands: upload what is paid for, or ask as it is allowed.

        :param job_id: as in errors, signals and results.
        :param buy: ask once more though calls for it may have been charged.
        :returns: what its first call would have returned.
        :raises NotFound: the journal has no such job.
        :raises MediaError: as :meth:`generate_and_upload`.
        """
        return self._pipeline.resume(job_id, buy=buy)

    aresume = awaited(resume)

    def resume_all(self) -> list[MediaResult | GeneratedImage | MediaError]:
        """Go on with all jobs that dead processes left; safe in many processes at once.

        Buys only as MEDIA_ON_UNKNOWN says. Jobs for another storage, as of another app that shares
        the journal, are left to it.

        :returns: a result or an error for each job; raises none of them.
        """
        results = self._pipeline.resume_all()
        self._parts.start_courier()
        return results
