"""A process of an app with a webhook that is killed at a point of the delivery, or forks."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import warnings
from typing import Any

import sqlalchemy as sa
from flask import Flask

from flask_media import FlaskMedia
from flask_media import MediaError
from flask_media import MediaService
from tests.programs import Program

COMMITTED = "committed"
"""The end of the job is committed, and nothing more was done."""

POSTED = "posted"
"""The receiver has answered, and the letter is yet to be deleted."""


def run(task: dict[str, Any]) -> int | None:
    """Run such a process; returns how it ended, negative for a signal.

    :param task: ``instance``, ``config``, ``object_key``, ``kill_at`` (one of the points, or None),
        ``forked`` (an object key that a forked child asks for, or None).
    """
    program = Program(__name__, json.dumps(task))
    program.end()
    return program.exit_code


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


def _watch(point: str | None) -> None:
    def executing(connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO media_webhooks"):
            connection.info["has_letter"] = True
        elif statement.startswith("DELETE FROM media_webhooks") and point == POSTED:
            _die()

    def returned(_connection: Any, record: Any, _state: Any) -> None:
        if record.info.pop("has_letter", False) and point == COMMITTED:
            _die()

    sa.event.listen(sa.Engine, "before_cursor_execute", executing)
    sa.event.listen(sa.pool.Pool, "reset", returned)


def main() -> None:
    """Do the task."""
    task = json.loads(sys.argv[1])
    _watch(task["kill_at"])
    app = Flask("shop", instance_path=task["instance"])
    app.config.update(task["config"])
    FlaskMedia(app)
    service: MediaService = app.extensions["media"]
    _ask(service, task["object_key"])
    if task.get("forked"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # about threads, which is the point
            pid = os.fork()
        if pid == 0:
            _ask(service, task["forked"])
            sys.exit(0)
        os.waitpid(pid, 0)


def _ask(service: MediaService, object_key: str) -> None:
    try:
        service.generate_and_upload("A sea house", object_key)
    except MediaError as error:
        print(type(error).__name__, error, file=sys.stderr)


if __name__ == "__main__":
    main()
