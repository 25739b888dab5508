"""Apps whose pictures have variants, on a folder that the tests can look into."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask import Request

from flask_media import FlaskMedia
from flask_media.emulator import GeminiEmulator
from flask_media.service import MediaService

from ..core.conftest import png
from ..journal.conftest import blocked_storage
from ..journal.conftest import journal_url
from .site import Site

__all__ = ["blocked_storage", "journal_url", "png"]

MakeSite = Callable[..., Site]


def let_in(request: Request) -> str | None:
    """Whoever sends a name is let in."""
    return request.headers.get("X-User")


@pytest.fixture
def emulator() -> Iterator[GeminiEmulator]:
    """A Gemini emulator whose pictures differ from prompt to prompt."""
    with GeminiEmulator(vary=True) as running:
        yield running


@pytest.fixture
def journal(request: pytest.FixtureRequest) -> dict[str, str]:
    """Where the journal is: in the app's own file, or where :data:`.site.on_both` says."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return {}
    make: Callable[[], str] = request.getfixturevalue("postgres")
    return {"MEDIA_JOURNAL_URL": make()}


@pytest.fixture
def config(emulator: GeminiEmulator, tmp_path: Path, journal: dict[str, str]) -> dict[str, Any]:
    """The config of an app with a folder of its own for the pictures."""
    return journal | {
        "GEMINI_API_KEY": "test-key",
        "GEMINI_BASE_URL": emulator.url,
        "MEDIA_STORAGE": "filesystem",
        "MEDIA_FOLDER": str(tmp_path / "media"),
        "SECRET_KEY": "a-secret-of-the-tests",
    }


@pytest.fixture
def make_site(
    config: dict[str, Any], tmp_path: Path, emulator: GeminiEmulator
) -> Iterator[MakeSite]:
    """Makes apps with a blueprint; config keys in upper case, options of the blueprint in lower."""
    made: list[MediaService] = []
    usual = config

    def make(**values: Any) -> Site:
        config = {name: value for name, value in values.items() if name.isupper()}
        options = {name: value for name, value in values.items() if not name.isupper()}
        app = Flask("shop", instance_path=str(tmp_path / "instance"))
        app.config.update(usual | config)
        media = FlaskMedia(app)
        blueprint = media.create_blueprint(**{"authorize": let_in} | options)
        app.register_blueprint(blueprint, url_prefix="/media")
        service: MediaService = app.extensions["media"]
        made.append(service)
        return Site(app, service, tmp_path / "media", emulator)

    yield make
    for service in made:
        service.close()


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    """An app with the usual config."""
    return make_site()
