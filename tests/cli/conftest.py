"""Apps whose commands are run, here or in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_media.emulator import GeminiEmulator

from ..faults import FaultServer
from ..faults import fault_server
from ..journal.conftest import gate
from .support import MakeShop
from .support import Shop

__all__ = ["gate"]


@pytest.fixture
def emulator() -> Iterator[GeminiEmulator]:
    """A Gemini emulator whose small pictures differ from prompt to prompt."""
    with GeminiEmulator(width=64, height=64, vary=True) as running:
        yield running


@pytest.fixture
def faults() -> Iterator[FaultServer]:
    """A server that does as it is told."""
    with fault_server() as server:
        yield server


@pytest.fixture
def make_shop(emulator: GeminiEmulator, tmp_path: Path) -> Iterator[MakeShop]:
    """Makes shops that share one instance folder; keywords are config keys."""
    made: list[Shop] = []
    (tmp_path / "shop").mkdir()

    def make(**config: Any) -> Shop:
        usual = {
            "GEMINI_API_KEY": "key-of-the-tests",
            "GEMINI_BASE_URL": emulator.url,
            "MEDIA_FILES_URL": "/pictures",
            "MEDIA_QUEUE_RETRY_SECONDS": 0.05,
        }
        made.append(Shop(tmp_path / "shop", usual | config))
        return made[-1]

    yield make
    for shop in made:
        shop.close()


@pytest.fixture
def shop(make_shop: MakeShop) -> Shop:
    """A shop that keeps its pictures in a folder."""
    return make_shop()
