"""The app that real servers serve in tests; made of the environment, as each worker makes its own.

``TEST_CONFIG`` is JSON: ``config`` of the app, ``options`` of the blueprint.
"""

from __future__ import annotations

import json
import os
from typing import Any

from flask import Flask
from flask import Request

from flask_media import FlaskMedia


def let_in(request: Request) -> str | None:
    """Whoever sends a name is let in."""
    return request.headers.get("X-User")


def create_app() -> Flask:
    """The app."""
    values: dict[str, Any] = json.loads(os.environ["TEST_CONFIG"])
    app = Flask("served", instance_path=values["folder"])
    app.config.update(values["config"])
    media = FlaskMedia(app)
    blueprint = media.create_blueprint(authorize=let_in, **values["options"])
    app.register_blueprint(blueprint, url_prefix="/media")

    @app.post("/nothing")
    def nothing() -> tuple[dict[str, str], int]:
        return {}, 202

    return app
