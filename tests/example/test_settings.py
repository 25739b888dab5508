"""What the app makes of its config and of the environment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from example_app.models import Picture
from example_app.models import db
from example_app.settings import configure

from .conftest import MakeApp
from .conftest import forget_environment


@pytest.fixture
def config_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives the config of an app whose environment is what the keywords say."""
    forget_environment(monkeypatch)

    def make(**environment: str) -> dict[str, Any]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(f"FLASK_{name}", value)
            app = Flask("plain", instance_path=str(tmp_path / "instance"))
            configure(app, {})
            return app.config

    return make


def test_nothing_has_to_be_set(config_for: Any) -> None:
    """Without a key pictures are placeholders, on threads, in files of the instance folder."""
    config = config_for()
    assert config["MEDIA_GENERATOR"] == "placeholder"
    assert config["MEDIA_QUEUE"] == "threads"
    assert config["SQLALCHEMY_ENGINES"] == {"default": "sqlite:///goals.sqlite"}
    assert "MEDIA_JOURNAL_URL" not in config


def test_a_key_asks_gemini(config_for: Any) -> None:
    """With a key pictures are Gemini's, unless the environment says otherwise."""
    assert config_for(GEMINI_API_KEY="key")["MEDIA_GENERATOR"] == "gemini"
    config = config_for(GEMINI_API_KEY="key", MEDIA_GENERATOR="placeholder")
    assert config["MEDIA_GENERATOR"] == "placeholder"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_one_url_is_for_the_data_and_the_journal(config_for: Any, scheme: str) -> None:
    """However a host writes PostgreSQL's URL, it holds the app's tables and the journal."""
    config = config_for(DATABASE_URL=f"{scheme}://user:word@db.example/goals")
    url = "postgresql+psycopg://user:word@db.example/goals"
    assert config["SQLALCHEMY_ENGINES"] == {"default": url}
    assert config["MEDIA_JOURNAL_URL"] == url


def test_the_key_of_sessions_outlives_the_process(config_for: Any, tmp_path: Path) -> None:
    """Each start finds the same key, for its owner's eyes only; the environment's goes first."""
    key = config_for()["SECRET_KEY"]
    assert len(key) == 64
    assert config_for()["SECRET_KEY"] == key
    assert (tmp_path / "instance" / "secret_key").stat().st_mode & 0o077 == 0
    assert [file.name for file in (tmp_path / "instance").iterdir()] == ["secret_key"]
    assert config_for(SECRET_KEY="another")["SECRET_KEY"] == "another"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_many_may_start_at_once(
    request: pytest.FixtureRequest, make_app: MakeApp, kind: str
) -> None:
    """Processes that start together on an empty database all start."""
    url: dict[str, str] = {}
    if kind == "postgres":
        url = dict.fromkeys(
            ("DATABASE_URL", "MEDIA_JOURNAL_URL"), request.getfixturevalue("postgres")()
        )
    start = threading.Barrier(4)

    def make(_number: int) -> Flask:
        start.wait(60)
        return make_app(**url)

    with ThreadPoolExecutor(4) as threads:
        apps = list(threads.map(make, range(4)))
    for app in apps:
        assert app.test_client().post("/sign-in").status_code == 400
        with app.app_context():
            assert db.session.scalars(select(Picture)).all() == []
