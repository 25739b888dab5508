"""The queue of the app's own Celery app: its workers do the work, on as many hosts as there are."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

from celery import shared_task
from celery.exceptions import Reject
from celery.exceptions import Retry
from flask import current_app
from flask import has_app_context

from ..errors import InProgress
from ..errors import JournalError
from ..errors import MediaError
from ..errors import NotConfigured
from ..errors import QueueUnavailable
from ..fields import fields
from ..forks import reset_after_fork
from ..types import MediaResult
from .base import Runner
from .handle import MediaJob
from .messages import BROKER_SECONDS
from .messages import LOST_AFTER
from .messages import Kind
from .messages import Messages

if TYPE_CHECKING:
    from ..journal.records import Claim

logger = logging.getLogger(__name__)

GENERATE = "flask_media.generate"
"""Name of the task that works on a job, for routes and priorities."""

RESUME = "flask_media.resume"
"""Name of the task that finds what was left, for beat."""

MAKE_VARIANTS = "flask_media.make_variants"
"""Name of the task that makes the variants of a stored picture."""

LONGEST_WAIT = 300.0
"""Most seconds that a worker keeps a message for later: brokers take it back after a while."""

TRANSPORT_BOUNDS = (
    *("socket_connect_timeout", "socket_timeout"),  # of Redis
    *("read_timeout", "write_timeout"),  # of AMQP
)
"""Options of transports that bound their waiting; each ignores the other's."""

PUBLISHING = {
    "max_retries": 1,  # a connection that was idle may be closed
    "interval_start": 0.0,
    "interval_step": 0.1,
    "interval_max": 0.1,
}
"""How often sending is tried again."""


class CeleryQueue(Messages):
    """Sends each job's id to the workers of the app's Celery app, and is what they work with.

    :param runner: works on a job.
    :param lease: seconds after which to look again at a job that another process is at.
    :param extensions: of the app; have its Celery app.
    """

    def __init__(self, runner: Runner, *, lease: float, extensions: Mapping[str, Any]) -> None:
        super().__init__(runner)
        self._lease = lease
        self._extensions = extensions
        self._producers: Any = None
        # Kept for ever: whoever closes one says goodbye on the parent's connection.
        self._parents: list[Any] = []
        self._lock = threading.Lock()
        reset_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._parents.append(self._producers)
        self._producers = None

    def check_ready(self) -> None:
        self._task()

    def check(self, seconds: float) -> None:
        app = self._task().app
        if app.conf.task_always_eager:
            return
        from .celery_check import connect

        with connect(app, seconds):
            pass

    def send(self, kind: Kind, subject: str) -> None:
        """Send it to the workers; or do it here, with Celery's task_always_eager."""
        if kind == "generate":
            self._publish(self._task(), subject, task_id=subject)
        else:
            self._publish(self._task(MAKE_VARIANTS), subject)

    def close(self) -> None:
        """Close the connections to the broker; the workers go on."""
        with self._lock:
            producers, self._producers = self._producers, None
        if producers is not None:
            producers.force_close_all()
            producers.connections.force_close_all()

    def _task(self, name: str = GENERATE) -> Any:
        app = self._extensions.get("celery")
        if app is None:
            raise NotConfigured(
                "MEDIA_QUEUE is 'celery', and the app has no Celery app. Store it as "
                'app.extensions["celery"], as celery_init_app of Flask\'s documentation does, or '
                "set MEDIA_QUEUE to 'threads'."
            )
        if not app.conf.task_always_eager:
            self._pool(app)
        return app.tasks[name]

    def _publish(self, task: Any, argument: str, *, task_id: str | None = None) -> None:
        """Send a job's id, say, to the workers; or work on it here, with Celery's
        task_always_eager.

        :raises QueueUnavailable: the broker is out of reach, or a router of the app's refuses.
        """
        if task.app.conf.task_always_eager:
            task.apply_async((argument,), task_id=task_id)  # raises with task_eager_propagates
            return
        pool, failure = self._pool(task.app), ""
        try:
            with pool.acquire(block=True, timeout=BROKER_SECONDS) as producer:
                task.apply_async(
                    (argument,),
                    task_id=task_id,
                    producer=producer,
                    retry=True,
                    retry_policy=PUBLISHING,
                    # The worker keeps the result; nobody here waits for it, so none is waited for.
                    ignore_result=True,
                    headers={"ignore_result": bool(task.ignore_result)},
                )
        except Exception as error:  # noqa: BLE001 - each transport has errors of its own
            failure = f"{type(error).__name__}: {error}"
        else:
            return
        broker = task.app.connection_for_write().as_uri()  # without the password
        raise QueueUnavailable(f"Celery's broker {broker} can't be reached: {failure}")

    def _pool(self, app: Any) -> Any:
        """Connections of this process that give up in time. Opens none yet.

        :raises NotConfigured: the broker's URL can't be understood.
        """
        with self._lock:
            if self._producers is None:
                from .celery_check import make_pool

                self._producers = make_pool(app)
            if self._producers is None:
                raise NotConfigured(
                    "The broker of the app's Celery app can't be used: its broker_url is no URL, "
                    "or names a transport that is not installed. In a password, write characters "
                    "as / # ? [ as urllib.parse.quote(password, safe='') does."
                )
            return self._producers

    # In a worker

    def work_on(self, task: Any, job_id: str, tries: int, due: float) -> dict[str, Any]:
        """What a message is for: work on the job unless that is done, or is being done.

        :param task: the task that runs.
        :param tries: how often the job was tried before.
        :param due: when to try it, in seconds since 1970.
        :returns: the result, JSON-safe; the stored one where the job is done.
        :raises MediaError: the job is over without a result.
        :raises Retry: the message is to come again.
        """
        if time.time() < due and not task.request.is_eager:
            raise self._again(task, job_id, tries, due)
        try:
            held = self._pipeline.adopt(job_id, from_queue=True)
            if held is None:  # it may have failed in a worker that died before it said so
                self._pipeline.tell_failure(job_id)
        except JournalError as error:
            if (delay := self._runner.delay(error, tries)) is None:
                raise
            raise self._again(task, job_id, tries + 1, time.time() + delay) from None
        if held is not None:
            outcome = self._runner.run(*held, tries)
            if isinstance(outcome, MediaResult):
                return outcome.to_dict()
            if isinstance(outcome, float):
                raise self._try_again(task, held[0], tries + 1, outcome)
        try:
            record = self._pipeline.journal.record(job_id)
            return MediaJob(self._pipeline, record).result(timeout=0).to_dict()
        except TimeoutError:
            pass
        if task.request.is_eager:
            raise InProgress(f"Another process is at job {job_id}.", job_id=job_id)
        # Not to be acknowledged before the job has ended: the other process may die yet.
        raise self._again(task, job_id, tries, time.time() + self._lease)

    def _try_again(self, task: Any, claim: Claim, tries: int, delay: float) -> Retry:
        try:
            self._pipeline.hand_over(claim, delay + LOST_AFTER)
        except JournalError as error:  # it is anybody's when the lease has run out
            logger.warning(
                "Job %s: waits in the queue, unrecorded: %s",
                claim.id,
                error,
                extra=fields(job_id=claim.id, error=error),
            )
        try:
            return self._again(task, claim.id, tries, time.time() + delay)
        except Reject:
            self._pipeline.let_go(claim)  # its message is lost
            raise

    def _again(self, task: Any, job_id: str, tries: int, due: float) -> Retry:
        """Have the message come again when it is due, or before: then it is sent on.

        :returns: what the task is to raise.
        :raises Reject: the broker is out of reach.
        """
        seconds = min(max(due - time.time(), 0.0), LONGEST_WAIT)
        retry: Retry = task.retry(
            args=(job_id, tries, due), kwargs={}, countdown=seconds, throw=False
        )
        return retry

    def derive(self, task: Any, object_key: str, tries: int) -> None:
        """What a message of :data:`MAKE_VARIANTS` is for.

        :param tries: how often it was tried before.
        :raises MediaError: they can't be made; what can pass is left to ``resume``.
        :raises Retry: the message is to come again.
        """
        try:
            self._pipeline.delivery.make_left(object_key)
        except MediaError as error:
            if (delay := self._runner.delay(error, tries)) is None:
                raise
            countdown = min(delay, LONGEST_WAIT)
            retry: Retry = task.retry(
                args=(object_key, tries + 1), kwargs={}, countdown=countdown, throw=False
            )
            raise retry from None


def _queue(name: str) -> CeleryQueue:
    """The queue of the current app."""
    if not has_app_context():
        raise RuntimeError(
            f"The Celery task {name} needs an app context, and there is none. Make the Celery app "
            "with a Task class whose __call__ runs the task within 'with app.app_context():', as "
            "FlaskTask of Flask's documentation does."
        )
    service = current_app.extensions.get("media")
    if service is None:
        raise RuntimeError(
            f"Flask-Media is not initialised on the app {current_app.name!r} of this worker. Call "
            "FlaskMedia(app), or media.init_app(app) in your app factory."
        )
    queue = service.queue
    if not isinstance(queue, CeleryQueue):
        raise NotConfigured(
            "A Celery worker got a job, and MEDIA_QUEUE of its app is not 'celery'. Give the "
            "worker the config of the app that asks."
        )
    return queue


@shared_task(
    name=GENERATE,
    bind=True,
    acks_late=True,
    reject_on_worker_lost=True,
    max_retries=None,  # MEDIA_QUEUE_RETRIES counts; waiting for another process does not
    throws=(MediaError,),
)
def generate(task: Any, job_id: str, tries: int = 0, due: float = 0.0) -> dict[str, Any]:
    """Work on a job of the journal; see :meth:`CeleryQueue.work_on`."""
    try:
        return _queue(GENERATE).work_on(task, job_id, tries, due)
    except MediaError as error:
        raise error from None  # its causes stay out of the result backend


@shared_task(
    name=MAKE_VARIANTS,
    bind=True,
    acks_late=True,
    reject_on_worker_lost=True,
    max_retries=None,
    throws=(MediaError,),
)
def make_variants(task: Any, object_key: str, tries: int = 0) -> None:
    """Make the variants of a stored picture; see :meth:`CeleryQueue.derive`."""
    try:
        _queue(MAKE_VARIANTS).derive(task, object_key, tries)
    except MediaError as error:
        raise error from None


@shared_task(name=RESUME, throws=(MediaError,))
def resume() -> dict[str, int]:
    """Send what was left anew; see :meth:`CeleryQueue.resume`."""
    try:
        return _queue(RESUME).resume()
    except MediaError as error:
        raise error from None
