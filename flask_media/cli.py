"""``flask media``: the commands."""

from __future__ import annotations

import signal
import threading
from typing import Any

import click
from flask.cli import AppGroup

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

    def end(*_: Any) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    try:
        current_media.work()
    except MediaError as error:
        raise click.ClickException(str(error)) from None
    click.echo("Working on what dead processes left. Ctrl-C ends.")
    ended.wait()
    click.echo("Ending: waiting for what runs.")
    current_media.close()
