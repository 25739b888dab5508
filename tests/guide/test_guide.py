"""The migration guide's NEW code runs as printed, with only the import line changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from flask_media import ContentBlocked
from flask_media import NotConfigured
from flask_media import get_image_generation_service
from flask_media.emulator import GeminiEmulator
from flask_media.testing import fake_everywhere

from . import finance_app
from .finance_app import GOALS
from .finance_app import STATUSES
from .finance_app import Goal
from .finance_app import Oak_Config


@pytest.fixture
def emulator() -> Iterator[GeminiEmulator]:
    """A Gemini emulator on a free port."""
    with GeminiEmulator() as running:
        yield running


@pytest.fixture
def goal(
    emulator: GeminiEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Goal]:
    """A goal in the guide's database, with a key and the filesystem as the deployment has them."""
    monkeypatch.setattr(Oak_Config, "GEMINI_API_KEY", "key")
    monkeypatch.setattr(
        finance_app,
        "EXTRA_CONFIG",
        {
            "GEMINI_BASE_URL": emulator.url,
            "MEDIA_FOLDER": str(tmp_path / "media"),
            "MEDIA_JOURNAL_URL": f"sqlite:///{tmp_path / 'media.sqlite3'}",
        },
    )
    STATUSES.clear()
    GOALS.clear()
    GOALS[1] = Goal(id=1, name="Sea House", user_id=7, image_url=None, image_prompt=None)
    GOALS[1].image_generation_status = "pending"
    app = Celery("guide", set_as_current=True)
    yield GOALS[1]
    app.close()


def test_task(goal: Goal, emulator: GeminiEmulator) -> None:
    """The guide's task, called as its step 4 does, returns the URL and fills the goal."""
    url = finance_app.generate_goal_image(goal_id=1)
    assert url == goal.image_url
    assert url is not None
    assert url.endswith("/goals/1/sea_house.png")
    assert "Visual representation of financial goal: Sea House" in (goal.image_prompt or "")
    assert STATUSES == ["generating", "completed"]
    with finance_app.create_app().app_context():
        stat = get_image_generation_service().stat("goals/1/sea_house.png")
    assert stat.metadata == {"goal_id": "1", "user_id": "7", "goal_name": "Sea House"}


def test_task_of_no_goal(goal: Goal, emulator: GeminiEmulator) -> None:
    """A goal that is gone costs nothing."""
    assert finance_app.generate_goal_image(goal_id=2) is None
    assert emulator.calls == 0


def test_task_retries_on_failure(goal: Goal, emulator: GeminiEmulator) -> None:
    """A failure marks the goal and asks Celery for a retry, as the guide's except does."""
    emulator.default_mode = "image-safety"
    with pytest.raises(Exception, match=r"IMAGE_SAFETY|blocked|filtered"):
        finance_app.generate_goal_image(goal_id=1)
    assert STATUSES == ["generating", "failed"]
    emulator.default_mode = "ok"
    eager: Any = finance_app.generate_goal_image
    assert eager.apply(args=[1]).get() == goal.image_url


def test_endpoint_and_command(goal: Goal, emulator: GeminiEmulator) -> None:
    """The guide's endpoint answers with the URL, and its command makes a picture a concept."""
    app = finance_app.create_app()
    answer = app.test_client().post(
        "/api/generate-image", json={"prompt": "A boat", "path": "boats/1.png"}
    )
    assert answer.status_code == 200
    assert answer.json["url"].endswith("/boats/1.png")  # type: ignore[index]
    done = app.test_cli_runner().invoke(args=["generate-sample-images", "house", "boat"])
    assert done.exit_code == 0, done.output
    with app.app_context():
        service = get_image_generation_service()
        assert service.exists("samples/house.png")
        assert service.exists("samples/boat.png")


def test_customisations(goal: Goal, emulator: GeminiEmulator) -> None:
    """The guide's three options make a banner, an illustration and a branded picture."""
    with finance_app.create_app().app_context():
        banner, illustration, branded = finance_app.customisations(goal)
    assert (banner.width, banner.height) == (1920, 1080)
    assert "illustration" in illustration.prompt
    assert "#FFD700" in branded.prompt


def test_unconfigured_is_a_runtime_error(
    goal: Goal, emulator: GeminiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key the guide's ``except RuntimeError`` catches it, and nothing is called."""
    monkeypatch.setattr(Oak_Config, "GEMINI_API_KEY", None)
    with finance_app.create_app().app_context(), pytest.raises(RuntimeError) as caught:
        get_image_generation_service().generate_and_upload("A house", "house.png")
    assert isinstance(caught.value, NotConfigured)
    assert emulator.calls == 0


def test_patched_service(goal: Goal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guide's test example: a plain dict in place of the result serves the task."""
    from unittest.mock import patch

    with patch("tests.guide.finance_app.get_image_generation_service") as mock_service:
        mock_service.return_value.generate_and_upload.return_value = {
            "url": "https://test.com/image.png",
            "prompt": "test prompt",
        }
        assert finance_app.generate_goal_image(goal_id=1) == "https://test.com/image.png"


def test_patched_package() -> None:
    """The guide's test example with only the package's name changed: a task module whose import
    line runs meanwhile meets the patch."""
    import importlib.util
    from unittest.mock import patch

    with patch("flask_media.get_image_generation_service") as mock_service:
        mock_service.return_value.generate_and_upload.return_value = {
            "url": "https://test.com/image.png",
            "prompt": "test prompt",
        }
        spec = importlib.util.spec_from_file_location("guide_tasks", finance_app.__file__)
        assert spec is not None
        assert spec.loader is not None
        tasks = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tasks)
        tasks.GOALS[1] = Goal(id=1, name="Sea House", image_generation_status="pending")
        celery_app = Celery("guide", set_as_current=True)
        result = tasks.generate_goal_image(goal_id=1)
        assert result == "https://test.com/image.png"
        celery_app.close()


def test_faked_service(goal: Goal, emulator: GeminiEmulator) -> None:
    """Without a mock: the task makes its own app, and a fake everywhere meets it there."""
    with fake_everywhere(base_url="https://test.com") as fake:
        assert finance_app.generate_goal_image(goal_id=1) == (
            "https://test.com/goals/1/sea_house.png"
        )
        fake.fail_generation(ContentBlocked)
        with pytest.raises(Exception, match="ContentBlocked"):
            finance_app.generate_goal_image(goal_id=1)
    fake.assert_generated("Visual representation of financial goal: Sea House", times=1)
    fake.assert_uploaded("goals/1/sea_house.png", metadata={"goal_id": 1, "user_id": 7})
    assert STATUSES == ["generating", "completed", "generating", "failed"]
    assert emulator.calls == 0


def test_outside_any_app(emulator: GeminiEmulator, tmp_path: Path) -> None:
    """Without an app the guide's two configure calls are all it takes, in a fresh process."""
    import subprocess
    import sys

    code = f"""
import logging
logging.basicConfig(level=logging.INFO, format="%(message)s")
from flask_media import StorageProvider, get_image_generation_service
service = get_image_generation_service()
assert service is get_image_generation_service()
service.configure_gemini("key")
service._reconfigure(gemini_base_url={emulator.url!r})
service.configure_storage(provider=StorageProvider.FILESYSTEM)
print(service.generate_and_upload("A house", "house.png")["url"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"MEDIA_HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == (tmp_path / "media" / "house.png").as_uri()
    assert str(tmp_path) in done.stderr
