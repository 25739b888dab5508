"""Real files made by Pillow, and parts to damage them with."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from io import BytesIO
from typing import Any

from PIL import Image

from flask_media.options import ImageFormat

ALL = tuple(ImageFormat)
AVIF_QUICK = {"speed": 10, "max_threads": 1}


@cache
def photo(width: int = 96, height: int = 64, mode: str = "RGB") -> Image.Image:
    """Something with detail, in that mode."""
    noise = Image.effect_noise((width // 4 or 1, height // 4 or 1), 70).resize((width, height))
    turned = noise.transpose(Image.Transpose.ROTATE_180)
    return Image.merge("RGB", (noise, turned, noise)).convert(mode)


def save(image: Image.Image, file_format: ImageFormat, **options: Any) -> bytes:
    """The picture as a file of that format."""
    if file_format is ImageFormat.AVIF:
        options = AVIF_QUICK | options
    file = BytesIO()
    image.save(file, file_format.name, **options)
    return file.getvalue()


@cache
def sample(file_format: ImageFormat, width: int = 96, height: int = 64) -> bytes:
    """A good file of that format."""
    return save(photo(width, height), file_format)


def load(data: bytes) -> Image.Image:
    """What Pillow makes of a file."""
    image = Image.open(BytesIO(data))
    image.load()
    return image


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    """A PNG chunk with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int, height: int, *rest: int) -> bytes:
    """A PNG header chunk."""
    return chunk(b"IHDR", struct.pack(">II5B", width, height, *(rest or (8, 2, 0, 0, 0))))


def png(*chunks: bytes) -> bytes:
    """A PNG of these chunks."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG segment."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks."""
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for kind, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def box(kind: bytes, *content: bytes) -> bytes:
    """An ISO box."""
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def exif(orientation: int, order: str = "<") -> bytes:
    """An EXIF block with a note and an orientation."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    other = struct.pack(order + "HHII", 0x010F, 2, 4, 0)
    return b"Exif\0\0" + start + struct.pack(order + "IH", 8, 2) + other + entry + bytes(4)
