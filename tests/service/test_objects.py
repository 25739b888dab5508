"""upload() and what is done with stored objects."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from flask import Flask
from PIL import Image
from werkzeug.datastructures import FileStorage

from flask_media import InvalidImage
from flask_media import InvalidRequest
from flask_media import NotFound
from flask_media import current_media
from flask_media.emulator import GeminiEmulator

from .conftest import Heard


def _picture(image_format: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, image_format)
    return file.getvalue()


@pytest.mark.parametrize("source", ["bytes", "bytearray", "memoryview", "file", "path", "form"])
def test_upload_takes_bytes_and_files(app: Flask, tmp_path: Path, source: str) -> None:
    """Bytes and binary files are stored untouched if the key agrees; a form's from its pixels."""
    data = _picture()
    (tmp_path / "a.png").write_bytes(data)
    with (tmp_path / "a.png").open("rb") as opened:
        sources = {
            "bytes": data,
            "bytearray": bytearray(data),
            "memoryview": memoryview(data),
            "file": io.BytesIO(data),
            "path": opened,
            "form": FileStorage(io.BytesIO(data), "../../evil.php", content_type="text/html"),
        }
        result = current_media.upload(sources[source], "up/a.png", {"by": "Zoë"})  # type: ignore[arg-type]
    assert (result.width, result.height, result.content_type) == (40, 30, "image/png")
    assert (result.prompt, result.model, result.attempts) == (None, None, 0)
    assert current_media.stat("up/a.png").metadata == {"by": "Zoë"}
    with current_media.open("up/a.png") as file:
        assert (file.read() == data) is (source != "form")


def test_upload_refuses_a_wrong_flag(app: Flask) -> None:
    """What is neither True nor False is no answer to whether a file is encoded anew."""
    with pytest.raises(InvalidRequest, match="reencode is 'no'"):
        current_media.upload(_picture(), "a.png", reencode="no")  # type: ignore[arg-type]
    assert not current_media.exists("a.png")


def test_upload_encodes_as_the_key_says(app: Flask) -> None:
    """A JPEG under a .webp key becomes WebP."""
    result = current_media.upload(_picture("JPEG"), "a.webp")
    with current_media.open("a.webp") as file:
        assert file.read()[8:12] == b"WEBP"
    assert result.content_type == "image/webp"


def test_upload_signals(app: Flask, heard: Heard, emulator: GeminiEmulator) -> None:
    """An upload tells of itself, generates nothing and has no prompt."""
    current_media.upload(_picture(), "a.png")
    assert heard.names == ["upload_started", "upload_finished"]
    assert heard.values("upload_started")["prompt"] is None
    assert emulator.calls == 0


@pytest.mark.parametrize("data", [b"<html>", b"GIF89a...", b"\x89PNG\r\n\x1a\n"])
def test_upload_refuses_what_is_no_picture(app: Flask, data: bytes) -> None:
    """Bytes that are no picture of ours are InvalidImage and are not stored."""
    with pytest.raises(InvalidImage):
        current_media.upload(data, "a.png")
    assert not current_media.exists("a.png")


def test_upload_of_a_read_file_is_refused(app: Flask) -> None:
    """A file at its end would store 0 bytes; the error says so."""
    file = io.BytesIO(_picture())
    file.read()
    with pytest.raises(InvalidRequest, match="seek"):
        current_media.upload(file, "a.png")


def test_objects(app: Flask) -> None:
    """exists, stat, open and delete agree with each other."""
    assert not current_media.exists("a.png")
    with pytest.raises(NotFound):
        current_media.open("a.png")
    with pytest.raises(NotFound):
        current_media.stat("a.png")
    current_media.upload(_picture(), "a.png")
    assert current_media.exists("a.png")
    current_media.delete("a.png")
    current_media.delete("a.png")
    assert not current_media.exists("a.png")


@pytest.mark.parametrize("method", ["url", "open", "exists", "stat", "delete"])
def test_keys_are_checked_everywhere(app: Flask, method: str) -> None:
    """No method takes a key that leaves the storage."""
    with pytest.raises(InvalidRequest, match="object_key"):
        getattr(current_media, method)("../x")
