"""``flask media worker``: a process that only works."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask.cli import with_appcontext

from .. import signals
from ..globals import current_media
from .ending import INTERRUPTED
from .ending import until_told


@click.command("worker", short_help="Work on what dead processes left.")
@click.option("--once", is_flag=True, help="Finish what is left, and end.")
@with_appcontext
def command(*, once: bool) -> None:
    """Work on what dead processes left, until it is told to end.

    For MEDIA_QUEUE = threads. It finishes what runs when it gets SIGTERM or SIGINT, and leaves the
    rest to others; a second one ends it at once. With --once it ends when nothing is left, as a
    cron entry does.
    """
    queue = current_media.config.queue
    if queue != "threads":
        command = "Celery's worker, as 'celery -A make_celery worker'"
        raise click.ClickException(
            f"MEDIA_QUEUE is {queue!r}: start {command if queue == 'celery' else 'its workers'}."
        )
    ended = threading.Event()
    try:
        with _told(), until_told(ended.set):
            _work(ended, once=once)
    except KeyboardInterrupt:
        click.echo("Stopped. What was under way is in the journal.", err=True)
        os._exit(INTERRUPTED)  # threads are in the middle of calls, and nobody waits for them


def _work(ended: threading.Event, *, once: bool) -> None:
    if once:
        _work_once(ended)
        return
    current_media.work()
    click.echo("Working on what dead processes left. Ctrl-C ends.")
    ended.wait()
    click.echo("Ending: waiting for what runs.")
    current_media.close()


def _work_once(ended: threading.Event) -> None:
    """Have a thread work, so that a signal can end it early."""
    failures: list[BaseException] = []
    service = current_media._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001

    def work() -> None:
        try:
            service.work(once=True)
        except BaseException as error:  # noqa: BLE001 - raised below
            failures.append(error)
        finally:
            ended.set()

    worker = threading.Thread(target=work, name="flask-media-once")
    worker.start()
    ended.wait()
    service.close()
    worker.join()
    if failures:
        raise failures[0]


@contextmanager
def _told() -> Iterator[None]:
    """Print a line for each end of a job."""

    def say_stored(_: object, *, job_id: str, object_key: str, **__: object) -> None:
        click.echo(f"Job {job_id}: stored {object_key}")

    def say_failed(_: object, *, job_id: str, error: Exception, **__: object) -> None:
        click.echo(f"Job {job_id}: {type(error).__name__}: {error}", err=True)

    with (
        signals.upload_finished.connected_to(say_stored),
        signals.upload_failed.connected_to(say_failed),
        signals.generation_failed.connected_to(say_failed),
    ):
        yield
