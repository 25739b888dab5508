"""A process that works on one task and halts at a moment, to be killed there or told to go on."""

from __future__ import annotations

import json
import sys
from typing import Any
from typing import Self

from flask import Flask

from flask_media import FlaskMedia
from flask_media import MediaError
from flask_media import MediaService
from flask_media import signals

from ..programs import Program

START = "start"
"""The moment before the first use, when all is imported."""


class Halting:
    """Such a process, seen from the one that started it; killed at the end of the context.

    :param task: ``instance``, ``config``, ``call`` (a method of the service), ``arguments`` (its
        keywords), ``at`` (``start``, the name of a signal, or None for nowhere).
    """

    def __init__(self, task: dict[str, Any]) -> None:
        self._program = Program(__name__, json.dumps(task))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def halted(self) -> None:
        """Wait until it is there."""
        assert self._program.line() == "here"

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more."""
        self._program.kill()

    def go(self) -> None:
        """Have it go on."""
        self._program.say("go")

    def exit(self) -> None:
        """Have it raise SystemExit there, as a worker's time-out does."""
        self._program.say("exit")
        self._program.end()

    def outcome(self) -> list[str]:
        """What the call gave in the end: the names of the classes."""
        names: list[str] = json.loads(self._program.end())
        return names


def main() -> None:
    """Do the task."""
    import flask_media.journal.journal
    import flask_media.pipeline  # noqa: F401

    task = json.loads(sys.argv[1])
    app = Flask("shop", instance_path=task["instance"])
    app.config.update(task["config"])
    FlaskMedia(app)
    service: MediaService = app.extensions["media"]

    def halt(*_: object, **_values: object) -> None:
        print("here", flush=True)
        if sys.stdin.readline() == "exit\n":
            sys.exit(1)

    if task["at"] == START:
        halt()
    elif task["at"] is not None:
        getattr(signals, task["at"]).connect(halt)
    try:
        given = getattr(service, task["call"])(**task["arguments"])
    except MediaError as error:
        given = error
    given = given if isinstance(given, list) else [given]
    print(json.dumps([type(one).__name__ for one in given]))


if __name__ == "__main__":
    main()
