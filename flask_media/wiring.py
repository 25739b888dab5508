"""Where a service keeps its parts, and how they are replaced."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from .awaited import Threads
from .config import MediaConfig
from .config_checks import conceal
from .errors import InvalidConfig
from .jobs import Context
from .options import StorageProvider
from .parts import Parts
from .parts import Surroundings

if TYPE_CHECKING:
    import jinja2

    from .delivery.upkeep import Delivery
    from .generators.base import Generator
    from .jobs.base import Queue
    from .journal.journal import Journal
    from .pipeline import Pipeline
    from .storage.base import Storage


_services: weakref.WeakSet[Wiring] = weakref.WeakSet()
_meeting: list[Callable[[Wiring], object]] = []


@contextmanager
def each_service(meet: Callable[[Wiring], object]) -> Iterator[None]:
    """Call ``meet`` with each service of the process, and meanwhile with each that is made."""
    _meeting.append(meet)
    try:
        for service in list(_services):
            meet(service)
        yield
    finally:
        _meeting.remove(meet)


class Wiring:
    """Has the parts of a service, and replaces them when the config changes.

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
        self._context = context
        self._around = Surroundings(
            folder=folder,
            home=folder.parent if home is None else home,
            sender=self if sender is None else sender,
            files_url=files_url,
            sign_url=sign_url,
            route_url=route_url,
            prompt_loader=prompt_loader,
            context=context,
            extensions=extensions,
        )
        # The last is in use. The first is the service's own; a fake puts another one upon it.
        self._stack = [Parts(config, self._around)]
        _services.add(self)
        for meet in _meeting:
            meet(self)

    @property
    def _parts(self) -> Parts:
        return self._stack[-1]

    @property
    def _config(self) -> MediaConfig:
        return self._parts.config

    @property
    def config(self) -> MediaConfig:
        """The config in force; its repr shows no secret."""
        return self._parts.config

    @property
    def generator(self) -> Generator:
        """The generator of MEDIA_GENERATOR, made at first use."""
        return self._parts.generator

    @property
    def storage(self) -> Storage:
        """The storage of MEDIA_STORAGE, made at first use."""
        return self._parts.storage

    @property
    def journal(self) -> Journal:
        """The journal of MEDIA_JOURNAL_URL, made at first use."""
        return self._parts.journal

    @property
    def delivery(self) -> Delivery:
        """Keeps pictures, their originals and their variants together; made at first use."""
        return self._parts.delivery

    @property
    def queue(self) -> Queue:
        """The queue of MEDIA_QUEUE, made at first use.

        :raises NotConfigured: it needs what is not there.
        """
        return self._parts.queue

    @property
    def _threads(self) -> Threads:
        return self._parts.threads

    @property
    def _pipeline(self) -> Pipeline:
        return self._parts.pipeline

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
        if not (bucket or self._parts.config.spaces_bucket):
            raise InvalidConfig("configure_storage needs bucket=, the bucket to keep pictures in.")
        unset: dict[str, Any] = {}
        if provider not in (None, self._parts.config.spaces_provider):
            unset = _of_provider(str(provider))
        self._reconfigure(
            unset=unset,
            storage="spaces",
            spaces_provider=provider,
            spaces_region=region,
            spaces_bucket=bucket,
            spaces_key=access_key,
            spaces_secret=secret_key,
            spaces_endpoint_url=endpoint_url,
            spaces_cdn_url=cdn_url,
        )

    def close(self) -> None:
        """End the threads of queue and webhooks as the end of the process does, and close idle
        connections.

        What waits there is left to other processes. Used again, the service opens anew.
        """
        self._parts.close()

    def work(self, *, once: bool = False) -> None:
        """Begin, in threads, to go on with jobs that dead processes left, and do so until
        :meth:`close`; for a process that only works. The queue of Celery has workers of its own.

        :param once: end when nothing of it is left, and return then.
        :raises JournalError: the journal can't be read.
        """
        self._parts.work(once=once)

    def start_queue(self) -> None:
        """Begin, in a thread, to go on with jobs that dead processes left, if the queue is this
        process's own, and with webhooks. Calls after the first of a process do nothing."""
        self._parts.start_queue()

    def on_request(self, _sender: object, **_: object) -> None:
        """As :meth:`start_queue`, for the signal of a request."""
        self._parts.start_queue()

    def _reconfigure(self, **values: Any) -> None:
        self._parts.reconfigure(**values)

    @contextmanager
    def stand_in(self, make: Callable[[MediaConfig, Surroundings], Parts]) -> Iterator[Parts]:
        """Have other parts do all the work meanwhile, in every thread; for tests.

        The service's own parts are not touched, and take over again at the end. Blocks may be
        nested, and end in any order.

        :param make: makes them, of the config in force.
        """
        parts = make(self._parts.config, self._around)
        self._stack.append(parts)  # one assignment each, so that no reader needs a lock
        try:
            yield parts
        finally:
            try:
                parts.close()  # before they are put away: its threads may still ask the service
            finally:
                self._stack.remove(parts)


def _of_provider(successor: str) -> dict[str, Any]:
    """Unsets what belongs to a provider; an endpoint only where the next one has its own."""
    values: dict[str, Any] = {
        "spaces_acl": None,
        "spaces_addressing_style": None,
        "spaces_cdn_url": None,
    }
    if successor.lower() != StorageProvider.MINIO:
        values["spaces_endpoint_url"] = None
    return values
