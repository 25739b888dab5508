"""``flask media batch`` once more: after a wrong key, and over rows that changed."""

from __future__ import annotations

import pytest

from flask_media.emulator import GeminiEmulator

from .support import Shop
from .test_batch import HOUSES
from .test_batch import table

AGAIN = "The same command again goes on with what is left."


@pytest.mark.parametrize("mode", ["401", "403", "404", "400-key"])
@pytest.mark.parametrize("has_results", [True, False])
def test_a_key_that_was_put_right(
    shop: Shop, emulator: GeminiEmulator, mode: str, has_results: bool
) -> None:
    """What a wrong key or model stopped goes on once it is right, by the same command, and pays
    for each row once."""
    path = table(shop.folder, 3)
    emulator.script("ok", mode, mode)
    line = ("batch", path, *HOUSES, "--concurrency", "1")
    for left in (1, 1):
        result = shop.run(*line)
        assert result.exit_code == 1
        assert result.stderr.startswith("Stopped: gemini-nano-banana-2.1 refused the request")
        assert result.stderr.count("\n") == 1
        assert f"1 failed, {left} left." in result.stdout
        assert AGAIN in result.stdout
    if not has_results:
        path.with_name(f"{path.name}.results.jsonl").unlink()
    document = shop.json(*line)
    assert (document["made"], document["already"], document["failed"]) == (2, 1, 0)
    assert shop.json(*line)["already"] == 3
    assert emulator.calls == 5
    path.with_name(f"{path.name}.results.jsonl").unlink()
    assert shop.json(*line)["already"] == 3
    assert emulator.calls == 5


def test_a_model_of_one_row(shop: Shop, emulator: GeminiEmulator) -> None:
    """A model that a row names, and that there is none of, stops that row alone."""
    path = shop.folder / "goals.csv"
    path.write_text("id,name,model\n1,Ann,gemini-9-image\n2,Bob,\n")
    emulator.script("404")
    result = shop.run("batch", path, *HOUSES, "--concurrency", "1")
    assert "2 pictures: 1 made, 1 failed." in result.stdout
    assert AGAIN in result.stdout


def test_what_can_not_go_on(shop: Shop, emulator: GeminiEmulator) -> None:
    """Where the same command would fail the same way, it is not advised, and calls nothing."""
    path = table(shop.folder, 1)
    emulator.script("image-safety")
    for _ in range(2):
        result = shop.run("batch", path, *HOUSES)
        assert (result.exit_code, AGAIN in result.stdout) == (1, False)
    assert emulator.calls == 1


def test_why_it_stops_is_said_once(shop: Shop, emulator: GeminiEmulator) -> None:
    """Several calls under way that meet the same wrong key say so once."""
    emulator.default_mode = "403"
    result = shop.run("batch", table(shop.folder, 9), *HOUSES, "--concurrency", "4")
    assert result.stderr.count("refused the request (403)") == 1


def test_a_picture_that_was_overwritten(shop: Shop, emulator: GeminiEmulator) -> None:
    """A row whose picture another one's took the place of since is no row that is done."""
    path = shop.folder / "goals.csv"
    for name in ("Ann", "Zoe"):
        path.write_text(f"id,name\n1,{name}\n")
        assert shop.run("batch", path, *HOUSES).exit_code == 0
    path.write_text("id,name\n1,Ann\n")
    for line in ((), ("--dry-run",)):
        result = shop.run("batch", path, *HOUSES, *line)
        assert result.exit_code == 1
        assert "'goals/1/house.png' was made, and was overwritten since" in result.stderr
    assert shop.json("batch", path, *HOUSES, "--run", "again")["made"] == 1
    assert shop.json("batch", path, *HOUSES)["already"] == 1
    assert emulator.calls == 3


def test_results_that_are_none(shop: Shop, emulator: GeminiEmulator) -> None:
    """A table, a device and a pipe are no results file; nothing is written or paid."""
    path = table(shop.folder, 1)
    before = path.read_text()
    for name in (path, shop.folder / "." / path.name, "/dev/null"):
        result = shop.run("batch", path, *HOUSES, "--results", name)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert f"--results {name} is " in result.stderr
    assert (path.read_text(), emulator.calls) == (before, 0)
    other = shop.folder / "other.jsonl"
    assert shop.run("batch", path, *HOUSES, "--results", other).exit_code == 0
    assert len(other.read_text().splitlines()) == 1
    assert not path.with_name(f"{path.name}.results.jsonl").exists()
