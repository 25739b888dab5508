"""The outer shell of a JPEG file: from marker to marker to its end."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from ..errors import InvalidImage
from ..options import ImageFormat
from .containers import MAX_PARTS
from .containers import Shell
from .containers import check_end
from .containers import check_pixels
from .containers import cut_off
from .containers import damaged

MAX_SCANS = 64
"""Most scans: an encoder writes 10 or so, and each costs the decoder a pass over all pixels."""

SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The first marker in entropy-coded data that is neither stuffing nor a restart."""

START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
START_OF_SCAN, COMMENT, END = 0xDA, 0xFE, 0xD9
APP2 = 0xE2
EXIF, MULTI_PICTURE = b"Exif\0\0", {b"MPF\0II", b"MPF\0MM"}
"""How segments begin that matter here."""

KEPT_APPS = (0xE0, 0xE2, 0xEE)
"""JFIF, ICC profile and Adobe's colour transform: all that decoding needs of APPn."""


def walk_jpeg(data: bytes) -> Shell:
    """Follow a JPEG to its end: one frame, a bounded number of scans, nothing behind it."""
    width, height, scans, end = 0, 0, 0, 0
    names: dict[bytes, tuple[int, int]] = {}
    dropped = []
    for marker, start, stop in _segments(data):
        if marker in START_OF_FRAME:
            if width:
                raise _damage("it has two frames")
            height, width = struct.unpack_from(">HH", data, start + 5)
            check_pixels(ImageFormat.JPEG, width, height)
        elif marker == START_OF_SCAN:
            scans += 1
            if not width or scans > MAX_SCANS:
                raise _damage(f"it has no header, or more than {MAX_SCANS} scans")
        elif marker == COMMENT or 0xE0 <= marker <= 0xEF:
            name = data[start + 4 : start + 10]
            names.setdefault(name, (start + 10, stop))
            if marker not in KEPT_APPS or (marker == APP2 and name != b"ICC_PR"):
                dropped.append((start, stop))
        end = stop
    if not scans:
        raise _damage("it has no picture data")
    if not MULTI_PICTURE & names.keys() or not data.startswith(b"\xff\xd8\xff", end):
        check_end(ImageFormat.JPEG, data, end)
    exif = slice(*names.get(EXIF, (0, 0)))
    return Shell(ImageFormat.JPEG, width, height, end, data[exif], tuple(dropped))


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment up to the end marker; a scan has its data in it."""
    position = 2
    for _ in range(MAX_PARTS):
        start, marker = position, data[position + 1]
        if data[start] != 0xFF:
            raise _damage(f"there is no marker at byte {start:,}")
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == END:
            yield marker, start, start + 2
            return
        length = int.from_bytes(data[start + 2 : start + 4])
        position = start + 2 + length
        if position >= len(data):
            raise cut_off(ImageFormat.JPEG)
        if marker < 0xC0 or 0xD0 <= marker <= 0xD8 or length < 2:
            raise _damage(f"marker {marker:02X} stands where none may")
        if marker == START_OF_SCAN:
            found = SCAN_END.search(data, position)
            if found is None:
                raise cut_off(ImageFormat.JPEG)
            position = found.start()
        yield marker, start, position
    raise _damage(f"it has over {MAX_PARTS:,} segments")


def _damage(what: str) -> InvalidImage:
    return damaged(ImageFormat.JPEG, what)
