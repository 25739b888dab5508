"""The parts of a service: made of the config at first use, and made anew when that changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from .config import MediaConfig
from .config_checks import conceal
from .errors import InvalidConfig
from .errors import MediaError
from .forks import reset_after_fork
from .generators import make_generator
from .jobs import Context
from .jobs import make_queue
from .journal import make_journal
from .options import StorageProvider
from .storage import make_storage

if TYPE_CHECKING:
    import jinja2

    from .delivery.upkeep import Delivery
    from .generators.base import Generator
    from .jobs.base import Queue
    from .journal.journal import Journal
    from .pipeline import Pipeline
    from .storage.base import Storage
    from .webhooks.courier import Courier

logger = logging.getLogger(__name__)


class Wiring:
    """Has the config of a service, and makes its parts.

    Threads may share it. It opens nothing before its first use, so it can be made before a fork.

    :param config: the checked config.
    :param folder: root of the filesystem storage.
    :param home: has the journal's file where MEDIA_JOURNAL_URL does not say otherwise, and is
        where a relative path of SQLite is seen from; None is the parent of ``folder``.
    :param sender: the sender of the signals; None is the service itself.
    :param files_url: gives the URL of a key of the filesystem or memory storage, or None.
    :param sign_url: gives such a URL that lets anybody in, for so many seconds.
    :param route_url: gives the URL of a key in the blueprint's files route, or None.
    :param prompt_loader: finds the app's own prompt template.
    :param context: what a job in the background runs in.
    :param extensions: of the app; have its Celery app.
    """

    def __init__(
        self,
        config: MediaConfig,
        *,
        folder: Path,
        home: Path | None = None,
        sender: object | None = None,
        files_url: Callable[[str], str | None] | None = None,
        sign_url: Callable[[str, float], str] | None = None,
        route_url: Callable[[str], str | None] | None = None,
        prompt_loader: jinja2.BaseLoader | None = None,
        context: Context = nullcontext,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        self._config = config
        self._folder = folder
        self._home = folder.parent if home is None else home
        self._sender = self if sender is None else sender
        self._files_url = files_url
        self._sign_url = sign_url
        self._route_url = route_url
        self._prompt_loader = prompt_loader
        self._context = context
        self._extensions = extensions
        self._lock = threading.RLock()
        self._generator: Generator | None = None
        self._storage: Storage | None = None
        self._journal: Journal | None = None
        self._courier: Courier | None = None
        self._delivery_made: Delivery | None = None
        self._made: Pipeline | None = None
        self._queue_made: Queue | None = None
        self._starter: threading.Thread | None = None
        self._replaced: list[threading.Thread] = []
        reset_after_fork(self)

    def _after_fork(self) -> None:
        """Forget a lock that another thread held when the process was forked."""
        self._lock = threading.RLock()
        self._starter = None
        self._replaced = []

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
                    self._config,
                    folder=self._folder,
                    files_url=self._files_url,
                    sign_url=self._sign_url,
                    route_url=self._route_url,
                    home=self._home,
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
                self._courier = self._make_courier(self._journal)
            return self._journal

    @property
    def delivery(self) -> Delivery:
        """Keeps pictures, their originals and their variants together; made at first use."""
        with self._lock:
            if self._delivery_made is None:
                from .delivery.upkeep import Delivery

                self._delivery_made = Delivery(
                    self._config,
                    storage=self.storage,
                    catalog=self.journal.catalog,
                    route_url=self._route_url or _no_route,
                )
            return self._delivery_made

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
                    delivery=self.delivery,
                    later=self._make_variants_later,
                    sender=self._sender,
                    prompt_loader=self._prompt_loader,
                )
            return self._made

    def _make_variants_later(self, object_key: str) -> None:
        self.queue.make_variants(object_key)

    @property
    def queue(self) -> Queue:
        """The queue of MEDIA_QUEUE, made at first use.

        :raises NotConfigured: it needs what is not there.
        """
        with self._lock:
            if self._queue_made is None:
                self._queue_made = make_queue(
                    self._config,
                    self._pipeline,
                    context=self._context,
                    extensions=self._extensions,
                )
                # First, so that it ends last: it tells of what the queue still finishes.
                self._start_courier()
            return self._queue_made

    def _make_courier(self, journal: Journal) -> Courier | None:
        from .webhooks import make_courier

        return make_courier(self._config, journal, scope=lambda: self.storage.location)

    def _start_courier(self) -> None:
        """Begin to deliver webhooks, those that dead processes left too, if there is one."""
        if self._courier is not None:
            self._courier.start()

    def close(self) -> None:
        """End the threads of queue and webhooks as the end of the process does, and close idle
        connections.

        What waits there is left to other processes. Used again, the service opens anew.
        """
        with self._lock:
            starter, self._starter = self._starter, None
            replaced, self._replaced = self._replaced, []
        for thread in [starter, *replaced] if starter else replaced:
            thread.join()
        with self._lock:
            queue, self._queue_made = self._queue_made, None
            journal, generator, courier = self._journal, self._generator, self._courier
        if queue is not None:
            queue.close()
        if courier is not None:
            courier.close()  # after the queue, to tell of what that still finished
        if generator is not None:
            generator.close()
        if journal is not None:
            journal.close()
            with self._lock:
                self._courier = self._make_courier(journal)

    def work(self, *, once: bool = False) -> None:
        """Begin, in threads, to go on with jobs that dead processes left, and do so until
        :meth:`close`; for a process that only works. The queue of Celery has workers of its own.

        :param once: end when nothing of it is left, and return then.
        :raises JournalError: the journal can't be read.
        """
        self.journal.check()
        if once:
            self.queue.drain()
        else:
            self.queue.start()

    def start_queue(self) -> None:
        """Begin, in a thread, to go on with jobs that dead processes left, if the queue is this
        process's own, and with webhooks. Calls after the first of a process do nothing."""
        if self._starter is not None:
            return
        with self._lock:
            if self._starter is None:
                self._starter = _started(self._start_queue, "flask-media-start", is_daemon=True)

    def on_request(self, _sender: object, **_: object) -> None:
        """As :meth:`start_queue`, for the signal of a request."""
        self.start_queue()

    def _start_queue(self) -> None:
        try:
            if self.journal.exists:  # else nobody left anything
                self._start_courier()
                if self._config.queue == "threads":
                    self.queue.start()
        except MediaError as error:
            logger.warning("Jobs that dead processes left can't be looked for: %s", error)

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
            replaced, self._queue_made = self._queue_made, None
            self._generator = self._storage = self._delivery_made = self._made = None
            if replaced is None:
                return
            # It finishes what runs, with what it was made with; what waits is anybody's.
            closing = _started(replaced.close, "flask-media-closing", is_daemon=False)
            if closing is not None:
                self._replaced.append(closing)


def _no_route(_: str) -> None:
    """Outside an app there is no blueprint."""


def _started(work: Callable[[], None], name: str, *, is_daemon: bool) -> threading.Thread | None:
    """A thread at that work; None if the system has no more."""
    thread = threading.Thread(target=work, name=name, daemon=is_daemon)
    try:
        thread.start()
    except RuntimeError as error:
        logger.warning("The thread %s can't be started: %s", name, error)
        return None
    return thread
