"""A Celery app whose tasks ask for pictures; the worker of ``test_celery.py`` runs it."""

from __future__ import annotations

import json
import os
from typing import Any

import redis
from celery import Celery
from celery import Task
from flask import Flask

from flask_media import FlaskMedia
from flask_media import MediaError
from flask_media import UploadFailed
from flask_media import current_media

CONFIG: dict[str, Any] = json.loads(os.environ["TEST_CONFIG"])
OUTCOMES: str = CONFIG["queue"] + "-outcomes"

flask_app = Flask("shop", instance_path=CONFIG["folder"])
flask_app.config.update(CONFIG["flask"])
FlaskMedia(flask_app)

app = Celery("shop", broker=CONFIG["broker"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_default_queue=CONFIG["queue"],
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={"visibility_timeout": CONFIG["visibility_timeout"]},
    broker_connection_retry_on_startup=True,
)


def _tell(outcome: dict[str, Any]) -> None:
    with redis.Redis.from_url(CONFIG["broker"]) as client:
        client.rpush(OUTCOMES, json.dumps(outcome))


@app.task(bind=True, name="draw", max_retries=50)
def draw(task: Task, *requests: dict[str, Any]) -> None:
    """Make the requests, one after the other, and tell what came of each."""
    with flask_app.app_context():
        for request in requests:
            try:
                result = current_media.generate_and_upload(**request)
            except UploadFailed as error:
                _tell({"error": type(error).__name__, "job_id": error.job_id})
                raise task.retry(countdown=0) from None
            except MediaError as error:
                _tell({"error": type(error).__name__, "job_id": error.job_id})
            else:
                _tell(result.to_dict())
