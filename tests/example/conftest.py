"""The example app on folders and a database of the test's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any
from typing import TypeAlias

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from example_app import create_app
from example_app.models import db
from flask_media import signals
from flask_media.emulator import GeminiEmulator

MakeApp: TypeAlias = Callable[..., Flask]


@contextmanager
def broken_folder(folder: Path) -> Iterator[None]:
    """Let storing fail, after all that is checked before a call is checked."""

    def break_it(sender: object, **values: object) -> None:
        folder.rmdir()
        folder.write_text("no folder")

    with signals.upload_started.connected_to(break_it):
        yield
    folder.unlink()


class Browser:
    """A test client that sends the form's token, as a browser does."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str) -> str:
        """The text of a page."""
        return self.fetch(path).text

    def fetch(self, path: str) -> TestResponse:
        """What is at a path, read to its end."""
        response = self.client.get(path, buffered=True)
        assert response.status_code == 200
        return response

    def post(self, path: str, **fields: str) -> TestResponse:
        """Send a form of the page at ``/`` and follow where it leads."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/"))
        assert found
        data = fields | {"csrf_token": unescape(found[1])}
        return self.client.post(path, data=data, follow_redirects=True)


@pytest.fixture
def make_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeApp]:
    """Makes an app that keeps its files in the test's folder, whatever the environment says."""
    for name in ("FLASK_GEMINI_API_KEY", "FLASK_MEDIA_GENERATOR", "FLASK_SPACES_BUCKET"):
        monkeypatch.delenv(name, raising=False)
    apps = []

    def make(**config: Any) -> Flask:
        app = create_app(
            {
                "TESTING": True,
                "SQLALCHEMY_ENGINES": {"default": f"sqlite:///{tmp_path / 'goals.sqlite'}"},
                "MEDIA_FOLDER": str(tmp_path / "media"),
                "MEDIA_JOURNAL_URL": f"sqlite:///{tmp_path / 'media.sqlite3'}",
                **config,
            }
        )
        apps.append(app)
        return app

    yield make
    for app in apps:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """The app with no key: placeholders in a folder."""
    return make_app()


@pytest.fixture
def browser(app: Flask) -> Browser:
    """A browser on the app with no key."""
    return Browser(app.test_client())


@pytest.fixture
def emulator() -> Iterator[GeminiEmulator]:
    """A Gemini that answers with pictures unless its script says otherwise."""
    with GeminiEmulator() as emulator:
        yield emulator


@pytest.fixture
def gemini_app(make_app: MakeApp, emulator: GeminiEmulator) -> Flask:
    """The app with a key, on the emulator."""
    return make_app(GEMINI_API_KEY="test-key", GEMINI_BASE_URL=emulator.url, GEMINI_MAX_ATTEMPTS=1)


@pytest.fixture
def gemini_browser(gemini_app: Flask) -> Browser:
    """A browser on the app with a key."""
    return Browser(gemini_app.test_client())
