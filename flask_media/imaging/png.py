"""The outer shell of a PNG file: its chunks and their checksums."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from ..errors import InvalidImage
from ..options import ImageFormat
from .containers import MAX_PARTS
from .containers import Shell
from .containers import animated
from .containers import check_end
from .containers import check_pixels
from .containers import cut_off
from .containers import damaged

MAGIC = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""By colour type."""

DEFLATE_MAX_RATIO = 1032
"""What deflate can shrink at most, by its design: 258 bytes in 2 bits."""


def walk_png(data: bytes) -> Shell:
    """Check every chunk of a PNG by its CRC, and that the picture data can be whole."""
    chunks = _chunks(data)
    kind, body, stop = next(chunks)
    if kind != b"IHDR" or stop - body != 13:
        raise _damage("it does not begin with a header")
    width, height, least = _header(data[body:stop])
    found, last = 0, b""
    for kind, body, stop in chunks:
        if kind == b"IDAT":
            if found and last != b"IDAT":
                raise _damage("its picture data is not in one piece")
            found += stop - body
        elif kind == b"acTL":
            raise animated(ImageFormat.PNG)
        elif kind[0] < ord("a") and kind not in (b"PLTE", b"IEND"):
            raise _damage(f"chunk {_name(kind)} is none of PNG's, or stands where it may not")
        last = kind
    # Deflate can't hold more than this: a file that stops early with all its checksums right is
    # found the more surely, the earlier it stops.
    if found * DEFLATE_MAX_RATIO < least:
        raise cut_off(ImageFormat.PNG)
    return Shell(ImageFormat.PNG, width, height, stop + 4)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each chunk up to IEND, which ends the file."""
    view, position = memoryview(data), len(MAGIC)
    for _ in range(MAX_PARTS):
        length, kind = struct.unpack_from(">I4s", data, position)
        body, stop = position + 8, position + 8 + length
        position = stop + 4
        if position > len(data):
            raise cut_off(ImageFormat.PNG)
        if zlib.crc32(view[body - 4 : stop]) != int.from_bytes(view[stop:position]):
            raise _damage(f"the checksum of chunk {_name(kind)} is wrong")
        yield kind, body, stop
        if kind == b"IEND":
            check_end(ImageFormat.PNG, data, position)
            return
    raise _damage(f"it has over {MAX_PARTS:,} chunks")


def _header(header: bytes) -> tuple[int, int, int]:
    """Width, height and the fewest bytes that the picture data can unpack to."""
    width, height, depth, color, packing, filtering, interlace = struct.unpack(">IIBBBBB", header)
    if depth not in DEPTHS.get(color, ()) or packing or filtering or interlace > 1:
        raise _damage("its header says what no PNG is")
    check_pixels(ImageFormat.PNG, width, height)
    return width, height, width * height * depth * CHANNELS[color] // 8


def _name(kind: bytes) -> str:
    return repr(kind.decode("ascii", "replace"))


def _damage(what: str) -> InvalidImage:
    return damaged(ImageFormat.PNG, what)
