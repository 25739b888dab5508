"""``flask media generate``."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from flask_media import FlaskMedia
from flask_media.emulator import GeminiEmulator

from .support import MakeShop
from .support import Shop


def test_it_stores_a_picture(shop: Shop) -> None:
    """The picture is stored under the key with the options, and what is said fits a terminal."""
    options = "--size 320x200 --quality low --theme abstract --brand-color navy --variant card=160"
    result = shop.run("generate", "A house", "goals/7/house.webp", *options.split())
    assert result.exit_code == 0, result.stderr
    said = dict(line.split(":", 1) for line in result.stdout.splitlines())
    assert said["Picture"].strip() == "/pictures/goals/7/house.webp"
    assert said["Size"].strip().startswith("320 x 200 pixels, WEBP, ")
    assert said["Cost"].strip() == "$0.0336"
    assert said["Variants"].strip() == "card=160x100"
    assert max(map(len, result.stdout.splitlines())) <= 80
    with shop.media.open("goals/7/house.webp") as file, Image.open(file) as picture:
        assert (picture.size, picture.format) == ((320, 200), "WEBP")


def test_variants_of_the_config(make_shop: MakeShop) -> None:
    """Variants of the config are told of, also while they are not made."""
    shop = make_shop(MEDIA_VARIANTS={"card": 16, "icon": 8}, MEDIA_VARIANTS_WHEN="lazy")
    blueprint = FlaskMedia().create_blueprint(authorize=lambda request: None)
    shop.app.register_blueprint(blueprint, url_prefix="/media")
    said = shop.run("generate", "A house", "a.png").stdout
    assert said.endswith("Variants:  card=16x16 (later), icon=8x8 (later)\n")
    job = shop.lines("jobs")[0]["id"]
    assert "card=16x16 (later)" in shop.run("jobs", "show", job).stdout


def test_it_finds_a_key(shop: Shop, emulator: GeminiEmulator) -> None:
    """Without a key each picture gets one of its own; with an idempotency key always the same."""
    first, second = (shop.json("generate", "Être libre!")["object_key"] for _ in range(2))
    assert first.startswith("generated/etre-libre-")
    assert first != second
    again = [shop.json("generate", "A", "--idempotency-key", "order-7") for _ in range(2)]
    assert again[0]["object_key"] == again[1]["object_key"]
    assert [one["cached"] for one in again] == [False, True]
    assert emulator.calls == 3


def test_json(shop: Shop) -> None:
    """As JSON it is the result's own dict."""
    document = shop.json("generate", "A house", "house.png", "--spender", "ann")
    assert document["url"] == "/pictures/house.png"
    assert (document["width"], document["cost_usd"]) == (1024, "0.033612")
    assert shop.media.job(document["job_id"]).spender == "ann"


def test_output(shop: Shop, tmp_path: Path) -> None:
    """With --output the picture is a file of that format, and nothing is stored."""
    path = tmp_path / "house.jpg"
    result = shop.run("generate", "A house", "--output", path, "--size", "64x64")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"Picture:  {path}\n")
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("JPEG", (64, 64))
    assert stat.S_IMODE(path.stat().st_mode) & 0o044
    assert not (shop.folder / "instance" / "media").exists()
    assert [one.name for one in tmp_path.glob(".house*")] == []
    document = shop.json("generate", "A house", "--output", path)
    assert (document["output"], document["content_type"]) == (str(path), "image/jpeg")
    assert "data" not in document


def test_output_to_stdout(shop: Shop) -> None:
    """With --output - the picture's bytes are all that is printed."""
    result = shop.run("generate", "A house", "--output", "-")
    assert result.exit_code == 0, result.stderr
    with Image.open(io.BytesIO(result.stdout_bytes)) as picture:
        assert picture.size == (1024, 1024)


def test_output_that_can_not_be_written(shop: Shop, emulator: GeminiEmulator) -> None:
    """A file that can't be written costs nothing."""
    result = shop.run("generate", "A house", "--output", "/nowhere/house.png")
    assert (result.exit_code, emulator.calls) == (1, 0)
    assert result.stderr == "Error: /nowhere/house.png: No such file or directory\n"
    assert result.stderr.count("\n") == 1


def in_temporary_file(said: str) -> str:
    """The format of the picture in the file that the error names, which is deleted."""
    path = Path(said.rpartition("The picture is in ")[2].strip())
    with Image.open(path) as picture:
        kind = str(picture.format)
        picture.load()
    path.unlink()
    return kind


def test_a_stdout_that_takes_no_picture(shop: Shop, emulator: GeminiEmulator) -> None:
    """A picture that a full disk takes no more goes into a temporary file; a closed stdout is
    refused before anything is paid."""
    with Path("/dev/full").open("wb") as full:
        process = shop.start("generate", "A house", "--output", "-", stdout=full)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.startswith("Error: stdout could not be written: No space left on device. ")
    assert said.count("\n") == 1
    assert in_temporary_file(said) == "PNG"
    script = f"exec {sys.executable} -m flask --app shop media generate A --output - >&-"
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=shop.folder,
        env=shop.environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, emulator.calls) == (2, 1)
    assert "stdout is closed" in done.stderr


def test_a_file_that_takes_no_picture(shop: Shop, emulator: GeminiEmulator, tmp_path: Path) -> None:
    """A folder that goes while the picture is made costs no picture."""
    folder = tmp_path / "gone"
    folder.mkdir()
    emulator.handler(lambda ask: shutil.rmtree(folder, ignore_errors=True))
    result = shop.run("generate", "A house", "--output", folder / "house.webp")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {folder / 'house.webp'} could not be written: No such")
    assert in_temporary_file(result.stderr) == "WEBP"


def test_a_failure_leaves_no_file(shop: Shop, emulator: GeminiEmulator, tmp_path: Path) -> None:
    """A picture that is refused leaves the file of that name as it was."""
    path = tmp_path / "house.png"
    path.write_text("older")
    emulator.script("image-safety")
    assert shop.run("generate", "A house", "--output", path).exit_code == 1
    assert path.read_text() == "older"
    assert [one.name for one in tmp_path.iterdir() if "house" in one.name] == ["house.png"]


def test_open(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--open gives the desktop the file that was stored, or saved."""
    launcher, told = tmp_path / "bin" / "xdg-open", tmp_path / "told"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\necho "$1" > {told}\n')
    launcher.chmod(0o755)
    monkeypatch.setenv("PATH", f"{launcher.parent}{os.pathsep}{os.environ['PATH']}")
    os.mkfifo(told)
    saved = str(tmp_path / "b.png")
    stored = str(shop.folder / "instance" / "media" / "a.png")
    for path, line in ((stored, ["A", "a.png"]), (saved, ["A", "--output", saved])):
        process = shop.start("generate", *line, "--open")
        assert told.read_text().strip() == path  # waits until the desktop is told
        process.communicate(timeout=60)
        assert process.returncode == 0


def test_open_without_a_desktop(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no program opens files, that is one line, and the picture is there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    result = shop.run("generate", "A", "a.png", "--open")
    path = shop.folder / "instance" / "media" / "a.png"
    assert (result.exit_code, path.exists()) == (0, True)
    assert result.stderr == f"Nothing here can show it: open {path} elsewhere.\n"


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (["A", "../a.png"], 1, "object_key"),
        (["A", "a.png", "--size", "huge"], 1, "config.size is 'huge'"),
        (["A", "a.png", "--theme", "gothic"], 2, "'gothic' is not one of 'professional'"),
        (["A", "a.png", "--format", "webp"], 1, "config.format is 'webp'"),
        (["A", "a.png", "--variant", "card"], 1, "write NAME=WIDTH"),
        (["A", "a.png", "--variant", "a=10", "--variant", "a=20"], 1, "--variant names 'a' twice"),
        (["A", "a.png", "--output", "b.png"], 2, "leave out KEY"),
        (["A", "--output", "b.png", "--reuse"], 2, "leave out --reuse"),
        (["A", "--output", ""], 2, "--output is empty"),
        (["A", "--output", "-", "--json"], 2, "stdout has the picture"),
        (["A", "a.png", "--compression", "0"], 2, "--compression"),
        ([], 2, "Missing argument 'PROMPT'. See 'shop media generate --help'."),
    ],
)
def test_wrong_arguments(
    shop: Shop, emulator: GeminiEmulator, line: list[str], code: int, words: str
) -> None:
    """A wrong argument is one line that names it, and costs nothing."""
    result = shop.run("generate", *line)
    assert (result.exit_code, emulator.calls) == (code, 0), result.output
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_url_of_the_app(make_shop: MakeShop) -> None:
    """A picture that the blueprint serves is told by its path in the app."""
    shop = make_shop(MEDIA_FILES_URL="")
    blueprint = FlaskMedia().create_blueprint(authorize=lambda request: None)
    shop.app.register_blueprint(blueprint, url_prefix="/media")
    assert "/media/files/a.png" in shop.run("generate", "A", "a.png").stdout


def test_the_error_is_told_once(shop: Shop, emulator: GeminiEmulator) -> None:
    """A refusal is one line on stderr, in a process of its own too."""
    emulator.default_mode = "403"
    done = shop.end("generate", "A house", "house.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: gemini-nano-banana-2.1 refused the request (403).")
    assert done.stderr.count("\n") == 1
