"""What the workers of the shop load: ``celery -A tests.celery_queue.worker worker``."""

from __future__ import annotations

import json
import os
from typing import Any

from celery.signals import worker_ready

from .shop import create_app

flask_app = create_app(json.loads(os.environ["TEST_CONFIG"]), os.environ["TEST_INSTANCE"])
celery_app = flask_app.extensions["celery"]


@worker_ready.connect
def tell(**_: Any) -> None:
    """Tell the tests that this worker takes tasks."""
    os.write(int(os.environ["TEST_READY"]), b"1")
