"""Who works in the background."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...errors import MediaError
from .finding import Finding
from .finding import fail
from .finding import ok
from .finding import warn

if TYPE_CHECKING:
    from flask import Flask

    from ...service import MediaService

SECONDS = 3.0
"""How long to wait for the broker, and for workers."""


def examine(app: Flask, service: MediaService) -> Iterator[Finding]:
    """Threads need nothing; Celery needs a broker and workers that know the task."""
    config = service.config
    if config.queue == "threads":
        yield ok("queue", f"{config.queue_threads} threads of each process that asks")
        return
    try:
        service.journal.check()  # the queue is made with it
        queue = service.queue
        if config.queue != "celery":
            queue.check(SECONDS)
            yield ok("queue", f"{config.queue} takes messages")
            return
        celery = app.extensions.get("celery")
        if celery is None:
            with queue.place():
                pass  # says what is missing
    except MediaError as error:
        yield fail("queue", error)
        return
    if celery is not None and celery.conf.task_always_eager:
        yield warn("queue", "Celery works at once, in the process that asks (task_always_eager).")
        return
    yield _workers(celery)


def _workers(celery: object) -> Finding:
    from ...jobs.celery_check import find_workers

    try:
        found = find_workers(celery, SECONDS)
    except MediaError as error:
        return fail(
            "queue", error, "Start the broker, or check broker_url of the app's Celery app."
        )
    if found.able:
        names = ", ".join(found.able[:3])
        return ok("queue", f"{found.broker}, {len(found.able)} workers: {names}")
    if found.others:
        return fail(
            "queue",
            f"{found.broker} can be reached, but its workers ({', '.join(found.others[:3])}) don't "
            "know the task flask_media.generate.",
            "Have them load the app that Flask-Media is initialised on.",
        )
    return warn(
        "queue",
        f"{found.broker} can be reached, and no worker answered within {SECONDS:g} seconds.",
        "Start one, as 'celery -A make_celery worker'.",
    )
