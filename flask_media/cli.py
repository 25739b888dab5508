"""``flask media``: the commands."""

from __future__ import annotations

import signal as system_signal
import threading
from typing import Any

import click
from flask.cli import AppGroup

from . import signals
from .errors import MediaError
from .globals import current_media

media_cli = AppGroup("media", help="Generated pictures: work on their jobs.")


@media_cli.command("worker")
def worker() -> None:
    """Work on what dead processes left, until it is told to end.

    For MEDIA_QUEUE = threads. It finishes what runs when it gets SIGTERM or SIGINT, and leaves the
    rest to others.
    """
    if current_media.config.queue != "threads":
        raise click.ClickException(
            "MEDIA_QUEUE is 'celery': start Celery's worker, as 'celery -A make_celery worker'."
        )
    ended = threading.Event()

    def say_stored(_: object, *, job_id: str, object_key: str, **__: object) -> None:
        click.echo(f"Job {job_id}: stored {object_key}")

    def say_failed(_: object, *, job_id: str, error: Exception, **__: object) -> None:
        click.echo(f"Job {job_id}: {type(error).__name__}: {error}", err=True)

    def end(*_: Any) -> None:
        ended.set()

    for number in (system_signal.SIGINT, system_signal.SIGTERM):
        system_signal.signal(number, end)
    signals.upload_finished.connect(say_stored)
    signals.upload_failed.connect(say_failed)
    signals.generation_failed.connect(say_failed)
    try:
        current_media.work()
    except MediaError as error:
        raise click.ClickException(str(error)) from None
    click.echo("Working on what dead processes left. Ctrl-C ends.")
    ended.wait()
    click.echo("Ending: waiting for what runs.")
    current_media.close()
