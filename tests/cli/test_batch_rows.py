"""What ``flask media batch`` refuses of a row, and how it reads one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_media.emulator import GeminiEmulator

from .support import Shop
from .test_batch import HOUSES
from .test_batch import results
from .test_batch import table


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"prompt": " \t "}, "prompt is empty"),
        ({"prompt": "A" * 200_000}, "prompt has 200,000 characters"),
        ({"prompt": "A\0B"}, "U+0000"),
        ({"prompt": "A\ud800"}, "U+D800"),
        ({"spender": "s" * 300}, "spender has 300 characters, not 1 to 255"),
        ({"spender": ["a"]}, "column 'spender' is no text or number"),
        ({"spender": "\ud800"}, "U+D800"),
        ({"metadata": {"goal": "\ud800"}}, "U+D800"),
    ],
)
def test_wrong_values(
    shop: Shop, emulator: GeminiEmulator, values: dict[str, Any], words: str
) -> None:
    """What no row can be asked with is told before the first one is paid for."""
    path = shop.folder / "goals.jsonl"
    right = {"prompt": "A house", "object_key": "a.png"}
    rows = [right, right | {"object_key": "b.png"} | values]
    path.write_text("\n".join(map(json.dumps, rows)))
    result = shop.run("batch", path)
    assert (result.exit_code, emulator.calls) == (1, 0)
    assert words in result.stderr
    assert "row 2 (line 2): " in result.stderr
    assert result.stderr.endswith("Nothing was paid.\n")


def test_text_that_is_none(shop: Shop, emulator: GeminiEmulator) -> None:
    """Options with bytes that are no UTF-8 are one line."""
    path = table(shop.folder, 1)
    for line in (("batch", path, *HOUSES, "--run", "a\udcff"), ("jobs", "--spender", "a\udcff")):
        result = shop.run(*line)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert f"{line[-2]} has U+DCFF at position 1" in result.stderr
    assert emulator.calls == 0


def test_a_number_as_spender(shop: Shop) -> None:
    """An id that is a number, 0 too, is its text."""
    path = shop.folder / "goals.jsonl"
    path.write_text('{"prompt": "A", "object_key": "a.png", "spender": 0}')
    assert shop.run("batch", path, "--spender", "bob").exit_code == 0
    assert shop.media.jobs()[0].spender == "0"


def test_odd_line_breaks(shop: Shop) -> None:
    """What some call a line break is a character of a cell like any other."""
    path = shop.folder / "goals.csv"
    name = "A\u2028B\u0085C\vD\fE"
    path.write_text(f"id,name\n1,{name}\n2,Bob\n")
    assert shop.run("batch", path, *HOUSES).exit_code == 0
    lines = sorted(results(path), key=lambda line: line["row"])
    assert [line["line"] for line in lines] == [2, 3]
    assert lines[0]["prompt"] == f"House of {name}"


def test_dry_run_on_a_terminal(shop: Shop) -> None:
    """Prompts are one line each, without what a terminal obeys; columns that nothing is taken
    from are named."""
    path = shop.folder / "goals.jsonl"
    row = {"prompt": "A\n\033[2J" + "house " * 40, "object_key": "a.png", "sise": "8x8", "id": 7}
    path.write_text(json.dumps(row))
    result = shop.run("batch", path, "--dry-run", "--ignore", "id")
    assert result.stderr == "Columns not used: sise.\n"
    assert "\033" not in result.stdout
    assert len(result.stdout.splitlines()) == 3
    assert max(map(len, result.stdout.splitlines())) < 80
