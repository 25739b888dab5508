"""The service: checks what is asked for and sends it through the pipeline."""

from __future__ import annotations

import dataclasses
import threading
import uuid
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import BinaryIO

from . import prompts
from .config import MediaConfig
from .errors import InvalidImage
from .errors import InvalidRequest
from .errors import NotFound
from .generators import make_generator
from .keys import check_metadata
from .options import ImageGenerationConfig
from .options import StorageProvider
from .pipeline import Pipeline
from .pipeline import finished
from .pipeline import generated_image
from .request import PictureSource
from .request import check_config
from .request import read_bytes
from .request import target_format
from .storage import make_storage
from .types import GeneratedImage
from .types import GenerationJob
from .types import GenerationRequest
from .types import Job
from .types import MediaResult
from .types import ObjectStat
from .types import Picture

if TYPE_CHECKING:
    import jinja2

    from .generators.base import Generator
    from .storage.base import Storage


class MediaService:
    """Generates pictures and stores them; ``current_media`` is the one of the current app.

    Threads may share it. It opens nothing before its first use, so it can be made before a fork.

    :param config: the checked config.
    :param folder: root of the filesystem storage.
    :param sender: the sender of the signals; None is the service itself.
    :param files_url: gives the URL of a key of the filesystem or memory storage, or None.
    :param prompt_loader: finds the app's own prompt template.
    """

    def __init__(
        self,
        config: MediaConfig,
        *,
        folder: Path,
        sender: object | None = None,
        files_url: Callable[[str], str | None] | None = None,
        prompt_loader: jinja2.BaseLoader | None = None,
    ) -> None:
        self._config = config
        self._folder = folder
        self._sender = self if sender is None else sender
        self._files_url = files_url
        self._prompt_environment = prompts.prompt_environment(prompt_loader)
        self._lock = threading.Lock()
        self._generator: Generator | None = None
        self._storage: Storage | None = None

    # What an app asks for

    def generate_and_upload(
        self,
        prompt: str,
        object_key: str,
        metadata: Mapping[str, Any] | None = None,
        config: ImageGenerationConfig | None = None,
        *,
        reference_images: Iterable[PictureSource | str] = (),
    ) -> MediaResult:
        """Generate a picture and store it.

        :param prompt: what the picture shall show; 30,000 characters at most.
        :param object_key: where to store it, as ``goals/7/house.png``.
        :param metadata: stored with it: text, numbers, booleans; None values are dropped.
        :param config: how it shall look.
        :param reference_images: pictures to go by: bytes, binary files, or keys stored already.
        :raises NotConfigured: a config key is missing.
        :raises InvalidRequest: an argument is wrong. Neither of these two costs anything.
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
        key = self.storage.check_key(object_key)
        self.storage.check_ready()
        job = self._job(prompt, config, reference_images, object_key=key, metadata=metadata)
        pipeline = self._pipeline
        return pipeline.store(job, key, pipeline.make(job))

    def generate(
        self,
        prompt: str,
        config: ImageGenerationConfig | None = None,
        *,
        reference_images: Iterable[PictureSource | str] = (),
    ) -> GeneratedImage:
        """Generate a picture and return it without storing it.

        :raises MediaError: as :meth:`generate_and_upload`, except ``UploadFailed``.
        """
        job = self._job(prompt, config, reference_images)
        return generated_image(job, self._pipeline.make(job))

    def upload(
        self,
        data: PictureSource,
        object_key: str,
        metadata: Mapping[str, Any] | None = None,
    ) -> MediaResult:
        """Verify and store a picture that is there already.

        Its bytes are stored as they are if the key's extension says the same format, else they
        are encoded in that format.

        :param data: bytes, a binary file or a werkzeug ``FileStorage``; 50 MB at most.
        :param object_key: where to store it.
        :param metadata: stored with it, as in :meth:`generate_and_upload`.
        :raises NotConfigured: a config key is missing.
        :raises InvalidRequest: an argument is wrong.
        :raises InvalidImage: the bytes are no usable picture.
        :raises UploadFailed: it could not be stored.
        """
        from . import imaging

        key = self.storage.check_key(object_key)
        job = Job(
            id=uuid.uuid4().hex,
            object_key=key,
            format=target_format(key, None),
            metadata=check_metadata(metadata),
        )
        self.storage.check_ready()
        picture = imaging.inspect(read_bytes("data", data), decode=True)
        picture = imaging.render(picture, format=job.format, generated=False)
        return self._pipeline.store(job, key, finished(picture))

    # What is stored

    def url(self, object_key: str) -> str:
        """Where the object can be fetched, if it is public. Makes no network call.

        :raises InvalidRequest: the key is wrong.
        """
        return self.storage.url(object_key)

    def open(self, object_key: str) -> BinaryIO:
        """Open the object for reading: a binary file and context manager.

        :raises NotFound: there is none.
        :raises StorageError: the storage refused or failed.
        """
        return self.storage.open(object_key)

    def exists(self, object_key: str) -> bool:
        """Whether there is an object under the key.

        :raises StorageError: the storage refused or failed.
        """
        try:
            self.storage.stat(object_key)
        except NotFound:
            return False
        return True

    def stat(self, object_key: str) -> ObjectStat:
        """Size in bytes, content type and metadata of the object.

        :raises NotFound: there is none.
        :raises StorageError: the storage refused or failed.
        """
        return self.storage.stat(object_key)

    def delete(self, object_key: str) -> None:
        """Delete the object; one that is not there is no error.

        :raises StorageError: the storage refused or failed.
        """
        self.storage.delete(object_key)

    # Wiring

    @property
    def config(self) -> MediaConfig:
        """The config in force; its repr shows no secret."""
        return self._config

    @property
    def generator(self) -> Generator:
        """The generator of MEDIA_GENERATOR, made at first use."""
        with self._lock:
            if self._generator is None:
                self._generator = make_generator(self._config)
            return self._generator

    @property
    def storage(self) -> Storage:
        """The storage of MEDIA_STORAGE, made at first use."""
        with self._lock:
            if self._storage is None:
                self._storage = make_storage(
                    self._config, folder=self._folder, files_url=self._files_url
                )
            return self._storage

    def configure_gemini(self, api_key: str) -> None:
        """Ask Gemini with this key from now on, as GEMINI_API_KEY does.

        :param api_key: key of the Gemini API.
        :raises InvalidConfig: it can't be a key.
        """
        self._reconfigure(gemini_api_key=api_key)

    def configure_storage(
        self,
        provider: StorageProvider | str = StorageProvider.DIGITALOCEAN_SPACES,
        region: str | None = None,
        bucket: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        *,
        endpoint_url: str | None = None,
        cdn_url: str | None = None,
    ) -> None:
        """Keep pictures there from now on, as the SPACES_* keys and MEDIA_STORAGE do.

        What is not given stays as it is configured.

        :param provider: a :class:`StorageProvider` or its value.
        :param region: the bucket's region, as ``fra1``.
        :param bucket: the bucket.
        :param access_key: its access key.
        :param secret_key: its secret key.
        :param endpoint_url: where the provider has no endpoint of its own, as MinIO.
        :param cdn_url: base of public URLs.
        :raises InvalidConfig: a value is wrong; names the config key.
        """
        if provider in (StorageProvider.FILESYSTEM, StorageProvider.MEMORY):
            self._reconfigure(storage=str(provider))
            return
        self._reconfigure(
            storage="spaces",
            spaces_provider=provider,
            spaces_region=region,
            spaces_bucket=bucket,
            spaces_key=access_key,
            spaces_secret=secret_key,
            spaces_endpoint_url=endpoint_url,
            spaces_cdn_url=cdn_url,
        )

    @property
    def _pipeline(self) -> Pipeline:
        return Pipeline(
            self.generator, self.storage, self._sender, self._config.gemini_max_attempts
        )

    def _reconfigure(self, **values: Any) -> None:
        given = {name: value for name, value in values.items() if value is not None}
        with self._lock:
            self._config = self._config.replace(**given)
            self._generator = self._storage = None

    # Everything that is checked before anything is paid

    def _job(
        self,
        prompt: str,
        config: ImageGenerationConfig | None,
        reference_images: Iterable[PictureSource | str],
        *,
        object_key: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> GenerationJob:
        config = check_config(config)
        sent = prompts.build_prompt(
            prompts.check_prompt(prompt),
            config,
            self._prompt_environment,
            self._config.prompt_template or prompts.BUILT_IN_TEMPLATE,
        )
        width, height = config.pixels
        request = GenerationRequest(
            prompt=sent, width=width, height=height, quality=config.quality, model=config.model
        )
        generator = self.generator
        references = self._references(reference_images, generator.reference_side(request))
        request = dataclasses.replace(request, references=references)
        job = GenerationJob(
            id=uuid.uuid4().hex,
            object_key=object_key,
            format=target_format(object_key, config.format),
            metadata=check_metadata(metadata),
            text=prompt,
            request=request,
            config=config,
        )
        generator.check(request)
        return job

    def _references(self, sources: Iterable[PictureSource | str], side: int) -> tuple[Picture, ...]:
        if isinstance(sources, str | bytes | bytearray | memoryview):
            raise InvalidRequest("reference_images must be a list, as [picture].")
        references = []
        for number, source in enumerate(sources):
            argument = f"reference_images[{number}]"
            try:
                references.append(self._reference(argument, source, side))
            except InvalidImage as error:
                raise InvalidImage(f"{argument}: {error}") from None
        return tuple(references)

    def _reference(self, argument: str, source: PictureSource | str, side: int) -> Picture:
        from . import imaging

        if isinstance(source, str):
            try:
                with self.storage.open(source) as file:
                    data = read_bytes(argument, file)
            except InvalidRequest as error:
                raise InvalidRequest(
                    f"{argument} is text, so it must be the key of a stored picture; no URL and "
                    f"no path is read. {error}"
                ) from None
        else:
            data = read_bytes(argument, source)
        return imaging.scale_down(imaging.inspect(data, decode=True), side)
