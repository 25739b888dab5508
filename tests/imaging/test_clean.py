"""Pictures made anew: of what was hidden in the old file, nothing comes out."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image
from PIL import ImageCms
from PIL.PngImagePlugin import PngInfo

from flask_media.errors import InvalidImage
from flask_media.imaging import clean
from flask_media.imaging import derive
from flask_media.imaging import inspect
from flask_media.imaging.encode import encode
from flask_media.imaging.memory import LARGE_PIXELS
from flask_media.options import ImageFormat
from flask_media.options import ImageQuality

from .files import ALL
from .files import box
from .files import chunk
from .files import load
from .files import photo
from .files import riff
from .files import sample
from .files import save
from .files import segment
from .test_render import corners
from .test_render import quarters
from .test_variants import away

MARKER = b"MARKED-BYTES-0451"

PAYLOADS = {
    "zip": b"PK\x03\x04" + bytes(26) + MARKER + b"PK\x05\x06" + bytes(18),
    "html": b"<html><script>alert('" + MARKER + b"')</script></html>",
    "php": b"<?php system('" + MARKER + b"'); ?>",
    "js": b"*/=1;alert('" + MARKER + b"');/*",
}


def gps() -> bytes:
    """EXIF with a place, a maker's note and a thumbnail, each with the marker in it."""
    exif = Image.Exif()
    exif[0x0112] = 1
    exif[0x010F] = MARKER.decode()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.6), 29: MARKER.decode()})
    exif.get_ifd(0x8769)[0x927C] = MARKER
    thumbnail = BytesIO()
    photo(32, 24).save(thumbnail, "JPEG", comment=MARKER)
    return exif.tobytes() + thumbnail.getvalue()


def profile(payload: bytes) -> bytes:
    """A colour profile that works, with a payload in its description and behind its end."""
    good = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = good + payload
    return struct.pack(">I", len(data)) + data[4:]


def annotated(file_format: ImageFormat, payload: bytes) -> list[bytes]:
    """Good files of that format that have the payload in each place where one can be."""
    image = photo()
    options = {"exif": gps() + payload, "xmp": b"<x>" + payload + b"</x>"}
    files = [
        save(image, file_format, exif=options["exif"]),
        save(image, file_format, icc_profile=profile(payload)),
    ]
    good = sample(file_format)
    if file_format is ImageFormat.PNG:
        info = PngInfo()
        info.add_text("Comment", payload)
        info.add_text("Comment", payload, zip=True)
        info.add_itxt("XML:com.adobe.xmp", payload.decode("latin-1"))
        files.append(save(image, file_format, pnginfo=info))
        private = chunk(b"prVt", payload) + chunk(b"caBX", payload)
        files.append(good[:33] + private + good[33:])
    else:
        files.append(save(image, file_format, xmp=options["xmp"]))
    if file_format is ImageFormat.JPEG:
        files.append(save(image, file_format, comment=payload))
        apps = b"".join(segment(marker, payload) for marker in (0xE3, 0xE5, 0xEB, 0xED, 0xFE))
        files.append(good[:20] + apps + good[20:])
        second = save(image, file_format, comment=payload)
        files.append(good[:20] + segment(0xE2, b"MPF\0MM\0*" + bytes(20)) + good[20:] + second)
    elif file_format is ImageFormat.WEBP:
        files.append(riff((b"VP8 ", good[20:]), (b"JUNK", payload), (b"C2PA", payload)))
    elif file_format is ImageFormat.AVIF:
        files.append(good + box(b"free", payload) + box(b"uuid", bytes(16), payload))
    return files


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("source", ALL)
def test_nothing_survives(source: ImageFormat, target: ImageFormat, payload: bytes) -> None:
    """Wherever something was hidden: it was in the file, and is not in the new one."""
    for data in annotated(source, payload):
        picture = inspect(data, decode=True)
        made = clean(picture, format=target)
        assert (made.format, made.width, made.height) == (target, 96, 64)
        assert inspect(made.data, decode=True) == made
        for part in (MARKER, payload, payload[:8], b"Exif", b"xmpmeta", b"8BIM"):
            assert part not in made.data
        info = load(made.data).info
        assert not {"exif", "xmp", "icc_profile", "comment", "Comment"} & info.keys()
        for one in derive(picture, {"a": 40}).variants.values():
            assert MARKER not in one.data


@pytest.mark.parametrize("source", ALL)
def test_it_was_there(source: ImageFormat) -> None:
    """The test before this one has the payload in its files, packed where the format packs."""
    for data in annotated(source, PAYLOADS["zip"]):
        packed = [at for at in range(len(data)) if data.startswith((b"iCCP", b"zTXt"), at)]
        unpacked = (
            zlib.decompressobj().decompress(data[data.index(b"\0\0", at) + 2 :]) for at in packed
        )
        assert MARKER in data or any(MARKER in body for body in unpacked)


@pytest.mark.parametrize("file_format", ALL)
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_tails_are_refused(file_format: ImageFormat, payload: bytes) -> None:
    """What is appended to a picture never gets as far as here."""
    with pytest.raises(InvalidImage, match=r"behind its end|stands where none may|cut off|no room"):
        inspect(sample(file_format) + payload)


@pytest.mark.parametrize("file_format", ALL)
def test_made_anew(file_format: ImageFormat) -> None:
    """It is a new file even where nothing is to be changed, and looks like the old one."""
    given = inspect(sample(file_format))
    made = clean(given)
    assert made.data != given.data
    assert (made.format, made.width, made.height) == (file_format, 96, 64)
    assert away(load(given.data), load(made.data)) < 8  # grain, at its hardest


def test_png_keeps_its_pixels() -> None:
    """A PNG made anew has the very pixels, transparency and all."""
    image = photo().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    made = clean(inspect(save(image, ImageFormat.PNG)))
    assert load(made.data).tobytes() == image.tobytes()


@pytest.mark.parametrize("target", [ImageFormat.WEBP, ImageFormat.AVIF, ImageFormat.JPEG])
def test_alpha(target: ImageFormat) -> None:
    """Transparency is kept where the format has it; a JPEG lies on white."""
    made = clean(inspect(save(Image.new("RGBA", (64, 64)), ImageFormat.PNG)), format=target)
    image = load(made.data)
    if target is ImageFormat.JPEG:
        assert min(image.convert("L").tobytes()) > 250
    else:
        assert image.getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize("turn", [3, 6, 8])
def test_upright(turn: int) -> None:
    """A photograph taken sideways is upright, though its EXIF is gone."""
    exif = Image.Exif()
    exif[0x0112] = turn
    back = {3: 180, 6: 90, 8: 270}[turn]
    stored = quarters().rotate(back, expand=True)
    made = clean(inspect(save(stored, ImageFormat.JPEG, exif=exif)))
    assert (made.width, made.height) == (80, 40)
    assert corners(load(made.data)) == [0, 1, 2, 3]


def test_quality() -> None:
    """It is encoded at high quality unless another is asked for."""
    given = inspect(sample(ImageFormat.JPEG, 300, 200))
    high = clean(given)
    assert high == clean(given, quality=ImageQuality.HIGH)
    assert len(clean(given, quality=ImageQuality.LOW).data) < len(high.data)


@pytest.mark.parametrize("file_format", [ImageFormat.PNG, ImageFormat.WEBP, ImageFormat.AVIF])
def test_animations_are_refused(file_format: ImageFormat) -> None:
    """An animation is refused, and not cut down to its first frame."""
    more = [photo().transpose(Image.Transpose.ROTATE_180)]
    data = save(photo(), file_format, save_all=True, append_images=more)
    with pytest.raises(InvalidImage, match="animated"):
        inspect(data)


def test_profile_that_can_not_be_unpacked() -> None:
    """A PNG whose colour profile is garbage is made anew without it."""
    good = sample(ImageFormat.PNG)
    data = good[:33] + chunk(b"iCCP", b"name\0\0no deflate at all") + good[33:]
    made = clean(inspect(data, decode=True))
    assert load(made.data).tobytes() == load(good).tobytes()


def test_large_jpeg_takes_no_room_for_coefficients() -> None:
    """A large JPEG is written as it goes, a small one in two passes; both are good files."""
    side = int(LARGE_PIXELS**0.5)
    for width, passes in ((side, 1), (side - 1, 2)):
        image = Image.linear_gradient("L").resize((width, side))
        data = encode(image, ImageFormat.JPEG)
        assert inspect(data).width == width
        # The tables of the standard, written where there is no pass to find better ones.
        assert (bytes(range(1, 12)) in data) is (passes == 1)
