"""The way of a picture: generate -> inspect and render -> store -> result -> signal."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

from . import prompts
from . import signals
from .attempts import ask
from .config import MediaConfig
from .errors import InvalidImage
from .errors import MediaError
from .errors import UploadFailed
from .inputs import PictureSource
from .inputs import read_bytes
from .options import ImageGenerationConfig
from .request import generation_job
from .request import upload_job
from .types import GeneratedImage
from .types import MediaResult
from .values import GenerationAnswer
from .values import GenerationJob
from .values import Job
from .values import Made
from .values import Picture

if TYPE_CHECKING:
    import jinja2
    from blinker import NamedSignal

    from .generators.base import Generator
    from .storage.base import Storage

logger = logging.getLogger(__name__)


class Pipeline:
    """The stages, and who hears of them.

    :param config: the checked config.
    :param generator: draws.
    :param storage: keeps.
    :param sender: the sender of the signals.
    :param prompt_loader: finds the app's own prompt template.
    """

    def __init__(
        self,
        config: MediaConfig,
        *,
        generator: Generator,
        storage: Storage,
        sender: object,
        prompt_loader: jinja2.BaseLoader | None,
    ) -> None:
        self._config = config
        self._generator = generator
        self._storage = storage
        self._sender = sender
        self._templates = prompts.prompt_environment(prompt_loader)

    def generate_and_upload(
        self,
        prompt: str,
        object_key: str,
        metadata: Mapping[str, Any] | None,
        config: ImageGenerationConfig | None,
        reference_images: Iterable[PictureSource | str],
    ) -> MediaResult:
        """See :meth:`flask_media.MediaService.generate_and_upload`."""
        key = self._storage.check_key(object_key)
        job = self._job(prompt, config, reference_images, key, metadata)
        return self._store(job, key, self._make(job))

    def generate(
        self,
        prompt: str,
        config: ImageGenerationConfig | None,
        reference_images: Iterable[PictureSource | str],
    ) -> GeneratedImage:
        """See :meth:`flask_media.MediaService.generate`."""
        job = self._job(prompt, config, reference_images)
        return _generated_image(job, self._make(job))

    def upload(
        self, data: PictureSource, object_key: str, metadata: Mapping[str, Any] | None
    ) -> MediaResult:
        """See :meth:`flask_media.MediaService.upload`."""
        from . import imaging

        job = upload_job(object_key, metadata, self._storage)
        picture = imaging.inspect(read_bytes("data", data), decode=True)
        picture = imaging.render(picture, format=job.format, generated=False)
        return self._store(job, object_key, _finished(picture))

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

    def _make(self, job: GenerationJob) -> Made:
        """Have the picture generated, verify it and bring it into the form asked for.

        :raises MediaError: as the generator and ``imaging`` say; its ``job_id`` is the job's.
        """
        self._emit(signals.generation_started, job)
        try:
            made = _rendered(job, *self._generated(job))
        except Exception as error:
            self._failed(signals.generation_failed, job, error)
            raise
        self._emit(signals.generation_finished, job, image=_generated_image(job, made))
        return made

    def _store(self, job: Job, key: str, made: Made) -> MediaResult:
        """Store the picture under the key.

        :raises UploadFailed: the storage refused or failed; says whether that can pass.
        """
        picture = made.picture
        self._emit(signals.upload_started, job)
        try:
            self._storage.put(
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
            lambda: self._generator.generate(request),
            max_attempts=self._config.gemini_max_attempts,
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
            url=job.url or "",
            object_key=key,
            prompt=job.prompt,
            original_prompt=job.original_prompt,
            content_type=picture.content_type,
            width=picture.width,
            height=picture.height,
            size_bytes=len(picture.data),
            sha256=made.sha256,
            metadata=dict(job.metadata),
            model=made.model or None,
            usage=made.usage,
            cost_usd=made.cost_usd,
            job_id=job.id,
            cached=False,
            attempts=made.attempts,
            created_at=made.created_at,
        )

    def _failed(self, signal: NamedSignal, job: Job, error: Exception) -> None:
        if isinstance(error, MediaError):
            error.job_id = job.id
        logger.warning("Job %s: %s: %s", job.id, type(error).__name__, error)
        self._emit(signal, job, error=error)

    def _emit(self, signal: NamedSignal, job: Job, **values: Any) -> None:
        signals.emit(
            signal,
            self._sender,
            job_id=job.id,
            object_key=job.object_key,
            prompt=job.prompt,
            **values,
        )


def _finished(picture: Picture, **values: Any) -> Made:
    """The picture as something made now, with its hash; ``values`` say how, if it was generated."""
    return Made(
        picture=picture,
        sha256=hashlib.sha256(picture.data).hexdigest(),
        created_at=datetime.now(UTC),
        **values,
    )


def _generated_image(job: GenerationJob, made: Made) -> GeneratedImage:
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
        raise InvalidImage(
            f"{answer.model} sent no usable picture, and was paid for it: {error}",
            model=answer.model,
            usage=answer.usage,
        ) from None
    return _finished(
        picture,
        model=answer.model,
        usage=answer.usage,
        cost_usd=answer.cost_usd,
        attempts=calls,
    )
