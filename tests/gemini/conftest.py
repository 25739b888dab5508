"""An emulator and generators that talk to it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest

from flask_media.config_checks import Secret
from flask_media.emulator import GeminiEmulator
from flask_media.generators.gemini import GeminiGenerator

KEY = "AIza-the-secret-key-0123456789"

MakeGenerator = Callable[..., GeminiGenerator]


@pytest.fixture
def emulator() -> Iterator[GeminiEmulator]:
    """A strict emulator of small pictures."""
    with GeminiEmulator(width=64, height=64, strict=True) as server:
        yield server


@pytest.fixture
def make() -> Iterator[MakeGenerator]:
    """Makes generators, closed after the test."""
    made: list[GeminiGenerator] = []

    def make_generator(url: str | None, **values: Any) -> GeminiGenerator:
        arguments: dict[str, Any] = {
            "api_key": Secret(KEY),
            "model": "gemini-nano-banana-2.1",
            "base_url": url,
            "api_version": "v1",
            "timeout": 20.0,
        }
        made.append(GeminiGenerator(**arguments | values))
        return made[-1]

    yield make_generator
    for generator in made:
        generator.close()


@pytest.fixture
def generator(emulator: GeminiEmulator, make: MakeGenerator) -> GeminiGenerator:
    """A generator that talks to the emulator."""
    return make(emulator.url)
