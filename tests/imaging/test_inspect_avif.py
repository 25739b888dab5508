"""Verification of AVIF: boxes, declared sizes and the size that the AV1 data has."""

from __future__ import annotations

import re
import struct

import pytest

from flask_media.imaging import inspect
from flask_media.imaging.inspect import read_shell
from flask_media.options import ImageFormat

from .files import box
from .files import exif
from .files import photo
from .files import sample
from .files import save
from .test_inspect import refusal

AVIF = sample(ImageFormat.AVIF)
META = AVIF.index(b"meta") - 4
MDAT = AVIF.index(b"mdat") - 4
FTYP = AVIF[:META]


def described(*boxes: bytes, body: bytes = bytes(64)) -> bytes:
    """An AVIF with this description."""
    return FTYP + box(b"meta", bytes(4), *boxes) + box(b"mdat", body)


def located(version: int, *items: bytes, widths: bytes = b"\x44\x00") -> bytes:
    """A location box."""
    count = struct.pack(">I" if version == 2 else ">H", len(items))
    return box(b"iloc", bytes([version, 0, 0, 0]), widths, count, *items)


INFE = box(b"infe", b"\2\0\0\0\0\1\0\0av01")
IINF = box(b"iinf", bytes(4), b"\0\1", INFE)
IINF_WIDE = box(b"iinf", b"\1\0\0\0\0\0\0\1", box(b"infe", b"\3\0\0\0\0\0\0\1\0\0av01"))
IPRP = box(b"iprp", box(b"ipco", box(b"ispe", struct.pack(">III", 0, 64, 64))))
WHOLE = struct.pack(">HHHII", 1, 0, 1, 0, 0)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (FTYP + box(b"moov"), "animated"),
        (FTYP + AVIF[MDAT:], "cut off"),
        (AVIF[:MDAT] + AVIF[META:], "'meta'"),
        (AVIF[:MDAT] + box(b"evil") + AVIF[MDAT:], "'evil'"),
        (FTYP + b"\0\0\0\4meta" + AVIF[MDAT:], "no room"),
        (FTYP + box(b"free") * 100_001, "100,000 boxes"),
        (FTYP + box(b"meta", bytes(1_000_001)) + AVIF[MDAT:], "too long"),
        (described(), "not whole"),
        (described(located(0), IINF, box(b"iprp")), "no size"),
        (described(located(0, struct.pack(">HHHII", 1, 0, 1, 9999, 9)), IINF, IPRP), "outside"),
        (described(located(1, struct.pack(">HHHHII", 1, 2, 0, 1, 0, 9)), IINF, IPRP), "outside"),
        (described(located(0, WHOLE, WHOLE), IINF, IPRP), "overlap"),
        (described(located(1, struct.pack(">HHHH", 1, 0, 0, 65_535) * 2), IINF, IPRP), "cut off"),
        (
            described(
                located(0, *[struct.pack(">HHH", 2, 0, 65_535)] * 2, widths=b"\0\0"), IINF, IPRP
            ),
            "parts",
        ),
        (described(located(0, b"\0"), IINF, IPRP), "damaged|cut off|outside"),
        (described(located(2, b"\0\0\0\1\0\0\0\0\0\1" + bytes(8)), IINF_WIDE, IPRP), "damaged"),
    ],
)
def test_avif_structure(data: bytes, said: str) -> None:
    """An AVIF whose boxes make no sense is refused."""
    assert re.search(said, refusal(data))


def test_avif_large_and_endless_boxes() -> None:
    """A 64-bit box size, and one that means 'to the end', are read."""
    body = AVIF[MDAT + 8 :]
    endless = AVIF[:MDAT] + b"\0\0\0\0mdat" + body
    assert inspect(endless).width == 96
    offset = AVIF.index(b"iloc") + 4 + 4 + 2 + 2 + 2 + 2 + 2
    (start,) = struct.unpack_from(">I", AVIF, offset)
    assert start == MDAT + 8
    moved = AVIF[:offset] + struct.pack(">I", start + 8) + AVIF[offset + 4 : MDAT]
    long = moved + b"\0\0\0\1mdat" + struct.pack(">Q", len(body) + 16) + body
    assert inspect(long).width == 96


def stream(*bits: tuple[int, int], obu: int = 0x0A, more: bytes = b"") -> bytes:
    """An AVIF whose AV1 stream is a sequence header of these (value, bits)."""
    number = count = 0
    for value, width in bits:
        number, count = number << width | value, count + width
    length = (count + 7) // 8
    content = (number << (8 * length - count)).to_bytes(length)
    size = bytes([length]) if obu & 2 else b""
    data = bytes([obu]) + (b"\0" if obu & 4 else b"") + size + content + more
    start = len(described(located(0, WHOLE), IINF, IPRP)) - 64
    item = struct.pack(">HHHII", 1, 0, 1, start, len(data))
    return described(located(0, item), IINF, IPRP, body=data)


SIZES = ((15, 4), (15, 4), (65_535, 16), (65_535, 16))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (stream((0, 4), (1, 1), (0, 5), *SIZES), "65536 x 65536"),
        (stream((0, 4), (1, 1), (0, 5), *SIZES, obu=0x08), "65536 x 65536"),
        (stream((0, 4), (1, 1), (0, 5), *SIZES, obu=0x0E), "65536 x 65536"),
        (stream((0, 4), (0, 1), (0, 2), (0, 5), (0, 12), (0, 5), *SIZES), "65536 x 65536"),
        (
            stream((0, 4), (0, 1), (1, 2), (0, 5), (0, 12), (9, 5), (0, 1), (1, 1), (0, 4), *SIZES),
            "65536 x 65536",
        ),
        (stream((0, 4), (0, 1), (1, 1)), "video"),
        (stream(obu=0x12, more=b"\x12\0" * 100_001), "parts"),
        (stream((0, 4), (1, 1), (0, 5), (15, 4)), "cut off"),
    ],
)
def test_avif_sequence_header(data: bytes, said: str) -> None:
    """The size in the AV1 stream counts, however its header is written."""
    assert said in refusal(data)


def test_avif_exif_is_not_parsed() -> None:
    """Broken EXIF of an AVIF makes no warning: the decoder is not shown it."""
    data = save(photo(), ImageFormat.AVIF, exif=exif(1))
    place = data.index(b"II*\0")
    broken = data[: place + 8] + b"\xff\xff" + data[place + 10 :]
    assert inspect(broken).width == 96
    assert b"infe" in read_shell(broken).decodable(broken)
