"""Apps with a files route, and a picture behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask import Request
from flask.testing import FlaskClient
from werkzeug.wrappers import Response

from flask_media import FlaskMedia
from flask_media import current_media
from flask_media.emulator import GeminiEmulator

from ..core.conftest import MakeApp
from ..core.conftest import make_app
from ..core.conftest import png
from .api import Api
from .api import MakeApi

__all__ = ["ANN", "STORAGES", "MakeApp", "Site", "let_in", "make_app", "png"]

STORAGES = ["memory", "filesystem"]


def let_in(request: Request) -> str | None:
    """Whoever sends a name is let in."""
    return request.headers.get("X-User")


ANN = {"X-User": "ann"}


@dataclasses.dataclass
class Site:
    """An app with a files route, and a picture in it."""

    app: Flask
    url: str
    png: bytes

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def get(self, path: str | None = None, **headers: str) -> Response:
        sent = ANN | {name.replace("_", "-"): value for name, value in headers.items()}
        path = self.url if path is None else path
        # Buffered, the client closes the response as a server does; an open file is an error.
        return self.client.get(path, headers=sent, buffered=True)


@pytest.fixture(params=STORAGES)
def site(request: pytest.FixtureRequest, make_app: MakeApp, png: bytes) -> Site:
    """A site on each storage that an app itself serves."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_GENERATOR="placeholder", MEDIA_STORAGE=request.param)
    app.register_blueprint(media.create_blueprint(authorize=let_in), url_prefix="/media")
    with app.app_context():
        result = current_media.upload(png, "goals/7/house.png", {"goal": 7})
    return Site(app, result.url, png)


@pytest.fixture
def make_api(make_app: MakeApp, emulator: GeminiEmulator) -> Iterator[MakeApi]:
    """A factory of such apps; options of the blueprint, and config keys in upper case."""

    apps = []

    def make(limiter: Any = None, **values: Any) -> Api:
        config = {name: value for name, value in values.items() if name.isupper()}
        options = {name: value for name, value in values.items() if not name.isupper()}
        media = FlaskMedia()
        defaults = {
            "GEMINI_API_KEY": "key-of-the-tests",
            "GEMINI_BASE_URL": emulator.url,
            "MEDIA_STORAGE": "memory",
        }
        app = make_app(media, **defaults | config)
        if limiter is not None:
            limiter.init_app(app)
        blueprint = media.create_blueprint(**{"authorize": let_in} | options)
        app.register_blueprint(blueprint, url_prefix="/media")
        apps.append(app)
        return Api(app, emulator)

    yield make
    for app in apps:  # their jobs end before the emulator does
        app.extensions["media"].close()


@pytest.fixture
def api(make_api: MakeApi) -> Api:
    """The blueprint with no options."""
    return make_api()


@pytest.fixture
def emulator() -> Iterator[GeminiEmulator]:
    """An emulator of small pictures, one colour a prompt."""
    with GeminiEmulator(width=64, height=64, vary=True) as emulator:
        yield emulator
