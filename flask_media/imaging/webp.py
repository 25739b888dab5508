"""The outer shell of a WebP file: the chunks of its RIFF container."""

from __future__ import annotations

import struct
from collections.abc import Callable

from ..errors import InvalidImage
from ..options import ImageFormat
from .containers import MAX_PARTS
from .containers import Shell
from .containers import animated
from .containers import check_end
from .containers import check_pixels
from .containers import cut_off
from .containers import damaged


def walk_webp(data: bytes) -> Shell:
    """Follow the chunks of a WebP's RIFF container."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise cut_off(ImageFormat.WEBP)
    check_end(ImageFormat.WEBP, data, end)
    position, width, height, pictures = 12, 0, 0, 0
    for _ in range(MAX_PARTS):
        if position == end:
            break
        kind, length = struct.unpack_from("<4sI", data, position)
        body, position = position + 8, position + 8 + length + length % 2
        if position > end:
            raise _damage(f"chunk {kind.decode('ascii', 'replace')!r} is longer than the file")
        if kind in (b"ANIM", b"ANMF") or (kind == b"VP8X" and data[body] & 0x02):
            raise animated(ImageFormat.WEBP)
        size = WEBP_SIZES[kind](data, body) if kind in WEBP_SIZES else (0, 0)
        pictures += kind in (b"VP8 ", b"VP8L")
        if size != (0, 0):
            check_pixels(ImageFormat.WEBP, *size)
            width, height = max(width, size[0]), max(height, size[1])
    else:
        raise _damage(f"it has over {MAX_PARTS:,} chunks")
    if pictures != 1:
        raise _damage(f"it has {pictures} pictures")
    check_pixels(ImageFormat.WEBP, width, height)
    return Shell(ImageFormat.WEBP, width, height, end)


def _damage(what: str) -> InvalidImage:
    return damaged(ImageFormat.WEBP, what)


def _webp_lossy(data: bytes, body: int) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, body + 6)
    return width & 0x3FFF, height & 0x3FFF


def _webp_lossless(data: bytes, body: int) -> tuple[int, int]:
    (bits,) = struct.unpack_from("<I", data, body + 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _webp_canvas(data: bytes, body: int) -> tuple[int, int]:
    across, down = struct.unpack_from("<3s3s", data, body + 4)
    return int.from_bytes(across, "little") + 1, int.from_bytes(down, "little") + 1


WEBP_SIZES: dict[bytes, Callable[[bytes, int], tuple[int, int]]] = {
    b"VP8 ": _webp_lossy,
    b"VP8L": _webp_lossless,
    b"VP8X": _webp_canvas,
}
