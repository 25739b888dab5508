"""The way of a picture: generate -> inspect and render -> store -> result -> signal."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import time
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

from . import signals
from .attempts import ask
from .errors import InvalidImage
from .errors import MediaError
from .errors import UploadFailed
from .types import GeneratedImage
from .types import GenerationAnswer
from .types import GenerationJob
from .types import Job
from .types import Made
from .types import MediaResult
from .types import Picture

if TYPE_CHECKING:
    from blinker import NamedSignal

    from .generators.base import Generator
    from .storage.base import Storage

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """The stages, and who hears of them."""

    generator: Generator
    storage: Storage
    sender: object
    max_attempts: int

    def make(self, job: GenerationJob) -> Made:
        """Have the picture generated, verify it and bring it into the form asked for.

        :raises MediaError: as the generator and ``imaging`` say; its ``job_id`` is the job's.
        """
        self._emit(signals.generation_started, job)
        try:
            made = _rendered(job, *self._generated(job))
        except MediaError as error:
            self._failed(signals.generation_failed, job, error)
            raise
        self._emit(signals.generation_finished, job, image=generated_image(job, made))
        return made

    def store(self, job: Job, key: str, made: Made) -> MediaResult:
        """Store the picture under the key.

        :raises UploadFailed: the storage refused or failed; says whether that can pass.
        """
        picture = made.picture
        self._emit(signals.upload_started, job)
        try:
            self.storage.put(
                key,
                picture.data,
                content_type=picture.content_type,
                sha256=made.sha256,
                metadata=job.metadata,
            )
            result = self._result(job, key, made)
        except MediaError as cause:
            error = UploadFailed(f"{key!r} could not be stored: {cause}", retryable=cause.retryable)
            self._failed(signals.upload_failed, job, error)
            raise error from cause
        logger.info("Job %s: stored %d bytes as %r", job.id, result.size_bytes, key)
        self._emit(signals.upload_finished, job, result=result)
        return result

    def _generated(self, job: GenerationJob) -> tuple[GenerationAnswer, int]:
        request = job.request
        logger.info(
            "Job %s: asking for %d x %d pixels, %d references",
            job.id,
            request.width,
            request.height,
            len(request.references),
        )
        started = time.monotonic()
        answer, calls = ask(
            lambda: self.generator.generate(request),
            max_attempts=self.max_attempts,
            job_id=job.id,
        )
        logger.info(
            "Job %s: %s answered call %d after %.2f s with %d bytes, cost %s USD",
            job.id,
            answer.model,
            calls,
            time.monotonic() - started,
            len(answer.data),
            "unknown" if answer.cost_usd is None else answer.cost_usd,
        )
        return answer, calls

    def _result(self, job: Job, key: str, made: Made) -> MediaResult:
        picture = made.picture
        return MediaResult(
            url=self.storage.url(key),
            object_key=key,
            prompt=job.prompt,
            original_prompt=job.original_prompt,
            content_type=picture.content_type,
            width=picture.width,
            height=picture.height,
            size_bytes=len(picture.data),
            sha256=made.sha256,
            metadata=job.metadata,
            model=made.model or None,
            usage=made.usage,
            cost_usd=made.cost_usd,
            job_id=job.id,
            cached=False,
            attempts=made.attempts,
            created_at=made.created_at,
        )

    def _failed(self, signal: NamedSignal, job: Job, error: MediaError) -> None:
        error.job_id = job.id
        logger.warning("Job %s: %s: %s", job.id, type(error).__name__, error)
        self._emit(signal, job, error=error)

    def _emit(self, signal: NamedSignal, job: Job, **values: Any) -> None:
        signals.emit(
            signal,
            self.sender,
            job_id=job.id,
            object_key=job.object_key,
            prompt=job.prompt,
            **values,
        )


def finished(picture: Picture, **values: Any) -> Made:
    """The picture as something made now, with its hash.

    :param values: fields of :class:`~flask_media.types.Made`, where it was generated.
    """
    return Made(
        picture=picture,
        sha256=hashlib.sha256(picture.data).hexdigest(),
        created_at=datetime.now(UTC),
        **values,
    )


def generated_image(job: GenerationJob, made: Made) -> GeneratedImage:
    """What ``generate`` returns and ``generation_finished`` carries."""
    picture = made.picture
    return GeneratedImage(
        data=picture.data,
        content_type=picture.content_type,
        width=picture.width,
        height=picture.height,
        size_bytes=len(picture.data),
        sha256=made.sha256,
        prompt=job.prompt,
        original_prompt=job.original_prompt,
        model=made.model,
        usage=made.usage,
        cost_usd=made.cost_usd,
        job_id=job.id,
        attempts=made.attempts,
        created_at=made.created_at,
    )


def _rendered(job: GenerationJob, answer: GenerationAnswer, calls: int) -> Made:
    from . import imaging

    config = job.config
    width, height = config.pixels
    try:
        picture = imaging.render(
            imaging.inspect(answer.data),
            width=width,
            height=height,
            format=job.format,
            quality=config.quality,
            compression=config.compression,
        )
    except InvalidImage as error:
        error.model, error.usage = answer.model, answer.usage
        raise
    return finished(
        picture,
        model=answer.model,
        usage=answer.usage,
        cost_usd=answer.cost_usd,
        attempts=calls,
    )
