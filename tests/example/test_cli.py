"""``flask --app example_app draw``."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Flask
from PIL import Image

from flask_media.emulator import GeminiEmulator

from .conftest import MakeApp
from .conftest import broken_folder


def test_draw_says_where_the_picture_is(app: Flask) -> None:
    """The command stores a picture and prints its absolute path, size and origin."""
    result = app.test_cli_runner().invoke(args=["draw", "A house by the sea"])
    assert result.exit_code == 0, result.output
    found = re.search(r"^Picture:\s+(.+)$", result.output, re.MULTILINE)
    assert found
    path = Path(found[1])
    assert path.is_absolute()
    assert path.name.startswith("a-house-by-the-sea-")
    with Image.open(path) as picture:
        picture.load()
        assert picture.size == (1024, 1024)
    assert "1024 x 1024 pixels, PNG" in result.output
    assert "It is a placeholder" in result.output


def test_what_draw_prints_fits_a_terminal(app: Flask) -> None:
    """No line but the one of the path is longer than 80 columns."""
    output = app.test_cli_runner().invoke(args=["draw", "A house " * 40]).output
    lines = [line for line in output.splitlines() if not line.startswith("Picture:")]
    assert lines
    assert max(map(len, lines)) <= 80


def test_two_drawings_never_replace_each_other(app: Flask, tmp_path: Path) -> None:
    """The same prompt drawn twice gives two files."""
    for _ in range(2):
        app.test_cli_runner().invoke(args=["draw", "A house"])
    assert len(list((tmp_path / "media" / "drawings").glob("*.png"))) == 2


def test_draw_with_a_key_names_the_model(gemini_app: Flask) -> None:
    """With a key the model is named and no placeholder is spoken of."""
    result = gemini_app.test_cli_runner().invoke(args=["draw", "A house"])
    assert result.exit_code == 0, result.output
    assert "Drawn by: gemini-nano-banana-2.1" in result.output
    assert "placeholder" not in result.output


def test_draw_prints_the_url_where_there_is_no_file(make_app: MakeApp) -> None:
    """With another storage than the filesystem the URL is printed."""
    app = make_app(MEDIA_STORAGE="memory")
    output = app.test_cli_runner().invoke(args=["draw", "A house"]).output
    assert re.search(r"^Picture:  /media/files/drawings/a-house-\w+\.png$", output, re.MULTILINE)


def test_a_failed_drawing_is_one_line(gemini_app: Flask, emulator: GeminiEmulator) -> None:
    """An error is a line and an exit code, never a traceback."""
    emulator.script("403")
    result = gemini_app.test_cli_runner().invoke(args=["draw", "A house"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1
    assert "test-key" not in result.output


def test_resume_stores_what_was_paid(
    gemini_app: Flask, emulator: GeminiEmulator, tmp_path: Path
) -> None:
    """A picture that could not be stored is stored by the command, without a call."""
    runner = gemini_app.test_cli_runner()
    with broken_folder(tmp_path / "media"):
        result = runner.invoke(args=["draw", "A house"])
    assert result.exit_code == 1
    assert "could not be stored" in result.stderr
    result = runner.invoke(args=["resume"])
    assert result.exit_code == 0, result.output
    assert re.fullmatch(r"Stored:   /media/files/drawings/a-house-\w+\.png\n", result.output)
    assert emulator.calls == 1
    assert len(list((tmp_path / "media" / "drawings").glob("*.png"))) == 1
    assert runner.invoke(args=["resume"]).output == "Nothing was left to do.\n"


def test_resume_says_what_it_can_not_finish(gemini_app: Flask, emulator: GeminiEmulator) -> None:
    """A job that can't be finished is a line with its id, and no call beyond what is allowed."""
    emulator.script("reset")
    runner = gemini_app.test_cli_runner()
    assert runner.invoke(args=["draw", "A house"]).exit_code == 1
    result = runner.invoke(args=["resume"])
    assert re.match(r"Job \w{32}: .*may have been charged", result.stderr)
    assert emulator.calls == 1
