"""The migration guide's own task, as printed there, under a real worker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask_media.emulator import GeminiEmulator

from .conftest import MakeShop


def test_the_guides_task(
    make_shop: MakeShop,
    redis_settings: dict[str, Any],
    emulator: GeminiEmulator,
    tmp_path: Path,
) -> None:
    """Its status column says what happens; a failure that passes is retried, and bought once."""
    name = "tests.guide.finance_app.generate_goal_image"
    # The guide waits five minutes before it tries again; that is shorter here, by Celery's config.
    shop = make_shop(
        redis_settings | {"task_annotations": {name: {"default_retry_delay": 0}}},
        GEMINI_MAX_ATTEMPTS=1,
        MEDIA_QUEUE="threads",
    )
    shop.worker("guide_worker")
    emulator.script("503")
    task = shop.celery.send_task(name, [1])
    url = task.get(timeout=60)
    rows = [json.loads(line) for line in (tmp_path / "goals.jsonl").read_text().splitlines()]
    assert [row[0] for row in rows] == ["generating", "failed", "generating", "completed"]
    assert rows[-1][1] == url == "https://pictures.example/goals/1/sea_house.png"
    assert "financial goal: Sea House" in rows[-1][2]
    assert emulator.calls == 2

    # The same task once more, as a broker that delivers twice: the same picture.
    shop.celery.send_task(name, [1], task_id=task.id).forget()
    shop.celery.send_task(name, [2]).get(timeout=60)  # a goal that is gone; it was behind
    assert emulator.calls == 2
