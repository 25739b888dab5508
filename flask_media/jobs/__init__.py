"""Work in the background: the queues, and the handle that whoever asked has on a job."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING
from typing import Protocol

from ..config import MediaConfig

if TYPE_CHECKING:
    from ..pipeline import Pipeline
    from .base import Queue


class Context(Protocol):
    """Gives the context that a job runs in, as ``app.app_context``."""

    def __call__(self) -> AbstractContextManager[object]: ...


def make_queue(config: MediaConfig, pipeline: Pipeline, *, context: Context) -> Queue:
    """The queue that MEDIA_QUEUE names. Starts nothing yet.

    :param pipeline: does the work.
    :param context: what a job runs in.
    """
    from .base import Runner

    runner = Runner(pipeline, retries=config.queue_retries, first_delay=config.queue_retry_seconds)
    if config.queue == "celery":
        from .celery import CeleryQueue

        return CeleryQueue(runner)
    from .threads import ThreadQueue

    return ThreadQueue(
        runner,
        threads=config.queue_threads,
        size=config.queue_size,
        sweep_seconds=config.lease,
        context=context,
    )
