"""A process whose threads all make the same request at once, when they are told."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Flask

from flask_media import FlaskMedia
from flask_media import MediaError


def main() -> None:
    """Ask in as many threads as the arguments say, and print what came of each."""
    arguments = json.loads(sys.argv[1])
    app = Flask("shop", instance_path=arguments["folder"])
    app.config.update(arguments["config"])
    FlaskMedia(app)
    media = app.extensions["media"]
    media.resume_all()  # opened and imported before the start

    def ask(_: int) -> dict[str, Any]:
        try:
            result: dict[str, Any] = media.generate_and_upload(**arguments["request"]).to_dict()
        except MediaError as error:
            return {"error": f"{type(error).__name__}: {error}"}
        return result

    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(arguments["threads"]) as pool:
        print(json.dumps(list(pool.map(ask, range(arguments["threads"])))))


if __name__ == "__main__":
    main()
