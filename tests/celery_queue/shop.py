"""An app with a Celery app of its own, made as Flask's documentation makes one."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery import Task
from flask import Flask

from flask_media import FlaskMedia


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
