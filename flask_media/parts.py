"""The parts of a service: made of one config, each at its first use."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from .awaited import Threads
from .config import MediaConfig
from .errors import MediaError
from .fields import fields
from .forks import reset_after_fork
from .generators import make_generator
from .jobs import Context
from .jobs import make_queue
from .journal import make_journal
from .storage import make_storage

if TYPE_CHECKING:
    import jinja2

    from .delivery.upkeep import Delivery
    from .generators.base import Generator
    from .health import Examiner
    from .jobs.base import Queue
    from .journal.journal import Journal
    from .pipeline import Pipeline
    from .storage.base import Storage
    from .webhooks.courier import Courier

logger = logging.getLogger(__name__)

LOOKUPS = 2
"""Threads for looking at jobs that are awaited: a look takes a millisecond or two."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a service is in: an app, or a process without one."""

    folder: Path
    """Root of the filesystem storage."""
    home: Path
    """Has the journal's file where MEDIA_JOURNAL_URL does not say otherwise, and is where a
    relative path of SQLite is seen from."""
    sender: object
    """The sender of the signals: the app, where there is one."""
    files_url: Callable[[str], str | None] | None = None
    """Gives the URL of a key of the filesystem or memory storage, or None."""
    sign_url: Callable[[str, float], str] | None = None
    """Gives such a URL that lets anybody in, for so many seconds."""
    route_url: Callable[[str], str | None] | None = None
    """Gives the URL of a key in the blueprint's files route, or None."""
    prompt_loader: jinja2.BaseLoader | None = None
    """Finds the app's own prompt template."""
    context: Context = nullcontext
    """What a job in the background runs in."""
    extensions: Mapping[str, Any] | None = None
    """Of the app; have its Celery app."""


class Parts:
    """Generator, storage, journal, queue and what joins them.

    Threads may share it. It opens nothing before its first use, so it can be made before a fork.
    A subclass may make other parts.

    :param config: the checked config.
    :param around: what the service is in.
    """

    sleep: Callable[[float], None] | None = None
    """Waits so many seconds before the model is asked again; None for real ones."""

    def __init__(self, config: MediaConfig, around: Surroundings) -> None:
        self.config = config
        """The config in force; its repr shows no secret."""
        self._around = around
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
        self.threads = Threads(config.async_threads)
        """Make the calls that are awaited."""
        self.lookups = Threads(LOOKUPS)
        """Look at jobs for those who await them, however many pictures are being made."""
        reset_after_fork(self)

    def _after_fork(self) -> None:
        """Forget a lock that another thread held when the process was forked."""
        self._lock = threading.RLock()
        self._starter = None
        self._replaced = []

    @cached_property
    def examiner(self) -> Examiner:
        """Says how the parts are; it waits for none of them."""
        from .health import Examiner

        return Examiner()

    @property
    def generator(self) -> Generator:
        """The generator of MEDIA_GENERATOR, made at first use."""
        with self._lock:
            if self._generator is None:
                self._generator = self._make_generator()
            return self._generator

    @property
    def storage(self) -> Storage:
        """The storage of MEDIA_STORAGE, made at first use."""
        with self._lock:
            if self._storage is None:
                self._storage = self._make_storage()
            return self._storage

    @property
    def journal(self) -> Journal:
        """The journal of MEDIA_JOURNAL_URL, made at first use."""
        with self._lock:
            if self._journal is None:
                self._journal = self._make_journal()
                self._courier = self._make_courier(self._journal)
            return self._journal

    @property
    def delivery(self) -> Delivery:
        """Keeps pictures, their originals and their variants together; made at first use."""
        with self._lock:
            if self._delivery_made is None:
                from .delivery.upkeep import Delivery

                self._delivery_made = Delivery(
                    self.config,
                    storage=self.storage,
                    catalog=self.journal.catalog,
                    route_url=self._around.route_url or _no_route,
                )
            return self._delivery_made

    @property
    def pipeline(self) -> Pipeline:
        """What takes askings in; made at first use."""
        with self._lock:
            if self._made is None:
                from .pipeline import Pipeline  # the stages are loaded with the first picture

                self._made = Pipeline(
                    self.config,
                    generator=self.generator,
                    storage=self.storage,
                    journal=self.journal,
                    delivery=self.delivery,
                    later=self._make_variants_later,
                    sleep=self.sleep,
                    sender=self._around.sender,
                    prompt_loader=self._around.prompt_loader,
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
                self._queue_made = self._make_queue()
                # First, so that it ends last: it tells of what the queue still finishes.
                self.start_courier()
            return self._queue_made

    def start_courier(self) -> None:
        """Begin to deliver webhooks, those that dead processes left too, if there is one."""
        if self._courier is not None:
            self._courier.start()

    def close(self) -> None:
        """End the threads of queue and webhooks as the end of the process does, and close idle
        connections.

        What waits there is left to other processes. Used again, the service opens anew.
        """
        self.threads.close()
        self.lookups.close()
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

    def _start_queue(self) -> None:
        try:
            if self.journal.exists:  # else nobody left anything
                self.start_courier()
                if self.config.queue != "celery":
                    self.queue.start()
        except MediaError as error:
            logger.warning(
                "Jobs that dead processes left can't be looked for: %s",
                error,
                extra=fields(error=error),
            )

    def reconfigure(self, *, unset: Mapping[str, Any] | None = None, **values: Any) -> None:
        """Go on with other values of the config, where they are not None.

        :param unset: values that are set before, None too.
        :raises InvalidConfig: a value is wrong.
        """
        given = {name: value for name, value in values.items() if value is not None}
        with self._lock:
            self.config = self.config.replace(**{**(unset or {}), **given})
            replaced, self._queue_made = self._queue_made, None
            self._generator = self._storage = self._delivery_made = self._made = None
            if replaced is None:
                return
            # It finishes what runs, with what it was made with; what waits is anybody's.
            closing = _started(replaced.close, "flask-media-closing", is_daemon=False)
            if closing is not None:
                self._replaced.append(closing)

    # How each is made

    def _make_generator(self) -> Generator:
        return make_generator(self.config, app=self._around.sender)

    def _make_storage(self) -> Storage:
        return make_storage(
            self.config,
            folder=self._around.folder,
            files_url=self._around.files_url,
            sign_url=self._around.sign_url,
            route_url=self._around.route_url,
            home=self._around.home,
            app=self._around.sender,
        )

    def _make_journal(self) -> Journal:
        return make_journal(self.config, home=self._around.home)

    def _make_queue(self) -> Queue:
        return make_queue(
            self.config,
            self.pipeline,
            context=self._around.context,
            extensions=self._around.extensions,
            app=self._around.sender,
        )

    def _make_courier(self, journal: Journal) -> Courier | None:
        from .webhooks import make_courier

        return make_courier(self.config, journal, scope=lambda: self.storage.location)


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
