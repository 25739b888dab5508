"""Where a picture says that it comes from, checked against the official C2PA library."""

from __future__ import annotations

import random
import struct
import time
from io import BytesIO

import pytest
from PIL import Image

from flask_media.imaging import blocks
from flask_media.imaging import inspect
from flask_media.imaging import provenance
from flask_media.imaging import render
from flask_media.imaging.marks import GENERATED
from flask_media.options import ImageFormat
from flask_media.types import Provenance
from flask_media.values import Picture

from .files import ALL
from .files import box
from .files import chunk
from .files import riff
from .files import sample
from .files import segment
from .signed import GENERATOR
from .signed import official
from .signed import signed

UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def said(data: bytes, file_format: ImageFormat) -> Provenance:
    """What a file says of itself, stored as it came; good or not."""
    picture = Picture(data=data, format=file_format, width=96, height=64)
    return provenance(picture, picture)


def manifest(data: bytes, file_format: ImageFormat = ImageFormat.PNG) -> bytes:
    """The manifest store of a signed file."""
    [found] = blocks.find_blocks(data, file_format).jumbf
    return found


def with_manifest(file_format: ImageFormat, *stores: bytes) -> bytes:
    """A good file with these manifest stores put in by hand."""
    good = sample(file_format)
    if file_format is ImageFormat.PNG:
        return good[:33] + b"".join(chunk(b"caBX", store) for store in stores) + good[33:]
    if file_format is ImageFormat.JPEG:
        parts = b"".join(
            segment(0xEB, b"JP" + struct.pack(">HI", number, place + 1) + store[:8] + piece)
            for number, store in enumerate(stores, 1)
            for place, piece in enumerate(
                store[at : at + 60_000] for at in range(8, max(len(store), 9), 60_000)
            )
        )
        return good[:20] + parts + good[20:]
    if file_format is ImageFormat.WEBP:
        return riff((b"VP8 ", good[20:]), *((b"C2PA", store) for store in stores))
    boxes = (box(b"uuid", UUID, bytes(4), b"manifest\0", bytes(8), store) for store in stores)
    return good + b"".join(boxes)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("file_format", ALL)
def test_signed_files(file_format: ImageFormat, version: int) -> None:
    """A manifest of the official library is found, and its maker; encoding anew loses it."""
    data = signed(file_format, version=version)
    truth = official(data, file_format)
    assert truth is not None
    picture = inspect(data, decode=True)
    found = provenance(picture, picture)
    assert (found.c2pa, found.c2pa_kept) == (True, True)
    assert found.claim_generator in (GENERATOR, truth.get("claim_generator"))
    smaller = render(picture, width=48)
    assert official(smaller.data, file_format) is None
    assert provenance(picture, smaller) == Provenance(
        c2pa=True, claim_generator=found.claim_generator, digital_source_type=GENERATED
    )


@pytest.mark.parametrize("file_format", ALL)
def test_signed_again(file_format: ImageFormat) -> None:
    """Of a file that was signed twice, the later maker counts."""
    data = signed(file_format, signed(file_format), generator="Later")
    truth = official(data, file_format)
    assert truth is not None
    assert truth["claim_generator_info"][0]["name"] == "Later"
    assert said(data, file_format).claim_generator == "Later"


@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("source", ALL)
def test_put_in_by_hand(source: ImageFormat, target: ImageFormat) -> None:
    """The same manifest counts in every container, also in several segments of a JPEG."""
    data = with_manifest(target, manifest(signed(source), source))
    inspect(data)
    assert official(data, target) is not None
    assert said(data, target).claim_generator == GENERATOR


def test_fill_bytes() -> None:
    """Fill bytes between the segments of a JPEG, which the standard allows, hide nothing."""
    data = signed(ImageFormat.JPEG)
    assert said(data[:20] + b"\xff" + data[20:], ImageFormat.JPEG).c2pa


def test_top_level_box() -> None:
    """A ``jumb`` box of an ISO file counts as well."""
    data = sample(ImageFormat.AVIF) + manifest(signed(ImageFormat.AVIF), ImageFormat.AVIF)
    assert said(inspect(data).data, ImageFormat.AVIF).c2pa


@pytest.mark.parametrize("file_format", ALL)
def test_none(file_format: ImageFormat) -> None:
    """A file that says nothing says nothing."""
    assert said(sample(file_format), file_format) == Provenance()


LETTERS = b"c2pa jumb jumd caBX C2PA JP urn:c2pa c2pa.claim " * 3


@pytest.mark.parametrize("file_format", ALL)
def test_letters_are_no_manifest(file_format: ImageFormat) -> None:
    """Text with the letters, in a note or where the manifest would be, is none."""
    for data in (
        with_manifest(file_format, LETTERS),
        with_manifest(file_format, struct.pack(">I", 8 + len(LETTERS)) + b"jumb" + LETTERS),
        with_manifest(file_format, b""),
    ):
        assert said(data, file_format) == Provenance()
        assert official(data, file_format) is None
    store = manifest(signed(ImageFormat.PNG))
    png, jpeg = sample(ImageFormat.PNG), sample(ImageFormat.JPEG)
    noted = png[:33] + chunk(b"tEXt", b"Comment\0" + store) + png[33:]
    assert said(noted, ImageFormat.PNG) == Provenance()
    commented = jpeg[:20] + segment(0xFE, store[:60_000]) + jpeg[20:]
    assert said(commented, ImageFormat.JPEG) == Provenance()
    other = sample(ImageFormat.AVIF) + box(b"uuid", bytes(16), store)
    assert said(inspect(other).data, ImageFormat.AVIF) == Provenance()


@pytest.mark.parametrize("file_format", ALL)
def test_two_stores(file_format: ImageFormat) -> None:
    """A file with two manifest stores has none that counts, by the specification."""
    store = manifest(signed(ImageFormat.PNG))
    data = with_manifest(file_format, store, store)
    assert said(data, file_format) == Provenance()


@pytest.mark.parametrize("file_format", ALL)
def test_cut_off(file_format: ImageFormat) -> None:
    """A manifest that is cut off, wherever, is none."""
    store = manifest(signed(file_format), file_format)
    for length in {*range(1, 200, 7), *range(200, len(store), len(store) // 40), len(store) - 1}:
        assert not said(with_manifest(file_format, store[:length]), file_format).c2pa
    for length in (60, len(store) // 2, len(store) - 1):
        assert official(with_manifest(file_format, store[:length]), file_format) is None


def test_missing_segment() -> None:
    """A manifest whose segments are not all there, or not in order, is none."""
    data = signed(ImageFormat.JPEG)
    starts = [at for at in range(len(data)) if data.startswith(b"\xff\xeb", at)][:2]
    (first, second) = ((at, at + 2 + int.from_bytes(data[at + 2 : at + 4])) for at in starts)
    assert said(data, ImageFormat.JPEG).c2pa
    for start, stop in (first, second):
        assert not said(data[:start] + data[stop:], ImageFormat.JPEG).c2pa
    swapped = data[: first[0]] + data[slice(*second)] + data[slice(*first)] + data[second[1] :]
    assert not said(swapped, ImageFormat.JPEG).c2pa
    strange = bytearray(data)
    strange[second[0] + 15] ^= 1  # the head of the box, as it is repeated
    assert not said(bytes(strange), ImageFormat.JPEG).c2pa


@pytest.mark.parametrize("file_format", ALL)
def test_garbled(file_format: ImageFormat) -> None:
    """Whatever bytes are changed or missing, an answer comes, and soon."""
    good, chance = signed(file_format), random.Random(11)
    start = time.process_time()
    for _ in range(300):
        data = bytearray(good)
        for _ in range(chance.choice((1, 3, 20))):
            place = chance.randrange(min(len(data), 2000)) if chance.random() < 0.7 else -1
            data[place] = chance.randrange(256)
        cut = chance.choice((len(data), chance.randrange(len(data))))
        said(bytes(data[:cut]), file_format)
    assert time.process_time() - start < 3


def claim(*fields: bytes, kind: bytes = b"c2cl", content: bytes = b"cbor") -> bytes:
    """A manifest store by the specification, whose claim is a CBOR map of these."""
    body = box(content, bytes([0xA0 + len(fields) // 2]), *fields)
    one = tree(b"c2ma", b"urn:1", tree(kind, b"c2pa.claim", body))
    return tree(b"c2pa", b"c2pa", one)


def tree(kind: bytes, label: bytes, *content: bytes) -> bytes:
    """A JUMBF superbox."""
    uuid = kind + bytes.fromhex("00110010800000aa00389b71")
    return box(b"jumb", box(b"jumd", uuid, b"\3", label, b"\0"), *content)


def text(value: str) -> bytes:
    """A short text in CBOR."""
    data = value.encode()
    return bytes([0x78, len(data)]) + data


NAME = text("name")
INFO = text("claim_generator_info")


@pytest.mark.parametrize(
    ("store", "maker"),
    [
        (claim(text("claim_generator"), text("Old/1.0 lib/2")), "Old/1.0 lib/2"),
        (claim(INFO, b"\xa1" + NAME + text("New")), "New"),
        (claim(INFO, b"\x81\xa1" + NAME + text("In a list")), "In a list"),
        (claim(INFO, b"\x9f\xbf" + NAME + b"\x7f\x61a\x61b\xff\xff\xff"), "ab"),
        (claim(text("claim_generator"), text(" a\n\x1b[31m\tb ")), "a [31m b"),
        (claim(text("claim_generator"), text("x" * 250)), "x" * 200),
        (claim(text("claim_generator"), b"\x07"), None),
        (claim(INFO, b"\x80"), None),
        (claim(INFO, b"\xa1" + NAME + b"\xf6"), None),
        (claim(text("claim_generator"), b"\x62\xff\xff"), None),
        (claim(text("claim_generator"), b"\x7a\xff\xff\xff\xff"), None),
        (claim(INFO, b"\x81" * 2000), None),
        (claim(content=b"json"), None),
        (claim().replace(b"cbor\xa0", b"cbor\x80"), None),
        (claim(), None),
    ],
)
def test_makers(store: bytes, maker: str | None) -> None:
    """The maker is read however the claim is written, and as plain text; else there is none."""
    assert said(with_manifest(ImageFormat.PNG, store), ImageFormat.PNG) == Provenance(
        c2pa=True, c2pa_kept=True, claim_generator=maker
    )


@pytest.mark.parametrize(
    ("store", "counts"),
    [
        (tree(b"c2pa", b"c2pa", tree(b"c2cm", b"urn:1", box(b"brob", bytes(9)))), True),
        (tree(b"c2pa", b"c2pa"), False),
        (tree(b"c2pa", b"c2pa", tree(b"c2ma", b"urn:1")), False),
        (tree(b"c2pa", b"c2pa", tree(b"json", b"urn:1")), False),
        (tree(b"c2xx", b"c2pa", tree(b"c2ma", b"urn:1", tree(b"c2cl", b"a"))), False),
        (claim(kind=b"c2cs"), False),
        (claim().replace(b"\3c2pa\0", b"\1c2pa\0"), False),
        (claim() + bytes(9), True),
        (tree(b"c2pa", b"c2pa", claim()[38:], bytes(3)), False),
        (claim().replace(b"jumd", b"jumx"), False),
        (b"\0\0\0\1jumb" + struct.pack(">Q", len(claim()) + 8) + claim()[8:], True),
        (b"\0\0\0\0" + claim()[4:], True),
        (b"\0\0\0\4" + claim()[4:], False),
    ],
)
def test_structure(store: bytes, counts: bool) -> None:
    """Only boxes that fit into each other as the specification says are a manifest."""
    assert said(with_manifest(ImageFormat.PNG, store), ImageFormat.PNG).c2pa is counts


@pytest.mark.alone
def test_cheap() -> None:
    """A PNG of 1.25 MB without a manifest costs less than a tenth of a millisecond."""
    grey = Image.effect_noise((1024, 1024), 40)
    file = BytesIO()
    Image.merge("RGB", (grey, grey, grey)).save(file, "PNG", compress_level=1)
    picture = inspect(file.getvalue())
    assert len(picture.data) > 1_250_000
    times = []
    for _ in range(20):
        start = time.process_time()
        provenance(picture, picture)
        times.append(time.process_time() - start)
    assert min(times) < 0.0001
