"""The app's Celery app, as Flask's documentation makes one. Only used if MEDIA_QUEUE says so."""

from __future__ import annotations

from celery import Celery
from celery import Task
from flask import Flask


def celery_init_app(app: Flask) -> Celery:
    """Make it, and put it where Flask-Media looks for it."""

    class FlaskTask(Task):
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(
        {
            "broker_url": app.config["BROKER_URL"],
            "broker_connection_retry_on_startup": True,
            "worker_prefetch_multiplier": 1,
            "task_ignore_result": True,  # the journal has it
            "beat_schedule": {
                "pictures left": {"task": "flask_media.resume", "schedule": 60.0},
            },
            **app.config.get("CELERY", {}),
        }
    )
    celery_app.set_default()
    app.extensions["celery"] = celery_app
    return celery_app
