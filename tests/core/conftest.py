"""Fixtures of the core's tests: apps that draw and keep pictures in this process."""

from __future__ import annotations

import io
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from PIL import Image

from flask_media import FlaskMedia

MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[MakeApp]:
    """A factory of apps with the config given; without init_app where ``media`` is None."""
    made: list[Flask] = []

    def make(media: FlaskMedia | None = None, name: str = "shop", **config: Any) -> Flask:
        app = Flask(name, root_path=str(tmp_path), instance_path=str(tmp_path / "instance"))
        app.config.update(config)
        if media is not None:
            media.init_app(app)
        made.append(app)
        return app

    yield make
    for app in made:
        if "media" in app.extensions:
            app.extensions["media"].close()


@pytest.fixture(scope="session")
def png() -> bytes:
    """A picture of 40 by 30 pixels, with bytes that do not shrink to nothing."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize((40, 30)).convert("RGB").save(file, "PNG")
    return file.getvalue()
