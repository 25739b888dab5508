"""Work in the background: the queues, and the handle that whoever asked has on a job."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol

from ..config import MediaConfig
from ..errors import NotConfigured
from ..own import is_path
from ..own import make_own

if TYPE_CHECKING:
    from ..pipeline import Pipeline
    from .base import Queue


class Context(Protocol):
    """Gives the context that a job runs in, as ``app.app_context``."""

    def __call__(self) -> AbstractContextManager[object]: ...


def make_tasks_known(config: MediaConfig) -> None:
    """Have the Celery workers that load the app know the tasks, where MEDIA_QUEUE is ``celery``."""
    if config.queue == "celery":
        try:
            from . import celery  # noqa: F401 - its shared tasks
        except ModuleNotFoundError as error:
            _check_is_celery(error)  # an app that only serves pictures works without it


def make_queue(
    config: MediaConfig,
    pipeline: Pipeline,
    *,
    context: Context,
    extensions: Mapping[str, Any] | None,
    app: object = None,
) -> Queue:
    """The queue that MEDIA_QUEUE names. Starts nothing yet.

    :param pipeline: does the work.
    :param context: what a job runs in.
    :param extensions: of the app; None outside any.
    :param app: what a queue of the app's own is made with.
    :raises NotConfigured: it needs what is not there.
    """
    from .base import Runner

    runner = Runner(pipeline, retries=config.queue_retries, first_delay=config.queue_retry_seconds)
    if is_path(config.queue):
        from .base import Queue

        return make_own("MEDIA_QUEUE", config.queue, Queue, app, runner)  # type: ignore[type-abstract]
    if config.queue == "celery":
        if extensions is None:
            raise NotConfigured(
                "MEDIA_QUEUE is 'celery', whose workers need an app, and this service has none. "
                "Use the service of an app, or 'threads'."
            )
        try:
            from .celery import CeleryQueue
        except ModuleNotFoundError as error:
            _check_is_celery(error)
            raise NotConfigured(
                "MEDIA_QUEUE is 'celery', and Celery is not installed. Install Flask-Media "
                "with its extra 'celery' (pip install \".[celery]\" in a clone), or set "
                "MEDIA_QUEUE to 'threads'."
            ) from None
        return CeleryQueue(runner, lease=config.lease, extensions=extensions)
    from .threads import ThreadQueue

    return ThreadQueue(
        runner,
        threads=config.queue_threads,
        size=config.queue_size,
        sweep_seconds=config.lease,
        context=context,
    )


def _check_is_celery(error: ModuleNotFoundError) -> None:
    if error.name not in ("celery", "kombu"):
        raise error
