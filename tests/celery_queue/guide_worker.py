"""A worker of the migration guide's app. Its table of goals is a file of lines."""

from __future__ import annotations

import json
import os
from pathlib import Path

from celery import Celery
from celery.signals import worker_ready

from ..guide import finance_app
from ..guide.finance_app import GOALS
from ..guide.finance_app import Goal
from ..guide.finance_app import Oak_Config
from .worker import tell

CONFIG = json.loads(os.environ["TEST_CONFIG"])


class Lines(list[str]):
    """What is committed goes into a file, where the tests see it."""

    def extend(self, statuses: object) -> None:
        """Write the goal's row."""
        goal = GOALS[1]
        row = [goal.image_generation_status, goal.image_url, goal.image_prompt]
        with Path(os.environ["TEST_INSTANCE"], "goals.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")


Oak_Config.GEMINI_API_KEY = "key"
finance_app.EXTRA_CONFIG.update(CONFIG)
finance_app.STATUSES = Lines()
GOALS[1] = Goal(id=1, name="Sea House", user_id=7, image_url=None, image_prompt=None)
GOALS[1].image_generation_status = "pending"

celery_app = Celery("guide")
celery_app.config_from_object(CONFIG["CELERY"])
celery_app.set_default()
worker_ready.connect(tell)
