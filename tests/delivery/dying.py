"""A process that calls the service and is killed when it renames or deletes a file of some name.

The task: ``instance``, ``config``, ``call``, ``arguments``, ``event`` (an audit event of Python's,
as ``os.rename``) and ``name`` (the end of the file's name).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from flask import Flask

from flask_media import FlaskMedia

from ..programs import Program


def run(task: dict[str, Any]) -> int | None:
    """Run such a process; returns how it ended."""
    program = Program(__name__, json.dumps(task))
    program.end()
    return program.exit_code


def main() -> None:
    """Do the task."""
    task = json.loads(sys.argv[1])
    app = Flask("shop", instance_path=task["instance"])
    app.config.update(task["config"])
    FlaskMedia(app)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == task["event"]:
            target = arguments[1 if event == "os.rename" else 0]
            if os.fsencode(target).endswith(task["name"].encode()):
                os.kill(os.getpid(), signal.SIGKILL)

    if "data" in task["arguments"]:
        task["arguments"]["data"] = Path(task["arguments"]["data"]).read_bytes()
    sys.addaudithook(watch)
    with app.app_context():
        getattr(app.extensions["media"], task["call"])(**task["arguments"])


if __name__ == "__main__":
    main()
