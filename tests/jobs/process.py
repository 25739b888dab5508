"""A process of an app: it reads lines of JSON, does what they say and answers with such lines.

Its end of input is its end, as a program's last line is.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from flask import Flask

from flask_media import FlaskMedia
from flask_media import MediaError

from .support import later


def main() -> None:
    """Serve until the input ends."""
    first = json.loads(sys.stdin.readline())
    app = Flask("shop", instance_path=first["instance"])
    app.config.update(first["config"])
    FlaskMedia(app)
    media = app.extensions["media"]
    app.add_url_rule("/", view_func=lambda: "hello")
    _say("ready")
    for line in sys.stdin:
        command = json.loads(line)
        match command.pop("do"):
            case "later":
                numbers = command.pop("numbers")
                _say([later(media, number, **command).id for number in numbers])
            case "request":
                _say(app.test_client().get("/").text)
            case "cancel":
                _say(media.job(command["id"]).cancel())
            case "results":
                _say([_outcome(media, job_id) for job_id in command["ids"]])
            case "fork":
                pid = os.fork()
                if pid == 0:
                    _say(_outcome(media, later(media, 1).id))
                    sys.stdout.flush()
                    os._exit(0)
                os.waitpid(pid, 0)


def _outcome(media: Any, job_id: str) -> str:
    try:
        return str(media.job(job_id).result(60).object_key)
    except MediaError as error:
        return type(error).__name__


def _say(answer: Any) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
