"""The service: what an app calls. It wires the parts; the pipeline does the work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from datetime import date
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import BinaryIO
from typing import overload

from .config import MediaConfig
from .config import conceal
from .errors import InvalidConfig
from .errors import InvalidRequest
from .errors import MediaError
from .forks import reset_after_fork
from .generators import make_generator
from .journal import make_journal
from .options import ImageGenerationConfig
from .options import StorageProvider
from .storage import make_storage
from .types import GeneratedImage
from .types import MediaResult
from .types import ObjectStat

if TYPE_CHECKING:
    import jinja2

    from .generators.base import Generator
    from .inputs import PictureSource
    from .journal.journal import Journal
    from .journal.spend import Spend
    from .pipeline import Pipeline
    from .storage.base import Storage


class MediaService:
    """Generates pictures and stores them; ``current_media`` is the one of the current app.

    Threads may share it. It opens nothing before its first use, so it can be made before a fork.

    :param config: the checked config.
    :param folder: root of the filesystem storage.
    :param home: has the journal's file where MEDIA_JOURNAL_URL does not say otherwise, and is
        where a relative path of SQLite is seen from; None is the parent of ``folder``.
    :param sender: the sender of the signals; None is the service itself.
    :param files_url: gives the URL of a key of the filesystem or memory storage, or None.
    :param prompt_loader: finds the app's own prompt template.
    """

    def __init__(
        self,
        config: MediaConfig,
        *,
        folder: Path,
        home: Path | None = None,
        sender: object | None = None,
        files_url: Callable[[str], str | None] | None = None,
        prompt_loader: jinja2.BaseLoader | None = None,
    ) -> None:
        self._config = config
        self._folder = folder
        self._home = folder.parent if home is None else home
        self._sender = self if sender is None else sender
        self._files_url = files_url
        self._prompt_loader = prompt_loader
        self._lock = threading.RLock()
        self._generator: Generator | None = None
        self._storage: Storage | None = None
        self._journal: Journal | None = None
        self._made: Pipeline | None = None
        reset_after_fork(self)

    def _after_fork(self) -> None:
        """Forget a lock that another thread held when the process was forked."""
        self._lock = threading.RLock()

    # What an app asks for

    def generate_and_upload(
        self,
        prompt: str,
        object_key: str,
        metadata: Mapping[str, Any] | None = None,
        config: ImageGenerationConfig | None = None,
        *,
        reference_images: Iterable[PictureSource | str] = (),
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
        return self._pipeline.generate_and_upload(
            prompt,
            object_key,
            metadata,
            config,
            reference_images,
            idempotency_key=idempotency_key,
            reuse=reuse,
            spender=spender,
            wait=wait,
        )

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
        return self._pipeline.generate(prompt, config, reference_images, spender=spender)

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
        return self._pipeline.upload(data, object_key, metadata)

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

    def resume_all(self) -> list[MediaResult | GeneratedImage | MediaError]:
        """Go on with all jobs that dead processes left; safe in many processes at once.

        Buys only as MEDIA_ON_UNKNOWN says. Jobs for another storage, as of another app that shares
        the journal, are left to it.

        :returns: a result or an error for each job; raises none of them.
        """
        return self._pipeline.resume_all()

    @overload
    def usage(self, since: date | None = None, by: None = None) -> Spend: ...

    @overload
    def usage(self, since: date | None = None, *, by: str) -> dict[str, Spend]: ...

    @overload
    def usage(self, since: date | None, by: str) -> dict[str, Spend]: ...

    def usage(self, since: date | None = None, by: str | None = None) -> Spend | dict[str, Spend]:
        """What was spent.

        :param since: a day or time (UTC where it names no zone) to count from.
        :param by: ``day``, ``model`` or ``spender`` for a sum each; None for one of all.
        :raises InvalidRequest: ``since`` or ``by`` is something else.
        """
        if by not in (None, "day", "model", "spender"):
            raise InvalidRequest(f"by is {by!r}; it must be 'day', 'model', 'spender' or None.")
        from .inputs import moment

        sums = self.journal.spent(None if since is None else moment("since", since), by)
        return sums if by else sums[""]

    def gc(self, older_than: timedelta | None = None) -> int:
        """Delete finished jobs from the journal; returns how many. Never one whose picture is
        not stored. Their idempotency keys are forgotten too.

        :param older_than: how long ago they were finished; None is MEDIA_RETENTION_DAYS.
        :raises InvalidRequest: it is negative.
        :raises JournalError: the journal can't be written.
        """
        if older_than is None:
            if self._config.retention_days is None:
                return 0
            older_than = timedelta(days=self._config.retention_days)
        if older_than < timedelta(0):
            raise InvalidRequest("older_than must not be negative.")
        return self.journal.collect(older_than.total_seconds())

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
        return self.storage.exists(object_key)

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
        api_key = conceal(api_key)  # error reporters show the locals of a frame
        self._reconfigure(gemini_api_key=api_key)

    def configure_storage(
        self,
        provider: StorageProvider | str | None = None,
        region: str | None = None,
        bucket: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        *,
        endpoint_url: str | None = None,
        cdn_url: str | None = None,
    ) -> None:
        """Keep pictures there from now on, as the SPACES_* keys and MEDIA_STORAGE do.

        What is not given stays as it is configured; another provider than the configured one
        starts without the endpoint, ACL and CDN of that.

        :param provider: a :class:`StorageProvider` or its value.
        :param region: the bucket's region, as ``fra1``.
        :param bucket: the bucket.
        :param access_key: its access key.
        :param secret_key: its secret key.
        :param endpoint_url: where the provider has no endpoint of its own, as MinIO.
        :param cdn_url: base of public URLs.
        :raises InvalidConfig: a value is wrong, or no bucket is named; names the config key.
        """
        access_key, secret_key = conceal(access_key), conceal(secret_key)
        if provider in (StorageProvider.FILESYSTEM, StorageProvider.MEMORY):
            self._reconfigure(storage=str(provider))
            return
        if not (bucket or self._config.spaces_bucket):
            raise InvalidConfig("configure_storage needs bucket=, the bucket to keep pictures in.")
        if provider not in (None, self._config.spaces_provider):
            self._forget_provider(str(provider))
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
    def journal(self) -> Journal:
        """The journal of MEDIA_JOURNAL_URL, made at first use."""
        with self._lock:
            if self._journal is None:
                self._journal = make_journal(self._config, home=self._home)
            return self._journal

    @property
    def _pipeline(self) -> Pipeline:
        with self._lock:
            if self._made is None:
                from .pipeline import Pipeline  # the stages are loaded with the first picture

                self._made = Pipeline(
                    self._config,
                    generator=self.generator,
                    storage=self.storage,
                    journal=self.journal,
                    sender=self._sender,
                    prompt_loader=self._prompt_loader,
                )
            return self._made

    def _forget_provider(self, successor: str) -> None:
        """Drop what belongs to the provider; an endpoint only where the next one has its own."""
        values: dict[str, Any] = {
            "spaces_acl": None,
            "spaces_addressing_style": None,
            "spaces_cdn_url": None,
        }
        if successor.lower() != StorageProvider.MINIO:
            values["spaces_endpoint_url"] = None
        with self._lock:
            self._config = self._config.replace(**values)

    def _reconfigure(self, **values: Any) -> None:
        given = {name: value for name, value in values.items() if value is not None}
        with self._lock:
            self._config = self._config.replace(**given)
            self._generator = self._storage = self._made = None
