"""Verification: what is taken, what is refused, and that nothing else ever comes out."""

from __future__ import annotations

import random
import re
import struct
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from PIL import Image

from flask_media.errors import InvalidImage
from flask_media.imaging import MAX_BYTES
from flask_media.imaging import inspect
from flask_media.imaging import render
from flask_media.imaging.inspect import guarded
from flask_media.options import ImageFormat

from .files import ALL
from .files import chunk
from .files import exif
from .files import header
from .files import photo
from .files import png
from .files import riff
from .files import sample
from .files import save
from .files import segment

PAYLOADS = {
    "zip": b"PK\x03\x04" + bytes(26) + b"evil",
    "html": b"<html><script>alert(1)</script></html>",
    "php": b"<?php system($_GET['c']); ?>",
    "one byte": b"x",
    "zeros and a byte": bytes(64) + b"x",
}


def refusal(data: bytes, *, decode: bool = False) -> str:
    """The message with which these bytes are refused."""
    with pytest.raises(InvalidImage) as caught:
        inspect(data, decode=decode)
    assert caught.value.retryable is False
    return str(caught.value)


@pytest.mark.parametrize("file_format", ALL)
def test_good_file(file_format: ImageFormat) -> None:
    """Each format is known by its bytes, and they come back untouched."""
    data = sample(file_format)
    picture = inspect(data, decode=True)
    assert picture.data is data
    assert (picture.format, picture.width, picture.height) == (file_format, 96, 64)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_png_modes(mode: str) -> None:
    """Every kind of PNG that Pillow writes is taken."""
    image = Image.new("I;16", (33, 7)) if mode == "I;16" else photo(33, 7).convert(mode)
    picture = inspect(save(image, ImageFormat.PNG), decode=True)
    assert (picture.width, picture.height) == (33, 7)


@pytest.mark.parametrize(
    ("file_format", "mode", "options"),
    [
        (ImageFormat.JPEG, "L", {}),
        (ImageFormat.JPEG, "CMYK", {}),
        (ImageFormat.JPEG, "RGB", {"progressive": True}),
        (ImageFormat.JPEG, "RGB", {"restart_marker_blocks": 2}),
        (ImageFormat.WEBP, "RGB", {"lossless": True}),
        (ImageFormat.WEBP, "RGBA", {"icc_profile": b"x", "exif": exif(6)}),
        (ImageFormat.AVIF, "RGBA", {}),
        (ImageFormat.AVIF, "RGB", {"exif": exif(6)}),
    ],
)
def test_kinds(file_format: ImageFormat, mode: str, options: dict[str, object]) -> None:
    """Lossless, progressive, transparent and annotated files are taken, in stored pixels."""
    picture = inspect(save(photo(mode=mode), file_format, **options))
    assert (picture.width, picture.height) == (96, 64)


def test_ancillary_chunks() -> None:
    """Private chunks and a signature (C2PA) in a PNG are left where they are."""
    good = sample(ImageFormat.PNG)
    data = good[:33] + chunk(b"caBX", b"signed") + chunk(b"stUb", bytes(1000)) + good[33:]
    assert inspect(data).data is data


@pytest.mark.parametrize("file_format", ALL)
def test_every_prefix_is_refused(file_format: ImageFormat) -> None:
    """Wherever a file is cut, it is refused."""
    data = sample(file_format)
    cuts = {*range(0, len(data), max(1, len(data) // 150)), *range(len(data) - 24, len(data))}
    for cut in sorted(cuts):
        refusal(data[:cut])


@pytest.mark.parametrize("file_format", ALL)
def test_flipped_bytes(file_format: ImageFormat) -> None:
    """A changed byte gives a picture or InvalidImage, and quickly; in a PNG always the latter."""
    data = sample(file_format)
    chance = random.Random(7)
    places = [*range(min(300, len(data))), *(chance.randrange(len(data)) for _ in range(150))]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= chance.randrange(1, 256)
        start = time.process_time()
        try:
            inspect(bytes(changed))
        except InvalidImage:
            pass
        else:
            assert file_format is not ImageFormat.PNG, place
        assert time.process_time() - start < 2


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
@pytest.mark.parametrize("file_format", ALL)
def test_polyglots(file_format: ImageFormat, payload: bytes) -> None:
    """Another file behind the picture is refused."""
    assert refusal(sample(file_format) + payload)


@pytest.mark.parametrize("file_format", ALL)
def test_zero_padding(file_format: ImageFormat) -> None:
    """Zero bytes behind the picture are only padding."""
    data = sample(file_format) + bytes(500)
    assert inspect(data).data is data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\n<!DOCTYPE html><html></html>", "HTML"),
        (b'{"error": 1}', "JSON"),
        (b"GIF89a" + bytes(50), "GIF"),
        (b"BM" + bytes(50), "BMP"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04", "ZIP"),
        (b"hello", "no known picture"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "no known picture"),
        (b"RIFF\0\0\0\0WAVE", "no known picture"),
    ],
)
def test_other_files(data: bytes, said: str) -> None:
    """What is no picture is named."""
    assert said in refusal(data)


def test_too_many_bytes() -> None:
    """A file over the limit is refused before it is read."""
    assert "50,000,001 bytes" in refusal(bytes(MAX_BYTES + 1))


def lying_avif(width: int, height: int, told: tuple[int, int]) -> bytes:
    """A real AVIF whose container tells another size than its stream."""
    data = save(Image.new("RGB", (width, height)), ImageFormat.AVIF)
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", *told) + data[place + 8 :]


@pytest.mark.parametrize(
    "data",
    [
        png(header(100_000, 100_000), chunk(b"IDAT", bytes(9)), chunk(b"IEND")),
        sample(ImageFormat.JPEG).replace(struct.pack(">HH", 64, 96), b"\xff\xf0\xff\xf0", 1),
        riff((b"VP8X", bytes(4) + b"\xff\xff\x3f\xff\xff\x3f"), (b"VP8 ", bytes(10))),
        riff((b"VP8L", b"\x2f\xff\xff\xff\x0f")),
        lying_avif(64, 64, (50_000, 50_000)),
        lying_avif(5000, 5000, (64, 64)),
    ],
    ids=["png", "jpeg", "webp canvas", "webp lossless", "avif", "avif that lies"],
)
def test_bombs(data: bytes) -> None:
    """Too many pixels are refused from the header, without memory for them."""
    tracemalloc.start()
    assert re.search(r"pixels; at most [24]0,000,000 are taken", refusal(data))
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("file_format", [ImageFormat.PNG, ImageFormat.WEBP, ImageFormat.AVIF])
def test_animations(file_format: ImageFormat) -> None:
    """Animations are refused, not cut down to their first frame."""
    more = [photo().transpose(Image.Transpose.ROTATE_180)]
    data = save(photo(), file_format, save_all=True, append_images=more)
    assert "animated" in refusal(data)


def test_animated_brand() -> None:
    """An AVIF that calls itself a sequence is one."""
    assert "animated" in refusal(sample(ImageFormat.AVIF).replace(b"ftypavif", b"ftypavis", 1))


PIXELS = zlib.compress(bytes(3 * 64 * 64 + 64))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png(chunk(b"IDAT", PIXELS), chunk(b"IEND")), "begin with a header"),
        (png(chunk(b"IHDR", b"short"), chunk(b"IEND")), "begin with a header"),
        (png(header(64, 64, 7, 2, 0, 0, 0), chunk(b"IEND")), "what no PNG is"),
        (png(header(64, 64, 8, 5, 0, 0, 0), chunk(b"IEND")), "what no PNG is"),
        (png(header(64, 64, 8, 2, 0, 0, 2), chunk(b"IEND")), "what no PNG is"),
        (png(header(0, 64), chunk(b"IEND")), "0 x 64"),
        (png(header(64, 64), chunk(b"IEND")), "cut off"),
        (png(header(4096, 4096), chunk(b"IDAT", PIXELS), chunk(b"IEND")), "cut off"),
        (png(header(64, 64), chunk(b"IDAT", PIXELS)), "cut off"),
        (png(header(64, 64), header(64, 64), chunk(b"IEND")), "'IHDR'"),
        (png(header(64, 64), chunk(b"CgBI"), chunk(b"IEND")), "'CgBI'"),
        (
            png(
                header(64, 64),
                chunk(b"IDAT", PIXELS[:9]),
                chunk(b"tEXt", b"a\0b"),
                chunk(b"IDAT", PIXELS[9:]),
                chunk(b"IEND"),
            ),
            "one piece",
        ),
        (png(header(64, 64), *[chunk(b"teXt")] * 100_001), "100,000 chunks"),
    ],
)
def test_png_structure(data: bytes, said: str) -> None:
    """A PNG whose checksums are right but whose parts are wrong is refused."""
    assert said in refusal(data)


@pytest.mark.parametrize("pixels", [zlib.compress(bytes(6000)), b"\x78\x9cnonsense" * 20])
def test_short_pixels_with_right_checksums(pixels: bytes) -> None:
    """Short or garbled picture data behind right checksums is found when asked for."""
    data = png(header(64, 64), chunk(b"IDAT", pixels), chunk(b"IEND"))
    assert inspect(data).width == 64
    assert "damaged" in refusal(data, decode=True)


JPEG = sample(ImageFormat.JPEG)
SCAN = JPEG.index(b"\xff\xda")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xd8\xff\xd9", "no picture data"),
        (JPEG[:2] + b"no" + JPEG[2:], "damaged"),
        (JPEG[:20] + b"no" + JPEG[20:], "no marker at byte 20"),
        (JPEG[:20] + segment(0xD8, b"") + JPEG[20:], "marker D8"),
        (JPEG[:20] + b"\xff\xfe\0\1" + JPEG[20:], "marker FE"),
        (JPEG[:20] + JPEG[SCAN:], "no header"),
        (JPEG[:SCAN] + JPEG[SCAN:-2] * 65 + JPEG[-2:], "64 scans"),
        (JPEG[:20] + segment(0xC0, bytes(15)) + JPEG[20:], "0 x 0"),
        (JPEG[:SCAN] + segment(0xC0, b"\x08\0\x40\0\x40\3" + bytes(9)) + JPEG[SCAN:], "two frames"),
        (JPEG[:20] + segment(0xFE, b"") * 100_001 + JPEG[20:], "100,000 segments"),
    ],
)
def test_jpeg_structure(data: bytes, said: str) -> None:
    """A JPEG whose segments make no sense is refused."""
    assert re.search(said, refusal(data)) or said == "damaged"


def test_jpeg_fill_bytes() -> None:
    """Fill bytes before a marker are allowed by the standard."""
    assert inspect(JPEG[:20] + b"\xff\xff" + JPEG[20:]).width == 96


@pytest.mark.parametrize("order", [b"II*\0", b"MM\0*"])
def test_phone_jpeg(order: bytes) -> None:
    """Of a phone's JPEG with a second picture behind, announced, the first alone is kept."""
    first = JPEG[:20] + segment(0xE2, b"MPF\0" + order + bytes(20)) + JPEG[20:]
    picture = inspect(first + JPEG)
    assert picture.data == first
    assert render(picture, width=48).width == 48
    assert "behind its end" in refusal(first + b"PK\x03\x04")


def test_jpeg_metadata_is_not_parsed() -> None:
    """Broken EXIF of a JPEG makes neither a warning nor an error."""
    broken = b"Exif\0\0II*\0" + struct.pack("<IHHHII", 8, 900, 0x011A, 5, 9, 0xFFFFFFF0)
    data = JPEG[:20] + segment(0xE1, broken) + segment(0xE2, b"MPF\0MM\0*" + bytes(9)) + JPEG[20:]
    assert inspect(data).width == 96


def test_webp_structure() -> None:
    """A WebP whose chunks make no sense is refused."""
    lossy = sample(ImageFormat.WEBP)[20:]
    assert "2 pictures" in refusal(riff((b"VP8 ", lossy), (b"VP8 ", lossy)))
    assert "0 pictures" in refusal(riff((b"XMP ", b"x")))
    assert "longer than the file" in refusal(
        riff((b"VP8 ", lossy))[:-30].replace(
            sample(ImageFormat.WEBP)[4:8], struct.pack("<I", len(lossy) + 12 - 30), 1
        )
    )
    assert "0 x 0" in refusal(riff((b"VP8 ", bytes(10))))
    assert "100,000 chunks" in refusal(riff(*[(b"XMP ", b"")] * 100_001))
    assert "damaged" in refusal(riff((b"VP8 ", lossy[:10] + bytes(50))))


def test_damage_that_pillow_finds_late() -> None:
    """Whatever Pillow raises is one error; only a lack of memory passes as it is."""

    def raising(error: Exception) -> None:
        raise error

    for error in (OSError("a"), ValueError("b"), SyntaxError("c"), struct.error("d"), IndexError()):
        with pytest.raises(InvalidImage) as caught:
            guarded(ImageFormat.PNG, raising, error)
        assert caught.value.__cause__ is error
    with pytest.raises(MemoryError):
        guarded(ImageFormat.PNG, raising, MemoryError())


def test_many_threads() -> None:
    """Files good and bad, looked at by many threads at once, get each its own answer."""
    good = [sample(file_format) for file_format in ALL]
    bad = [data[: len(data) // 2] for data in good]

    def look(data: bytes) -> object:
        try:
            return inspect(data, decode=True).format
        except InvalidImage:
            return None

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(look, (good + bad) * 40))
    assert found == [*ALL, *[None] * len(ALL)] * 40


@pytest.mark.alone
def test_cheap_for_the_usual_answer() -> None:
    """A PNG as models send it is verified in about a millisecond of CPU, far from a decode's 30."""
    grey = Image.effect_noise((1024, 1024), 60)
    data = save(Image.merge("RGB", (grey, grey, grey)), ImageFormat.PNG, compress_level=1)
    inspect(data)
    times = []
    for _ in range(10):
        start = time.process_time()
        inspect(data)
        times.append(time.process_time() - start)
    assert min(times) * 1000 < 1 + 3 * len(data) / 1_250_000
    assert BytesIO(data).getvalue() is data
