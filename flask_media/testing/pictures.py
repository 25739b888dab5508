"""Real pictures, drawn in no time."""

from __future__ import annotations

import functools
import hashlib
import struct
import zlib

BANDS = 16
"""Upright bands of a picture, from one colour to another."""

COLORS = (
    ((18, 53, 91), (209, 166, 121)),
    ((58, 28, 74), (208, 140, 96)),
    ((15, 76, 58), (207, 181, 106)),
    ((29, 43, 83), (200, 139, 168)),
    ((91, 35, 51), (207, 174, 110)),
    ((35, 57, 91), (184, 197, 185)),
    ((45, 30, 79), (89, 165, 160)),
    ((51, 61, 41), (194, 168, 120)),
)


def draw_picture(width: int = 1024, height: int = 1024, text: str = "") -> bytes:
    """A whole PNG of upright bands, whose colours depend on the text.

    The same arguments give the same bytes, another text gives others. The first one of a size
    takes some milliseconds, the next ones almost nothing. Needs no Pillow.

    :param width: pixels across.
    :param height: pixels down.
    :param text: written into the file, not upon the picture.
    """
    seed = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    head, body, end = _pieces(width, height, int(seed[:8], 16) % len(COLORS))
    # What tells two pictures of the same colours apart is a comment that decoders skip.
    return head + _chunk(b"tEXt", b"Comment\0flask_media.testing " + seed.encode()) + body + end


@functools.lru_cache(maxsize=32)
def _pieces(width: int, height: int, number: int) -> tuple[bytes, bytes, bytes]:
    start, stop = COLORS[number]
    row = bytearray([0])  # no filter
    for x in range(width):
        part = x * BANDS // width / (BANDS - 1)
        row += bytes(round(a + (b - a) * part) for a, b in zip(start, stop, strict=True))
    packer = zlib.compressobj(1)
    # All other rows say "as the one above": nothing packs faster than zeros.
    packed = packer.compress(bytes(row))
    packed += packer.compress((b"\2" + bytes(3 * width)) * (height - 1)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header),
        _chunk(b"IDAT", packed),
        _chunk(b"IEND", b""),
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def damage(data: bytes, how: str) -> bytes:
    """A picture file spoilt in one of the ways of :data:`DAMAGES`."""
    if how == "truncated":
        return data[: len(data) // 2]
    if how == "too-large":
        header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
        return data[:8] + _chunk(b"IHDR", header) + data[33:]
    return b"<html><title>502 Bad Gateway</title></html>"


DAMAGES = ("truncated", "too-large", "not-a-picture")
"""Cut in half; said to be 60,000 pixels wide and high; something else altogether."""
