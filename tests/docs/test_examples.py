"""Every example of README and docs runs, one page after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers import markdown
from sybil.parsers import rest

from flask_media.emulator import GeminiEmulator

ROOT = Path(__file__).parents[2]
REST = Sybil(parsers=[rest.PythonCodeBlockParser(), rest.DocTestParser(), rest.SkipParser()])
MARKDOWN = Sybil(parsers=[markdown.PythonCodeBlockParser(), markdown.SkipParser()])
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.rst"))]


@pytest.fixture
def emulator() -> Iterator[GeminiEmulator]:
    """What the examples take for Gemini."""
    with GeminiEmulator() as emulator:
        yield emulator


@pytest.fixture
def names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emulator: GeminiEmulator
) -> dict[str, Any]:
    """The names that an example starts with, in an empty folder and with a key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDIA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FLASK_GEMINI_API_KEY", "key-of-the-docs")
    monkeypatch.setenv("FLASK_GEMINI_BASE_URL", emulator.url)
    return {"__name__": "example_of_the_docs", "emulator": emulator}


@pytest.mark.usefixtures("own_parts")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples(page: Path, names: dict[str, Any]) -> None:
    """The code of the page runs from top to bottom, and gives what it shows."""
    document = (MARKDOWN if page.suffix == ".md" else REST).parse(page)
    document.namespace.update(names)
    for example in document.examples():
        example.evaluate()


def test_there_are_examples() -> None:
    """The parsers find the examples, so that none passes by not being found."""
    counts = {page.name: sum(1 for _ in REST.parse(page).examples()) for page in PAGES[1:]}
    assert counts["quickstart.rst"] >= 15
    assert sum(counts.values()) >= 40
    assert any(True for _ in MARKDOWN.parse(PAGES[0]).examples())
