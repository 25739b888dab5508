"""The migration page's difference leads from the guide's old code to a task that works."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import Retry
from flask import Flask

from flask_media import ContentBlocked
from flask_media import FlaskMedia
from flask_media import ProviderUnavailable
from flask_media.testing import Fake
from flask_media.testing import fake_everywhere

from .finance_app import STATUSES
from .finance_app import Goal
from .support import install_finance_ai

FOLDER = Path(__file__).parents[2] / "docs" / "examples" / "migration"
OLD, NEW = ((FOLDER / name).read_text() for name in ("old.py", "new.py"))


@pytest.fixture
def goal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Goal:
    """A goal in the database of a ``finance_ai`` that has Flask-Media."""

    def create_app() -> Flask:
        app = Flask("finance_ai", instance_path=str(tmp_path))
        FlaskMedia(app)
        return app

    return install_finance_ai(monkeypatch, create_app)


@pytest.fixture
def task(goal: Goal, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """The task of the new file."""
    celery_app = Celery("guide", set_as_current=True)
    names: dict[str, Any] = {"__name__": f"tasks_of_{request.node.name}"}  # Celery keeps them
    exec(compile(NEW, "new.py", "exec"), names)
    yield names["generate_goal_image"]
    celery_app.close()


@pytest.fixture
def fake() -> Iterator[Fake]:
    """What stands behind each app."""
    with fake_everywhere(base_url="https://pictures.test") as fake:
        yield fake


def test_new_task(task: Callable[..., Any], goal: Goal, fake: Fake) -> None:
    """It makes the picture under the old code's key, and fills the goal."""
    task(goal_id=1)
    assert goal.image_url == "https://pictures.test/goals/1/sea_house_1.png"
    assert "Visual representation of financial goal: Sea House" in (goal.image_prompt or "")
    assert STATUSES == ["generating", "completed"]
    fake.assert_generated(times=1)


def test_a_failure_that_passes(task: Any, goal: Goal, fake: Fake) -> None:
    """It asks Celery for a retry, as the old code did."""
    fake.fail_generation(ProviderUnavailable, times=20)
    with pytest.raises((Retry, ProviderUnavailable)):
        task.apply(args=[1], throw=True, retries=5)
    assert STATUSES == ["generating", "failed"]


def test_a_failure_that_is_final(task: Any, goal: Goal, fake: Fake) -> None:
    """What no retry mends is raised as it is, and asked for once."""
    fake.fail_generation(ContentBlocked)
    with pytest.raises(ContentBlocked):
        task.apply(args=[1], throw=True)
    assert STATUSES == ["generating", "failed"]
    assert len(fake.calls) == 1


def test_no_goal(task: Callable[..., Any], fake: Fake) -> None:
    """A goal that is gone costs nothing."""
    assert task(goal_id=2) is None
    fake.assert_nothing_generated()


def test_the_difference() -> None:
    """Nothing is left of the SDKs, the keys and the encoder; decorator, goal and status stay."""
    for gone in ("genai", "boto3", "PIL", "Oak_Config", "put_object", "inline_data"):
        assert gone in OLD
        assert gone not in NEW
    kept = [line for line in OLD.splitlines() if line.strip() and line in NEW.splitlines()]
    assert "@shared_task(bind=True, default_retry_delay=300, max_retries=5)" in kept
    assert len(kept) >= 20
    assert len(NEW.splitlines()) < len(OLD.splitlines()) / 2
