"""An app with a Celery app of its own, made as Flask's documentation makes one."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery import Task
from flask import Flask
from flask import has_app_context

from flask_media import FlaskMedia
from flask_media import current_media


def celery_init_app(app: Flask) -> Celery:
    """The function of Flask's documentation."""

    class FlaskTask(Task):  # type: ignore[misc]  # Celery has no types
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(app.config["CELERY"])
    celery_app.set_default()
    app.extensions["celery"] = celery_app
    return celery_app


def create_app(config: dict[str, Any], instance: str) -> Flask:
    """The app, in the process that asks and in its workers."""
    app = Flask("shop", instance_path=instance)
    app.config.update(config)
    celery_init_app(app)
    FlaskMedia(app)
    return app


def by_spender(
    name: str, args: tuple[Any, ...], kwargs: object, options: object, **_: object
) -> dict[str, Any] | None:
    """A router: the pictures of those who pay come first (on Redis, 0 is the first)."""
    if name != "flask_media.generate" or not has_app_context():
        return None
    return {"priority": 0 if current_media.job(args[0]).spender == "paying" else 6}


def refuses(name: str, args: tuple[Any, ...], kwargs: object, options: object, **_: object) -> None:
    """A router that has no queue for a spender's jobs."""
    is_ours = name == "flask_media.generate" and has_app_context()
    if is_ours and current_media.job(args[0]).spender == "refused":
        raise LookupError("no queue for it")
