"""Harbour: savings goals with a picture each. A small product, made with Flask-Media.

Runs with no key and no server (``flask --app example_app run``): it draws placeholders and keeps
all it has in the instance folder. With ``FLASK_GEMINI_API_KEY`` it asks Gemini, with
``FLASK_SPACES_...`` it keeps the pictures in a bucket, with ``FLASK_DATABASE_URL`` its data in
PostgreSQL, and with ``FLASK_MEDIA_QUEUE=celery`` Celery's workers have the pictures made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask
from flask import Request
from flask_login import current_user

from flask_media import FlaskMedia
from flask_media.models import track_media

from . import accounts
from . import cli
from . import csrf
from . import gallery
from . import goals
from . import headers
from . import spending
from .models import create_tables
from .models import db
from .settings import configure

media = FlaskMedia()


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the app.

    :param config: comes last and so overrides defaults and environment.
    """
    app = Flask(__name__)
    configure(app, config or {})

    if app.config["MEDIA_QUEUE"] == "celery":
        from .celery_app import celery_init_app  # without it, Celery need not be installed

        celery_init_app(app)
    db.init_app(app)
    media.init_app(app)
    track_media(app, db)
    accounts.login_manager.init_app(app)
    csrf.init_app(app)
    headers.init_app(app)

    for room in (accounts, goals, gallery, spending, cli):
        app.register_blueprint(room.blueprint)
    app.register_blueprint(
        media.create_blueprint(authorize=who_asks, object_key="users/{spender}/{id}.webp"),
        url_prefix="/media",
    )
    with app.app_context():
        create_tables()
    return app


def who_asks(_request: Request) -> str | None:
    """The id of who is signed in, or None to refuse.

    They may see jobs that have this id as their spender, and pictures in the folder
    ``users/<id>/``, as ``object_key`` above says.
    """
    user_id: str | None = current_user.get_id()
    return user_id
