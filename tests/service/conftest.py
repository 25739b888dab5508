"""Apps against the Gemini emulator over a socket."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_media import FlaskMedia
from flask_media import signals
from flask_media.emulator import GeminiEmulator

SECRETS = {
    "GEMINI_API_KEY": "gemini-key-secret-1",
    "SPACES_KEY": "spaces-key-secret-2",
    "SPACES_SECRET": "spaces-secret-secret-3",
}
"""Credentials that must show nowhere."""

MakeApp = Callable[..., Flask]


@pytest.fixture
def emulator() -> Iterator[GeminiEmulator]:
    """A Gemini emulator on a free port."""
    with GeminiEmulator() as running:
        yield running


@pytest.fixture
def make_app(emulator: GeminiEmulator, tmp_path: Path) -> Iterator[MakeApp]:
    """Makes an app that asks the emulator; keywords are config keys."""
    made: list[Flask] = []

    def make(**config: Any) -> Flask:
        app = Flask("shop", instance_path=str(tmp_path / "instance"))
        app.config.update(
            GEMINI_API_KEY=SECRETS["GEMINI_API_KEY"],
            GEMINI_BASE_URL=emulator.url,
            MEDIA_STORAGE="memory",
        )
        app.config.update(config)
        FlaskMedia(app)
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions["media"].close()


@pytest.fixture
def app(make_app: MakeApp) -> Iterator[Flask]:
    """An app with the memory storage, in its context."""
    app = make_app()
    with app.app_context():
        yield app


class Heard:
    """What the signals of an app said, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, object, dict[str, Any]]] = []

    @property
    def names(self) -> list[str]:
        """The names of the signals, in order."""
        return [name for name, _, _ in self.events]

    def values(self, name: str) -> dict[str, Any]:
        """What the one signal of that name carried."""
        (found,) = [values for heard, _, values in self.events if heard == name]
        return found


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Listens to all six signals, whoever sends them."""
    heard = Heard()
    connected = []
    for name in (
        "generation_started",
        "generation_finished",
        "generation_failed",
        "upload_started",
        "upload_finished",
        "upload_failed",
    ):

        def receive(sender: object, *, _name: str = name, **values: Any) -> None:
            heard.events.append((_name, sender, values))

        signal = getattr(signals, name)
        signal.connect(receive)
        connected.append((signal, receive))
    yield heard
    for signal, receive in connected:
        signal.disconnect(receive)
