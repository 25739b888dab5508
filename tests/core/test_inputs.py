"""Input that is checked before anything is paid: config, format, bytes."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage

from flask_media import ImageFormat
from flask_media import ImageGenerationConfig
from flask_media import InvalidRequest
from flask_media.inputs import MAX_INPUT_BYTES
from flask_media.inputs import check_config
from flask_media.inputs import read_bytes
from flask_media.inputs import target_format


def test_config() -> None:
    """A config is taken as it is, and None is the default one."""
    config = ImageGenerationConfig(size=(1, 1))
    assert check_config(config) is config
    assert check_config(None) == ImageGenerationConfig()


@pytest.mark.parametrize("config", [{}, {"size": "banner"}, "banner", 7, ImageGenerationConfig])
def test_config_of_another_type(config: object) -> None:
    """Another type is refused with the way to make a config of a dict."""
    with pytest.raises(InvalidRequest, match=r"config must be .* ImageGenerationConfig.from_dict"):
        check_config(config)


@pytest.mark.parametrize(
    ("key", "wanted", "target"),
    [
        ("a/house.png", None, ImageFormat.PNG),
        ("a/house.PNG", ImageFormat.PNG, ImageFormat.PNG),
        ("house.jpg", None, ImageFormat.JPEG),
        ("house.jpeg", ImageFormat.JPEG, ImageFormat.JPEG),
        ("house.v2.webp", None, ImageFormat.WEBP),
        ("house.avif", None, ImageFormat.AVIF),
        ("house", None, None),
        ("house", ImageFormat.AVIF, ImageFormat.AVIF),
        ("house.7", None, None),
        ("house.", None, None),
        ("a.png/house", None, None),
        ("png", ImageFormat.JPEG, ImageFormat.JPEG),
        (None, None, None),
        (None, ImageFormat.WEBP, ImageFormat.WEBP),
    ],
)
def test_target_format(
    key: str | None, wanted: ImageFormat | None, target: ImageFormat | None
) -> None:
    """The format is the config's, else the extension's, else left to the bytes."""
    assert target_format(key, wanted) is target


@pytest.mark.parametrize(
    "extension", [".gif", ".SVG", ".html", ".heic", ".tiff", ".json", ".gz", ".txt"]
)
@pytest.mark.parametrize("wanted", [None, ImageFormat.PNG])
def test_extension_of_something_else(extension: str, wanted: ImageFormat | None) -> None:
    """An extension that says another kind of file is refused, whatever the config says."""
    with pytest.raises(InvalidRequest, match=f"object_key ends in '\\{extension}', which is no"):
        target_format(f"a/house{extension}", wanted)


def test_key_and_config_disagree() -> None:
    """An extension and a format that disagree are refused with both."""
    with pytest.raises(InvalidRequest, match=r"ends in '.jpg', but config.format is 'png'"):
        target_format("house.jpg", ImageFormat.PNG)


def test_bytes_of_every_source() -> None:
    """Bytes, buffers, binary files and uploads are read whole."""
    for source in (
        b"data",
        bytearray(b"data"),
        memoryview(b"data"),
        memoryview(b"d-a-t-a")[::2],
        io.BytesIO(b"data"),
        FileStorage(io.BytesIO(b"data"), "house.png"),
    ):
        assert read_bytes("data", source) == b"data"


def test_a_pipe_is_read_to_its_end() -> None:
    """A raw file that gives a part at a time is read to its end."""
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as source:  # noqa: PTH123
        with open(writing, "wb", buffering=0) as sink:  # noqa: PTH123
            sink.write(b"first ")

        class Slow(io.RawIOBase):
            parts = (b"first ", b"second ", b"third", b"")

            def read(self, size: int = -1, /) -> bytes:
                part, *rest = self.parts
                self.parts = tuple(rest)  # type: ignore[assignment]
                return part

        assert read_bytes("data", source) == b"first "
        assert read_bytes("data", Slow()) == b"first second third"


@pytest.mark.parametrize("source", [None, "house.png", 7, ["a"], {"file": b""}, object()])
def test_no_source_of_bytes(source: Any) -> None:
    """What has no bytes is refused by argument and type."""
    with pytest.raises(InvalidRequest, match=f"^data must be bytes .* not {type(source).__name__}"):
        read_bytes("data", source)


@pytest.mark.parametrize("text", ["", "text"])
def test_a_text_file(text: str) -> None:
    """A file that is open as text is refused with the fix, an empty one too."""
    with pytest.raises(InvalidRequest, match=r"^reference_images\[0\] is open as text.*'rb'"):
        read_bytes("reference_images[0]", io.StringIO(text))


def test_no_bytes() -> None:
    """An empty source, as a file that was read already, is refused with the likely fix."""
    file = io.BytesIO(b"data")
    file.read()
    for source in (b"", bytearray(), file):
        with pytest.raises(InvalidRequest, match=r"^data has no bytes; .* seek\(0\)"):
            read_bytes("data", source)


def test_too_many_bytes() -> None:
    """More than 50 MB are refused, and of a file no more than that is read."""
    with pytest.raises(InvalidRequest, match="data is over 50,000,000 bytes"):
        read_bytes("data", bytes(MAX_INPUT_BYTES + 1))

    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1, /) -> bytes:
            self.given += min(size, 10_000_000)
            return bytes(min(size, 10_000_000))

    file = Endless()
    with pytest.raises(InvalidRequest, match="data is over 50,000,000 bytes"):
        read_bytes("data", file)
    assert file.given == MAX_INPUT_BYTES + 1
