"""Fitting and encoding: exact pixels, the right colours, the mark and nothing else."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from PIL import ImageChops
from PIL import ImageCms
from PIL import ImageStat

from flask_media.errors import InvalidImage
from flask_media.imaging import fit
from flask_media.imaging import inspect
from flask_media.imaging import render
from flask_media.imaging import scale_down
from flask_media.imaging.encode import QUALITIES
from flask_media.imaging.encode import png_settings
from flask_media.imaging.fit import crop_box
from flask_media.imaging.marks import GENERATED
from flask_media.imaging.marks import orientation
from flask_media.options import ImageFormat
from flask_media.options import ImageQuality
from flask_media.values import Marks
from flask_media.values import Picture

from .files import ALL
from .files import chunk
from .files import exif
from .files import header
from .files import load
from .files import photo
from .files import png
from .files import sample
from .files import save

QUARTERS = ((255, 0, 0), (0, 160, 0), (0, 0, 255), (250, 250, 0))


def quarters(width: int = 80, height: int = 40) -> Image.Image:
    """Red, green, blue and yellow, clockwise from the upper left."""
    image = Image.new("RGB", (width, height))
    for number, color in enumerate(QUARTERS):
        corner = ((number in (1, 2)) * width // 2, (number > 1) * height // 2)
        image.paste(color, (*corner, corner[0] + width // 2, corner[1] + height // 2))
    return image


def corners(image: Image.Image) -> list[int]:
    """Which of the quarters stands in each corner, clockwise from the upper left."""
    image = image.convert("RGB")
    right, low = image.width * 7 // 8, image.height * 7 // 8
    places = ((image.width // 8, image.height // 8), (right, image.height // 8))
    found = []
    for place in (*places, (right, low), (image.width // 8, low)):
        pixel = image.getpixel(place)
        assert isinstance(pixel, tuple)
        away = [sum(abs(a - b) for a, b in zip(pixel, color, strict=False)) for color in QUARTERS]
        found.append(away.index(min(away)))
    return found


def picture(
    image: Image.Image, file_format: ImageFormat = ImageFormat.PNG, **options: Any
) -> Picture:
    """A verified picture of an image."""
    return inspect(save(image, file_format, **options))


@pytest.mark.parametrize("file_format", ALL)
def test_what_fits_is_untouched(file_format: ImageFormat) -> None:
    """Where pixels and format fit, the very same object comes back."""
    given = inspect(sample(file_format))
    assert render(given) is given
    assert render(given, width=96, height=64, format=file_format, compression=10) is given
    assert render(given, height=64) is given


@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("source", ALL)
def test_every_format_to_every_other(source: ImageFormat, target: ImageFormat) -> None:
    """The picture has the pixels and the format asked for, and is a good file."""
    made = render(inspect(sample(source)), width=50, height=70, format=target)
    assert (made.width, made.height, made.format) == (50, 70, target)
    assert inspect(made.data, decode=True) == made


@pytest.mark.parametrize("generated", [True, False])
@pytest.mark.parametrize("file_format", ALL)
def test_mark_and_nothing_else(file_format: ImageFormat, generated: bool) -> None:
    """What is encoded has the mark of generated media, if it is, and no other metadata."""
    notes: dict[str, Any] = {"exif": exif(1), "icc_profile": b""}
    given = picture(photo(120, 90), ImageFormat.JPEG, comment=b"secret", **notes)
    info = load(
        render(given, width=64, format=file_format, marks=Marks(generated=generated)).data
    ).info
    assert not {"exif", "comment", "icc_profile", "dpi"} & info.keys()
    xmp = info.get("xmp", b"")
    assert (f'Iptc4xmpExt:DigitalSourceType="{GENERATED}"'.encode() in xmp) is generated
    assert ("xmp" in info) is generated


@pytest.mark.parametrize(
    ("size", "wanted", "box"),
    [
        ((100, 100), (50, 50), (0, 0, 100, 100)),
        ((200, 100), (10, 10), (50, 0, 150, 100)),
        ((100, 200), (20, 10), (0, 75, 100, 125)),
        ((10, 10), (100, 50), (0, 2.5, 10, 7.5)),
    ],
)
def test_crop_box(
    size: tuple[int, int], wanted: tuple[int, int], box: tuple[float, float, float, float]
) -> None:
    """The crop is the largest of the right proportions, about the centre."""
    assert crop_box(size, wanted) == box


@pytest.mark.parametrize("file_format", [ImageFormat.PNG, ImageFormat.JPEG])
@pytest.mark.parametrize("wanted", [(40, 40), (160, 20), (1, 1), (300, 7), (81, 41)])
def test_cropped_not_stretched(wanted: tuple[int, int], file_format: ImageFormat) -> None:
    """The middle of the picture stays the middle."""
    made = render(picture(quarters(800, 400), file_format), width=wanted[0], height=wanted[1])
    assert (made.width, made.height) == wanted
    if min(wanted) > 6:
        assert corners(load(made.data)) == [0, 1, 2, 3]


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("file_format", ALL)
def test_turned_upright(turn: int, file_format: ImageFormat) -> None:
    """The orientation of the file is applied when it is encoded anew."""
    # What a camera that was held that way stores, so that upright it is the quarters again.
    undo = {**fit.TURNS, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    stored = quarters().transpose(undo[turn]) if turn > 1 else quarters()
    given = picture(stored, file_format, exif=exif(turn))
    other = ImageFormat.WEBP if file_format is ImageFormat.PNG else ImageFormat.PNG
    made = render(given, format=other)
    assert (made.width, made.height) == (80, 40)
    assert corners(load(made.data)) == [0, 1, 2, 3]
    sized = render(given, width=30, height=20, format=other)
    assert corners(load(sized.data)) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"no",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        exif(9),
        exif(0),
        exif(3)[:20],
        b"II*\0\x08\0\0\0\0\0",
    ],
)
def test_orientation_that_says_nothing(block: bytes) -> None:
    """Nonsense in EXIF means upright."""
    assert orientation(block) == 1


def test_orientation_of_both_byte_orders() -> None:
    """Both byte orders are read, with and without the block's name."""
    assert orientation(exif(6)) == orientation(exif(6, ">").removeprefix(b"Exif\0\0")) == 6


@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_modes(mode: str, target: ImageFormat) -> None:
    """Every kind of picture can be scaled and encoded, and keeps its lightness."""
    source = ImageFormat.JPEG if mode == "CMYK" else ImageFormat.PNG
    ramp = Image.linear_gradient("L").resize((64, 64))
    if mode == "I;16":
        wide = b"".join(bytes([value, value]) for value in ramp.tobytes())
        image = Image.frombytes("I;16", ramp.size, wide)
    elif mode == "P":
        image = ramp.quantize(256)
    else:
        image = ramp.convert("RGB").convert(mode) if mode == "CMYK" else ramp.convert(mode)
    for width in (32, None):
        given = picture(image, source)
        made = render(given, width=width, height=width, format=target)
        if made is given or (mode == "1" and width is None):
            continue  # nothing was changed; dots are not like the ramp until they are mixed
        shown = load(made.data).convert("L")
        wanted = ramp.resize((32, 32)) if width else ramp
        difference = ImageStat.Stat(ImageChops.difference(shown, wanted)).mean[0]
        assert difference < (30 if mode == "1" else 8)


def test_palette_with_transparency() -> None:
    """A palette with transparent colours becomes a picture with an alpha channel."""
    image = photo(40, 40).quantize(8)
    given = picture(image, transparency=bytes([0, 128]))
    made = load(render(given, width=20, height=20).data)
    assert made.mode == "RGBA"
    assert made.getchannel("A").getextrema()[0] == 0


def test_jpeg_lies_on_white() -> None:
    """Transparency becomes white in a JPEG, not black."""
    for mode in ("RGBA", "LA"):
        given = picture(Image.new(mode, (16, 16)))
        made = load(render(given, format=ImageFormat.JPEG).data)
        assert min(made.convert("L").tobytes()) > 250


def wide_profile() -> bytes:
    """A profile that is not sRGB: its red and blue change places."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_other_colour_spaces(mode: str) -> None:
    """Colours of another profile are brought to sRGB, and the profile is gone."""
    red = Image.new("RGB", (16, 16), (255, 0, 0)).convert(mode)
    given = picture(red, icc_profile=wide_profile())
    made = load(render(given, format=ImageFormat.WEBP).data)
    pixel = made.convert("RGB").getpixel((8, 8))
    assert isinstance(pixel, tuple)
    assert pixel[2] > 200
    assert pixel[0] < 60
    assert "icc_profile" not in made.info


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("profile", ["srgb", "broken", "other kind"])
def test_profiles_that_change_nothing(mode: str, profile: str) -> None:
    """An sRGB profile, a broken one and one for another kind of picture leave the colours."""
    icc = {
        "srgb": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        "broken": b"no profile at all",
        "other kind": ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    }[profile]
    image = Image.new("RGB", (16, 16), (200, 40, 90)).convert(mode)
    source = ImageFormat.JPEG if mode == "CMYK" else ImageFormat.PNG
    given = picture(image, source, icc_profile=icc)
    made = load(render(given, format=ImageFormat.WEBP).data).convert("RGB")
    plain = load(save(image, source)).convert("RGB")
    assert max(ImageStat.Stat(ImageChops.difference(made, plain)).mean) < 6


@pytest.mark.parametrize("file_format", list(QUALITIES))
def test_quality_and_compression(file_format: ImageFormat) -> None:
    """More quality takes more bytes, and ``compression`` overrides it."""
    given = inspect(sample(ImageFormat.PNG, 200, 200))
    low, standard, high = (
        len(render(given, format=file_format, quality=quality).data) for quality in ImageQuality
    )
    assert low < standard < high
    assert len(render(given, format=file_format, compression=5).data) < low


def test_png_settings() -> None:
    """Drawings, grain and photographs get each the setting that suits them."""
    drawing = quarters(640, 640)
    grain = Image.merge("RGB", [Image.effect_noise((640, 640), 30)] * 3)
    smooth = photo(640, 640).resize((2560, 2560), Image.Resampling.BICUBIC).crop((0, 0, 640, 640))
    assert png_settings(drawing) == {"compress_level": 4}
    assert png_settings(grain) == {"compress_level": 1}
    assert png_settings(smooth) in ({"compress_type": zlib.Z_RLE}, {"compress_level": 1})
    assert png_settings(Image.effect_noise((9, 9), 30))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("wanted", [(64, 64), (300, 170), (7, 400)])
def test_bands_are_seamless(
    mode: str, wanted: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large picture scaled in bands has the pixels of one scaled at once."""
    given = picture(photo(240, 400).resize((480, 800)).convert(mode))
    whole = load(render(given, width=wanted[0], height=wanted[1]).data)
    monkeypatch.setattr(fit, "LARGE_PIXELS", 1)
    banded = load(render(given, width=wanted[0], height=wanted[1]).data)
    difference = ImageChops.difference(whole.convert("RGB"), banded.convert("RGB"))
    assert max(difference.tobytes()) <= 6


def test_what_the_format_can_not_hold() -> None:
    """A picture too long for WebP is an InvalidImage, not an error of Pillow's."""
    given = picture(Image.new("L", (17_000, 2)))
    with pytest.raises(InvalidImage, match="WEBP"):
        render(given, format=ImageFormat.WEBP)


def test_damage_found_by_decoding() -> None:
    """A PNG with right checksums and short pixels is refused when it has to be decoded."""
    data = png(header(64, 64), chunk(b"IDAT", zlib.compress(bytes(6000))), chunk(b"IEND"))
    with pytest.raises(InvalidImage, match="damaged"):
        render(inspect(data), width=10)


@pytest.mark.parametrize("file_format", [ImageFormat.PNG, ImageFormat.JPEG, ImageFormat.WEBP])
def test_scale_down_leaves_small_ones(file_format: ImageFormat) -> None:
    """What a model takes as it is stays as it is."""
    given = inspect(sample(file_format))
    assert scale_down(given, 96) is given


def test_scale_down() -> None:
    """Larger ones become JPEG in proportion, transparent ones PNG, and AVIF is always changed."""
    made = scale_down(inspect(sample(ImageFormat.PNG, 400, 100)), 200)
    assert (made.format, made.width, made.height) == (ImageFormat.JPEG, 200, 50)
    assert "xmp" not in load(made.data).info
    clear = scale_down(picture(Image.new("RGBA", (10, 400), (1, 2, 3, 4))), 20)
    assert (clear.format, clear.width, clear.height) == (ImageFormat.PNG, 1, 20)
    opaque = scale_down(picture(photo(mode="RGBA")), 48)
    assert (opaque.format, opaque.width) == (ImageFormat.JPEG, 48)
    assert scale_down(inspect(sample(ImageFormat.AVIF)), 500).format is ImageFormat.JPEG
    turned = scale_down(picture(quarters(), ImageFormat.JPEG, exif=exif(6)), 40)
    assert (turned.width, turned.height) == (20, 40)


def test_many_threads() -> None:
    """The same work on many threads gives the same bytes."""
    given = inspect(sample(ImageFormat.PNG, 200, 200))
    alone = [render(given, width=90, height=50, format=target).data for target in ALL]

    def work(number: int) -> bytes:
        return render(given, width=90, height=50, format=ALL[number % len(ALL)]).data

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == alone * 10


def test_signature_passes_through() -> None:
    """What a model signed stays whole where nothing has to be changed."""
    good = sample(ImageFormat.PNG)
    signed = good[:33] + chunk(b"caBX", b"signature") + good[33:]
    assert BytesIO(render(inspect(signed), width=96, height=64).data).read() == signed
