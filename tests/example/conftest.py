"""The example app on folders and a database of the test's own."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import threading
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
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from example_app import create_app
from example_app.models import User
from example_app.models import db
from flask_media import MediaError
from flask_media import current_media
from flask_media import signals
from flask_media.emulator import GeminiEmulator

MakeApp: TypeAlias = Callable[..., Flask]

PASSWORD = "correct horse"


@contextmanager
def broken_folder(folder: Path) -> Iterator[None]:
    """Let storing fail, after all that is checked before a call is checked."""

    def break_it(sender: object, **values: object) -> None:
        folder.rmdir()
        folder.write_text("no folder")

    with signals.upload_started.connected_to(break_it):
        yield
    folder.unlink()


@contextmanager
def held(emulator: GeminiEmulator) -> Iterator[threading.Event]:
    """Keep the emulator from answering; gives what is set once it was asked."""
    asked, go = threading.Event(), threading.Event()

    @emulator.handler
    def wait(ask: object) -> None:
        asked.set()
        assert go.wait(60)

    try:
        yield asked
    finally:
        go.set()


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
        assert response.status_code == 200, response.text
        return response

    def token(self) -> str:
        """The token of the session's forms."""
        page = self.client.get("/sign-in", follow_redirects=True).text
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert found
        return unescape(found[1])

    def send(self, path: str, **fields: str) -> TestResponse:
        """Send a form."""
        return self.client.post(path, data=fields | {"csrf_token": self.token()})

    def post(self, path: str, **fields: str) -> TestResponse:
        """Send a form and follow where it leads."""
        data = fields | {"csrf_token": self.token()}
        return self.client.post(path, data=data, follow_redirects=True)


_numbers = itertools.count()
_CHEAP = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")


class Member(Browser):
    """A browser of somebody with an account of their own, signed in."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app.test_client())
        self.app = app
        self.name = f"Ada {next(_numbers)}"
        with app.app_context():
            user = User(name=self.name, login=self.name.casefold(), password_hash=_CHEAP)
            db.session.add(user)
            db.session.commit()
            self.id = user.get_id()
        assert self.send("/sign-in", name=self.name, password=PASSWORD).location == "/"

    def add(self, name: str = "A boat", **fields: str) -> str:
        """Add a goal; gives the path of its page once its picture is there, or will never be."""
        response = self.send("/goals", name=name, **{"target": "100"} | fields)
        assert response.status_code == 303, response.text
        self.wait()
        return response.location

    def ask(self, path: str, **fields: str) -> str:
        """Send a form that has a picture drawn; gives the page when that has ended."""
        assert self.send(path, **fields).status_code == 303
        self.wait()
        return self.get(path.rpartition("/")[0])

    def wait(self) -> None:
        """Wait until all that they ordered has ended, well or not."""
        with self.app.app_context():
            for job in current_media.jobs(self.id):
                with contextlib.suppress(MediaError):
                    job.result(60)


def forget_environment(patch: pytest.MonkeyPatch) -> None:
    """Forget what this machine's environment says to the app."""
    for name in list(os.environ):
        if name.startswith("FLASK_"):
            patch.delenv(name)


def config_of(folder: Path) -> dict[str, Any]:
    """The config of an app that keeps all it has in that folder."""
    return {
        "TESTING": True,
        "SECRET_KEY": "of the tests",
        "DATABASE_URL": f"sqlite:///{folder / 'goals.sqlite'}",
        "MEDIA_FOLDER": str(folder / "media"),
        "MEDIA_JOURNAL_URL": f"sqlite:///{folder / 'media.sqlite3'}",
        "MEDIA_VARIANTS": {},  # to be quick
    }


def close(app: Flask) -> None:
    """End what an app has running and open."""
    app.extensions["media"].close()
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def make_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeApp]:
    """Makes an app that keeps its files in the test's folder, whatever the environment says."""
    forget_environment(monkeypatch)
    apps = []

    def make(**config: Any) -> Flask:
        apps.append(create_app(config_of(tmp_path) | config))
        return apps[-1]

    yield make
    for app in apps:
        close(app)


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """The app with no key: placeholders in a folder."""
    return make_app()


@pytest.fixture(scope="session")
def running_emulator() -> Iterator[GeminiEmulator]:
    """A Gemini for all tests."""
    with GeminiEmulator(honour_image_config=True) as emulator:
        yield emulator


@pytest.fixture
def emulator(running_emulator: GeminiEmulator) -> Iterator[GeminiEmulator]:
    """A Gemini that answers with pictures unless its script says otherwise."""
    running_emulator.reset()
    yield running_emulator
    running_emulator.reset()


@pytest.fixture(scope="session")
def gemini_config(running_emulator: GeminiEmulator) -> dict[str, Any]:
    """A key, on the emulator, and no second try."""
    return {
        "GEMINI_API_KEY": "test-key",
        "GEMINI_BASE_URL": running_emulator.url,
        "GEMINI_MAX_ATTEMPTS": 1,
        "MEDIA_QUEUE_RETRIES": 0,
    }


@pytest.fixture
def gemini_app(make_app: MakeApp, gemini_config: dict[str, Any], emulator: GeminiEmulator) -> Flask:
    """The app with a key, of this test alone."""
    return make_app(**gemini_config)


@pytest.fixture(scope="session")
def shared_app(
    tmp_path_factory: pytest.TempPathFactory, gemini_config: dict[str, Any]
) -> Iterator[Flask]:
    """The app with a key, for all tests that only need an account of their own."""
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        app = create_app(config_of(tmp_path_factory.mktemp("shared")) | gemini_config)
    yield app
    close(app)


@pytest.fixture
def ada(shared_app: Flask, emulator: GeminiEmulator) -> Member:
    """Somebody with an account on the app with a key."""
    return Member(shared_app)


@pytest.fixture
def browser(shared_app: Flask) -> Browser:
    """A browser of nobody in particular, on the app with a key."""
    return Browser(shared_app.test_client())
