"""Where a verified file keeps what it says of itself: C2PA's JUMBF blocks and XMP.

The containers alone are read, in a few microseconds a part: no checksum, no pixel.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from typing import NamedTuple

from ..errors import InvalidImage
from ..options import ImageFormat
from .avif import described_as
from .avif import top_boxes
from .containers import MAX_PARTS
from .png import MAGIC

MAX_XMP_BYTES = 1_000_000
"""Longest XMP packet that is read, unpacked."""

XMP_TYPE = b"application/rdf+xml"
XMP_KEYWORD = b"XML:com.adobe.xmp\0"
XMP_APP1 = b"http://ns.adobe.com/xap/1.0/\0"
C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


class Blocks(NamedTuple):
    """What was found, in its order."""

    jumbf: list[bytes]
    """Blocks that may be C2PA's."""
    xmp: list[bytes]
    """XMP packets."""


def find_blocks(data: bytes, file_format: ImageFormat) -> Blocks:
    """Find them; a file that is damaged somewhere gives what comes before.

    :param data: a file of that format.
    """
    found = Blocks([], [])
    with contextlib.suppress(InvalidImage, ValueError, IndexError, struct.error, zlib.error):
        FINDERS[file_format](data, found)
    return found


def _in_png(data: bytes, found: Blocks) -> None:
    position, read = len(MAGIC), struct.Struct(">I4s").unpack_from
    for _ in range(MAX_PARTS):
        length, kind = read(data, position)
        if kind in (b"caBX", b"iTXt"):
            body = data[position + 8 : position + 8 + length]
            if kind == b"caBX" and len(body) == length:
                found.jumbf.append(body)
            elif body.startswith(XMP_KEYWORD):
                found.xmp.append(_text(body[len(XMP_KEYWORD) :]))
        position += 12 + length
        if kind == b"IEND":
            return


def _text(body: bytes) -> bytes:
    """The text of an iTXt chunk, from behind its keyword."""
    is_packed, text = body[0], body[2:].split(b"\0", 2)[2]
    return zlib.decompressobj().decompress(text, MAX_XMP_BYTES + 1) if is_packed else text


def _in_jpeg(data: bytes, found: Blocks) -> None:
    """Segments before the first scan; a block in several (B.1 of ISO/IEC 19566-5) is joined."""
    parts: dict[bytes, list[tuple[int, bytes]]] = {}
    position = 2
    for _ in range(MAX_PARTS):
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        length = int.from_bytes(data[position + 2 : position + 4])
        if marker in (0xDA, 0xD9) or data[position] != 0xFF or length < 2:
            break
        if marker in (0xE1, 0xEB):
            body = data[position + 4 : position + 2 + length]
            if marker == 0xE1 and body.startswith(XMP_APP1):
                found.xmp.append(body[len(XMP_APP1) :])
            elif marker == 0xEB and body.startswith(b"JP"):
                number, sequence = struct.unpack_from(">2sI", body, 2)
                parts.setdefault(number, []).append((sequence, body[8:]))
        position += 2 + length
    for pieces in parts.values():
        found.jumbf.extend(_joined(pieces))


def _joined(pieces: list[tuple[int, bytes]]) -> list[bytes]:
    """The block of these segments; none if one is missing. Each repeats the head of the box."""
    if [sequence for sequence, _ in pieces] != list(range(1, len(pieces) + 1)):
        return []
    first = pieces[0][1]
    head = first[: 16 if first.startswith(b"\0\0\0\1") else 8]
    if any(not body.startswith(head) for _, body in pieces):
        return []
    return [head + b"".join(body[len(head) :] for _, body in pieces)]


def _in_webp(data: bytes, found: Blocks) -> None:
    position = 12
    for _ in range(MAX_PARTS):
        kind, length = struct.unpack_from("<4sI", data, position)
        body = data[position + 8 : position + 8 + length] if kind in (b"C2PA", b"XMP ") else b""
        if kind == b"C2PA" and len(body) == length:
            found.jumbf.append(body)
        elif kind == b"XMP ":
            found.xmp.append(body)
        position += 8 + length + length % 2


def _in_avif(data: bytes, found: Blocks) -> None:
    for kind, start, stop in top_boxes(data):
        if kind == b"jumb":
            found.jumbf.append(struct.pack(">I4s", 8 + stop - start, kind) + data[start:stop])
        elif kind == b"uuid" and data.startswith(C2PA_UUID, start):
            # Behind version and flags: what for, and where an auxiliary box would be.
            purpose, _, rest = data[start + 20 : stop].partition(b"\0")
            if purpose == b"manifest":
                found.jumbf.append(rest[8:])
        elif kind == b"meta":
            for spans in described_as(data, start, stop, XMP_TYPE):
                if sum(size for _, size in spans) <= MAX_XMP_BYTES:
                    found.xmp.append(b"".join(data[at : at + size] for at, size in spans))


FINDERS = {
    ImageFormat.PNG: _in_png,
    ImageFormat.JPEG: _in_jpeg,
    ImageFormat.WEBP: _in_webp,
    ImageFormat.AVIF: _in_avif,
}
