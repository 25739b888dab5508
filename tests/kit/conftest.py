"""An app whose journal, folder and bucket would be noticed if they were touched."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_media import FlaskMedia
from flask_media.testing import Fake
from flask_media.testing import fake as make_fake

MakeApp = Callable[..., Flask]

REAL = {
    "GEMINI_API_KEY": "key",
    "GEMINI_BASE_URL": "http://gemini.invalid",
    "SPACES_BUCKET": "bucket",
    "SPACES_KEY": "key",
    "SPACES_SECRET": "secret",
    "SPACES_REGION": "fra1",
    "SPACES_ENDPOINT_URL": "http://bucket.invalid",
}
"""A deployment, out of reach."""


@pytest.fixture
def make_app(tmp_path: Path) -> MakeApp:
    """Makes an app with a key and a bucket; keywords are config keys."""

    def make(name: str = "shop", **config: Any) -> Flask:
        app = Flask(name, instance_path=str(tmp_path / name))
        app.config.update(REAL)
        app.config.update(config)
        FlaskMedia(app)
        return app

    return make


@pytest.fixture
def app(make_app: MakeApp) -> Iterator[Flask]:
    """An app in its context."""
    app = make_app()
    with app.app_context():
        yield app


@pytest.fixture
def fake(app: Flask) -> Iterator[Fake]:
    """A fake of the app."""
    with make_fake(app) as it:
        yield it
