"""What docs/cli.rst shows is what the commands print."""

from __future__ import annotations

import re
import shlex
import textwrap

import pytest

from flask_media import FlaskMedia
from flask_media.emulator import GeminiEmulator

from ..programs import ROOT
from .support import MakeShop

PAGE = (ROOT / "docs" / "cli.rst").read_text()

VARIED = (
    (r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:0"),
    (r"\b[0-9a-f]{32}\b", "ID"),
    (r"\b[0-9a-f]{12}\b", "SHORT"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "WHEN"),
    (r"\d+\.\d s", "TIME"),
    (r"[\d,]+ (kB|bytes)", "SIZE"),
    (r"version \d+", "VERSION"),
    (r"\s+", " "),
)
"""What differs from run to run."""


def _blocks() -> list[tuple[str, str]]:
    """The commands of the page, and what they print."""
    found = re.findall(r"^\.\. code-block:: console\n\n((?:    .*\n|\n)+)", PAGE, re.MULTILINE)
    blocks = [textwrap.dedent(block).strip("\n").split("\n", 1) for block in found]
    return [(command.removeprefix("$ "), said) for command, said in blocks]


def _same(text: str) -> str:
    for pattern, words in VARIED:
        text = re.sub(pattern, words, text)
    return text.strip()


def test_transcript(
    make_shop: MakeShop, emulator: GeminiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command of the page, one after the other, prints what the page shows below it."""
    emulator.width = emulator.height = 1024
    shop = make_shop(MEDIA_FILES_URL="", SECRET_KEY="s" * 32)
    blueprint = FlaskMedia().create_blueprint(authorize=lambda request: "me")
    shop.app.register_blueprint(blueprint, url_prefix="/media")
    monkeypatch.chdir(shop.folder)
    blocks = _blocks()
    assert len(blocks) == 11
    for command, said in blocks:
        program, *line = shlex.split(command)
        if program == "cat":
            (shop.folder / line[0]).write_text(said + "\n")
            continue
        assert (program, line[0]) == ("flask", "media")
        if line[1:3] == ["jobs", "show"]:
            line[3] = shop.lines("jobs", "--limit", "1")[0]["id"][:8]
        if "batch" in line and "--dry-run" not in line:
            line += ["--concurrency", "1"]  # the page shows the rows in their order
        result = shop.run(*line[1:])
        printed = (result.stdout + result.stderr).replace(str(shop.folder), "/srv/shop")
        assert _same(printed) == _same(said), command


def test_the_page_is_narrow() -> None:
    """What the page shows fits a terminal, but for an error, which is one line."""
    for _, said in _blocks():
        lines = [line for line in said.splitlines() if not line.startswith("Error: ")]
        assert max(map(len, lines), default=0) <= 80
