"""The guide's code blocks run as they are printed, with the package's name changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from flask import Flask

from flask_media import FlaskMedia
from flask_media import ImageQuality
from flask_media import MediaResult
from flask_media import NotConfigured
from flask_media import get_image_generation_service
from flask_media.testing import Fake
from flask_media.testing import fake_everywhere

from .finance_app import STATUSES
from .finance_app import Goal
from .finance_app import Oak_Config
from .support import install_finance_ai

TEXT = (Path(__file__).parent / "printed.txt").read_text()
BLOCKS = dict(re.findall(r"^## (\w+)\n\n```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """The guide's app."""
    app = Flask("finance_ai", instance_path=str(tmp_path))
    FlaskMedia(app)
    return app


@pytest.fixture
def goal(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Goal]:
    """A goal in the database of the guide's ``finance_ai``."""
    goal = install_finance_ai(monkeypatch, lambda: app)
    celery_app = Celery("guide", set_as_current=True)
    yield goal
    celery_app.close()


@pytest.fixture
def fake() -> Iterator[Fake]:
    """What stands behind each app."""
    with fake_everywhere(base_url="https://pictures.test") as fake:
        yield fake


def run(block: str, **names: Any) -> dict[str, Any]:
    """The names that a block defines."""
    return execute(BLOCKS[block].replace("common.services.media", "flask_media"), **names)


def execute(code: str, **names: Any) -> dict[str, Any]:
    """The names that the code defines, in a module of its own: Celery keeps tasks by module."""
    _runs.append(code)
    scope = {"__name__": f"printed_{len(_runs)}", "Flask": Flask, **names}
    exec(compile(code, "<the guide>", "exec"), scope)
    return scope


_runs: list[str] = []


def test_task(goal: Goal, fake: Fake) -> None:
    """The new task makes the picture, fills the goal and gives the URL."""
    url = run("task")["generate_goal_image"](goal_id=1)
    assert url == goal.image_url == "https://pictures.test/goals/1/sea_house.png"
    assert STATUSES == ["generating", "completed"]
    fake.assert_uploaded("goals/1/sea_house.png", metadata={"goal_id": "1", "user_id": "7"})


def test_init(goal: Goal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its start-up code configures the app's service."""
    for name in ("GEMINI_API_KEY", "DIGITALOCEAN_SPACES_KEY", "DIGITALOCEAN_SPACES_SECRET"):
        monkeypatch.setattr(Oak_Config, name, "key")
    monkeypatch.setattr(Oak_Config, "DIGITALOCEAN_SPACES_BUCKET", "my-pictures")
    with run("init")["create_app"]().app_context():
        url = get_image_generation_service().url("a.png")
    assert url == "https://my-pictures.fra1.digitaloceanspaces.com/a.png"


def test_init_without_keys(goal: Goal) -> None:
    """Without keys it starts all the same, and the first use says what is missing."""
    with (
        run("init")["create_app"]().app_context(),
        pytest.raises(NotConfigured, match="GEMINI_API_KEY"),
    ):
        get_image_generation_service().generate("A boat")


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("block", "size", "word"),
    [
        ("size", (1920, 1080), "Sea House"),
        ("style", (1024, 1024), "illustration"),
        ("colours", (1024, 1024), "#FFD700"),
    ],
)
def test_customisation(
    app: Flask, goal: Goal, block: str, size: tuple[int, int], word: str
) -> None:
    """Its three options do what they say. One block lacks an import, one has none at all."""
    from flask_media import ImageGenerationConfig

    names = {"ImageQuality": ImageQuality, "ImageGenerationConfig": ImageGenerationConfig}
    with app.app_context():
        service = get_image_generation_service()
        result = run(block, service=service, goal=goal, **names)["result"]
    assert isinstance(result, MediaResult)
    assert (result.width, result.height) == size
    assert word in (result.prompt or "")


def test_test(goal: Goal) -> None:
    """Its example of a test passes; the import line of the task runs within the patch."""
    from unittest.mock import patch

    def generate_goal_image(goal_id: int) -> object:
        return run("task")["generate_goal_image"](goal_id=goal_id)

    code = BLOCKS["test"].replace("common.services.media", "flask_media")
    _, _, example = code.partition("\n\n")  # before it stands a shell command
    names = execute(example, patch=patch, generate_goal_image=generate_goal_image)
    names["test_generate_goal_image"]()
    assert goal.image_url == "https://test.com/image.png"
