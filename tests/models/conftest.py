"""Shops on each integration and each database."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_media.emulator import GeminiEmulator

from .shop import MakeShop
from .shop import Shop


@pytest.fixture
def emulator() -> Iterator[GeminiEmulator]:
    """A Gemini emulator that answers quickly, with another picture for each prompt."""
    with GeminiEmulator(width=64, height=64, vary=True) as running:
        yield running


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database for the goals: SQLite, or what :data:`.shop.on_both` says."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path / 'goals.sqlite3'}"
    make: Callable[[], str] = request.getfixturevalue("postgres")
    return make()


@pytest.fixture
def make_shop(emulator: GeminiEmulator, tmp_path: Path, database_url: str) -> Iterator[MakeShop]:
    """Makes apps with one journal and one database, as processes have them."""
    made: list[Shop] = []
    numbers = itertools.count()

    def make(integration: str = "plain", **config: Any) -> Shop:
        usual = {
            "GEMINI_API_KEY": "test-key",
            "GEMINI_BASE_URL": emulator.url,
            "GEMINI_MAX_ATTEMPTS": 1,
            "MEDIA_QUEUE_RETRIES": 0,
            "MEDIA_STORAGE": "filesystem",
            "MEDIA_FOLDER": str(tmp_path / "media"),
            "MEDIA_FILES_URL": "https://pictures.example",
            "MEDIA_JOURNAL_URL": f"sqlite:///{tmp_path / 'journal.sqlite3'}",
        }
        instance = str(tmp_path / f"instance-{next(numbers)}")
        made.append(Shop(integration, database_url, usual | config, instance))
        return made[-1]

    yield make
    for shop in made:
        shop.close()


@pytest.fixture
def shop(make_shop: MakeShop) -> Shop:
    """A shop of plain SQLAlchemy."""
    return make_shop()
