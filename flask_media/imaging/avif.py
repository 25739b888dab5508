"""The outer shell of an AVIF file, and the size that its AV1 data really has.

The size in the container (``ispe``) need not be the one in the AV1 stream, and the decoder
allocates for the latter: a file of 2 kB that says 64 x 64 can take half a gigabyte. So both are
read. Boxes: ISO/IEC 14496-12 and 23008-12; the sequence header: AV1 specification, 5.5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ..errors import InvalidImage
from ..options import ImageFormat
from .containers import MAX_PARTS
from .containers import Shell
from .containers import animated
from .containers import check_pixels
from .containers import cut_off
from .containers import damaged

MAX_META_BYTES = 1_000_000
"""Largest ``meta`` box; that of a still picture has some hundred bytes."""

TOP_LEVEL = (b"ftyp", b"meta", b"mdat", b"free", b"skip", b"uuid", b"jumb")
"""Boxes that a still picture has; the last two hold C2PA manifests, and no decoder reads them."""
Box = tuple[bytes, int, int]
"""Kind, start of the content and end of the content."""
Spans = tuple[tuple[int, int], ...]
"""Parts of the file, each from its first byte to the one after its last."""


def walk_avif(data: bytes) -> Shell:
    """Read the boxes of an AVIF to the file's end, and the size of all that it can decode to."""
    end = len(data.rstrip(b"\0"))
    parts: dict[bytes, tuple[int, int]] = {}
    for kind, start, stop in _boxes(data, 0, len(data), stop_at=end):
        if kind == b"moov":
            raise animated(ImageFormat.AVIF)
        if kind not in TOP_LEVEL or (kind == b"meta" and kind in parts):
            raise _damage(f"box {kind.decode('ascii', 'replace')!r} stands where none may")
        parts[kind] = start, stop
        end = max(end, stop)
    if b"meta" not in parts or b"mdat" not in parts:
        raise cut_off(ImageFormat.AVIF)
    meta, stop = parts[b"meta"]
    if stop - meta > MAX_META_BYTES:
        raise _damage("its description is too long")
    width, height, exif = _read_meta(data, meta, stop)
    return Shell(ImageFormat.AVIF, width, height, end, dropped=exif, filler=b"free")


def top_boxes(data: bytes) -> Iterator[Box]:
    """The boxes of a file; zero bytes may follow them."""
    return _boxes(data, 0, len(data), stop_at=len(data.rstrip(b"\0")))


def described_as(data: bytes, start: int, stop: int, media_type: bytes) -> Iterator[Spans]:
    """Where the items of a ``meta`` box are that say that they are of that type."""
    boxes = _parts(data, start, stop)
    entries = _entries(data, *boxes[b"iinf"])
    named = {
        item
        for item, kind, (_, at), last in entries
        if kind == b"mime" and media_type in data[at:last].split(b"\0")
    }
    for item, spans in _locations(data, boxes[b"iloc"][0], boxes.get(b"idat", (0, 0))[0]):
        if item in named:
            yield tuple(spans)


def _damage(what: str) -> InvalidImage:
    return damaged(ImageFormat.AVIF, what)


def _boxes(data: bytes, position: int, stop: int, *, stop_at: int | None = None) -> Iterator[Box]:
    """The boxes one after the other; ``stop_at`` allows zero bytes from there on."""
    for _ in range(MAX_PARTS):
        if position >= (stop if stop_at is None else stop_at):
            return
        size, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        following = stop if size == 0 and kind == b"mdat" else position + size
        if following > stop:
            raise cut_off(ImageFormat.AVIF)
        if following < start:
            raise _damage(f"box {kind.decode('ascii', 'replace')!r} has no room for itself")
        yield kind, start, following
        position = following
    raise _damage(f"it has over {MAX_PARTS:,} boxes")


def _read_meta(data: bytes, start: int, stop: int) -> tuple[int, int, Spans]:
    """The largest width and height, and where an item is declared to be EXIF.

    The rotation of an AVIF is a property of its own (``irot``), which EXIF may only repeat.
    """
    boxes = _parts(data, start, stop)
    sizes = _declared_sizes(data, *boxes[b"iprp"])
    coded, exif = _coded_items(data, *boxes[b"iinf"])
    origin = boxes.get(b"idat", (0, 0))[0]
    budget = len(data)
    for item, spans in _locations(data, boxes[b"iloc"][0], origin):
        if item in coded:
            budget -= sum(length for _, length in spans)
            if budget < 0:
                raise _damage("its parts overlap")
            sizes.extend(_sequence_sizes(b"".join(data[at : at + size] for at, size in spans)))
    for size in sizes:
        check_pixels(ImageFormat.AVIF, *size)
    if not sizes:
        raise _damage("it says no size")
    return max(width for width, _ in sizes), max(height for _, height in sizes), exif


def _parts(data: bytes, start: int, stop: int) -> dict[bytes, tuple[int, int]]:
    """Start and end of the content of each box in a ``meta`` box."""
    boxes = {kind: (first, last) for kind, first, last in _boxes(data, start + 4, stop)}
    if not {b"iloc", b"iinf", b"iprp"} <= boxes.keys():
        raise _damage("its description is not whole")
    return boxes


def _declared_sizes(data: bytes, start: int, stop: int) -> list[tuple[int, int]]:
    """Every width and height among the properties."""
    return [
        struct.unpack_from(">II", data, begin + 4)
        for kind, first, last in _boxes(data, start, stop)
        if kind == b"ipco"
        for inner, begin, _ in _boxes(data, first, last)
        if inner == b"ispe"
    ]


def _coded_items(data: bytes, start: int, stop: int) -> tuple[set[int], Spans]:
    """The ids of the items that are AV1 data, and the spans that say ``Exif``."""
    entries = list(_entries(data, start, stop))
    coded = {item for item, kind, _, _ in entries if kind == b"av01"}
    return coded, tuple(span for _, kind, span, _ in entries if kind == b"Exif")


def _entries(
    data: bytes, start: int, stop: int
) -> Iterator[tuple[int, bytes, tuple[int, int], int]]:
    """Each item's id and kind, where that stands, and where its entry ends."""
    head = 6 if data[start] == 0 else 8
    for kind, first, last in _boxes(data, start + head, stop):
        if kind == b"infe" and data[first] >= 2:
            wide = data[first] > 2
            (item,) = struct.unpack_from(">I" if wide else ">H", data, first + 4)
            at = first + (10 if wide else 8)
            yield item, data[at : at + 4], (at, at + 4), last


def _locations(data: bytes, start: int, origin: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Each item's id and spans (offset, bytes). ``origin`` is where ``idat`` begins."""
    position = start + 6
    version, widths, more = data[start], data[start + 4], data[start + 5]
    offset_width, length_width, base_width = widths >> 4, widths & 15, more >> 4
    index_width = more & 15 if version else 0

    def number(width: int) -> int:
        nonlocal position
        position += width
        if position > len(data):
            raise cut_off(ImageFormat.AVIF)
        return int.from_bytes(data[position - width : position])

    left = MAX_PARTS
    for _ in range(number(2 if version < 2 else 4)):
        item = number(2 if version < 2 else 4)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_width) + (origin if method == 1 else 0)
        spans = []
        count = number(2)
        left -= 1 + count
        if left < 0:
            raise _damage(f"it has over {MAX_PARTS:,} parts")
        for _ in range(count):
            number(index_width)
            offset = base + number(offset_width)
            spans.append((offset, number(length_width) or len(data) - offset))
        if method > 1 or any(at + size > len(data) for at, size in spans):
            raise _damage("its picture data lies outside of it")
        yield item, spans


def _sequence_sizes(stream: bytes) -> Iterator[tuple[int, int]]:
    """Width and height of every sequence header in an AV1 stream."""
    position = 0
    for _ in range(MAX_PARTS):
        if position >= len(stream):
            return
        header = stream[position]
        position += 2 if header & 0x04 else 1
        size = len(stream) - position
        if header & 0x02:
            size = 0
            for shift in range(0, 56, 7):
                size |= (stream[position] & 0x7F) << shift
                position += 1
                if stream[position - 1] < 0x80:
                    break
        if header >> 3 & 15 == 1:
            yield _sequence_size(stream[position : position + min(size, 64)])
        position += size
    raise _damage(f"it has over {MAX_PARTS:,} parts")


def _sequence_size(header: bytes) -> tuple[int, int]:
    bits, left = int.from_bytes(header), 8 * len(header)

    def take(count: int) -> int:
        nonlocal left
        left -= count
        if left < 0:
            raise cut_off(ImageFormat.AVIF)
        return bits >> left & ((1 << count) - 1)

    take(4)  # profile, still picture
    if take(1):  # reduced header
        take(5)
    else:
        if take(1):
            raise _damage("it is timed like a video")
        delayed = take(1)
        for _ in range(take(5) + 1):
            take(12)
            if take(5) > 7:
                take(1)
            if delayed and take(1):
                take(4)
    across, down = take(4) + 1, take(4) + 1
    return take(across) + 1, take(down) + 1
