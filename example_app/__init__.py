"""A small finance app with Flask-Media: goals, each with a picture.

Runs with no key (``flask --app example_app run``): it draws placeholders and keeps them in the
instance folder. With ``FLASK_GEMINI_API_KEY`` it asks Gemini, with ``FLASK_SPACES_...`` it keeps
the pictures in a bucket.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from flask import Request

from flask_media import FlaskMedia

from . import cli
from . import views
from .csrf import csrf_token
from .models import Base
from .models import db

media = FlaskMedia()


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the app.

    :param config: comes last and so overrides defaults and environment.
    """
    app = Flask(__name__)
    app.config.from_mapping(
        # Good for one process. Where several serve the app, set FLASK_SECRET_KEY for all of them.
        SECRET_KEY=secrets.token_hex(),
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=100_000,
        SQLALCHEMY_ENGINES={"default": "sqlite:///goals.sqlite"},  # in the instance folder
        MEDIA_FOLDER=str(Path(app.instance_path) / "media"),
    )
    app.config.from_prefixed_env()
    app.config.from_mapping(config or {})
    if not app.config.get("GEMINI_API_KEY") and not app.config.get("GEMINI_VERTEXAI"):
        app.config.setdefault("MEDIA_GENERATOR", "placeholder")

    db.init_app(app)
    media.init_app(app)

    app.register_blueprint(views.blueprint)
    app.register_blueprint(cli.blueprint)
    app.register_blueprint(media.create_blueprint(authorize=authorize), url_prefix="/media")
    app.jinja_env.globals["csrf_token"] = csrf_token

    with app.app_context():
        Base.metadata.create_all(db.engine)  # an app that lives longer has migrations
    return app


def authorize(request: Request) -> str | None:  # noqa: ARG001 - yours will look at it
    """Say who may fetch a stored picture: here anybody may.

    In an app with accounts, return the id of who is logged in, or None to refuse.
    """
    return "anybody"
