"""Placeholder data: small, alike, and always the same."""

from __future__ import annotations

import base64
import random
import re
import time

import pytest
from PIL import Image
from PIL import ImageChops
from PIL import ImageStat

from flask_media.imaging import Preview
from flask_media.imaging import derive
from flask_media.imaging import inspect
from flask_media.imaging import preview
from flask_media.imaging.preview import PREVIEW_SIDE
from flask_media.imaging.preview import main_color
from flask_media.options import ImageFormat

from .files import ALL
from .files import exif
from .files import load
from .files import photo
from .files import sample
from .test_render import corners
from .test_render import picture
from .test_render import quarters


def shown(made: Preview) -> Image.Image:
    """The placeholder as a browser gets it."""
    prefix, data = made.placeholder.split(",")
    assert prefix == "data:image/webp;base64"
    image = load(base64.b64decode(data, validate=True))
    assert "xmp" not in image.info
    return image


def away(color: str, *wanted: int) -> int:
    """The largest difference of a colour's three values."""
    assert re.fullmatch("#[0-9a-f]{6}", color)
    return max(abs(a - b) for a, b in zip(bytes.fromhex(color[1:]), wanted, strict=True))


@pytest.mark.parametrize("file_format", ALL)
def test_likeness(file_format: ImageFormat) -> None:
    """The placeholder is the picture in a few pixels, upright and in its proportions."""
    made = preview(picture(quarters(400, 200), file_format))
    assert shown(made).size == (PREVIEW_SIDE, PREVIEW_SIDE // 2)
    assert corners(shown(made)) == [0, 1, 2, 3]
    assert len(made.placeholder) < 500


@pytest.mark.parametrize("file_format", ALL)
def test_turned_upright(file_format: ImageFormat) -> None:
    """An orientation is applied."""
    stored = quarters(400, 200).transpose(Image.Transpose.ROTATE_90)
    made = preview(picture(stored, file_format, exif=exif(6)))
    assert shown(made).size == (PREVIEW_SIDE, PREVIEW_SIDE // 2)
    assert corners(shown(made)) == [0, 1, 2, 3]


def test_blurred_likeness() -> None:
    """Enlarged it is near to the picture, blurred."""
    image = Image.radial_gradient("L").resize((600, 600))
    big = shown(preview(picture(image))).convert("L").resize((600, 600), Image.Resampling.BICUBIC)
    assert ImageStat.Stat(ImageChops.difference(big, image)).mean[0] < 6


@pytest.mark.parametrize("file_format", ALL)
def test_always_the_same(file_format: ImageFormat) -> None:
    """The same picture gives the same data, and with variants nearly the same."""
    image = photo(500, 300).copy()
    image.paste((220, 60, 40), (0, 0, 500, 200))
    given = picture(image, file_format)
    made = preview(given)
    assert preview(given) == made
    with_variants = derive(given, {"a": 300, "b": (90, 90)}).preview
    assert derive(given, {"a": 300, "b": (90, 90)}).preview == with_variants
    assert away(with_variants.color, *bytes.fromhex(made.color[1:])) < 12
    near = ImageChops.difference(shown(made), shown(with_variants))
    assert max(ImageStat.Stat(near).mean) < 16


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_noise_is_short_too(mode: str) -> None:
    """Pure noise, in transparency as well, stays below 1 kB."""
    noise = random.Random(1)
    channels = len(Image.new(mode, (1, 1)).getbands())
    for size in ((24, 24), (32, 32), (200, 200), (1, 1), (24, 1), (3000, 40)):
        data = noise.randbytes(size[0] * size[1] * channels)
        made = preview(picture(Image.frombytes(mode, size, data)))
        assert len(made.placeholder) + len(made.color) < 1000
        assert max(shown(made).size) <= PREVIEW_SIDE


def test_never_larger_than_the_picture() -> None:
    """A tiny picture is its own placeholder's size."""
    assert shown(preview(picture(photo(5, 3)))).size == (5, 3)


def test_transparency() -> None:
    """A transparent part stays transparent, and its colour does not count."""
    image = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    image.paste((0, 100, 200, 255), (0, 0, 30, 100))
    made = preview(picture(image))
    alpha = shown(made).getchannel("A")
    assert (alpha.getpixel((1, 9)), alpha.getpixel((20, 9))) == (255, 0)
    assert away(made.color, 0, 100, 200) < 12
    assert preview(picture(Image.new("RGBA", (9, 9)))).color == "#ffffff"
    assert preview(picture(Image.new("LA", (9, 9), (0, 255)))).color == "#000000"


@pytest.mark.parametrize(
    "color", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (1, 2, 3), (127, 128, 129), (18, 52, 86)]
)
def test_one_color(color: tuple[int, int, int]) -> None:
    """A picture of one colour has that colour."""
    assert away(preview(picture(Image.new("RGB", (64, 48), color))).color, *color) == 0


def test_main_color() -> None:
    """The colour of most pixels wins over the mean, also where it varies a little."""
    image = Image.new("RGB", (100, 100), (220, 30, 40))
    image.paste((10, 200, 220), (0, 0, 100, 35))
    image.paste((240, 240, 20), (0, 0, 20, 100))
    assert away(preview(picture(image)).color, 220, 30, 40) < 12
    grain = Image.effect_noise((100, 100), 20)
    dark = Image.merge("RGB", [grain.point(lambda value: value / 8)] * 3)
    dark.paste((250, 250, 250), (0, 0, 100, 40))
    assert away(main_color(dark.resize((24, 24))), 16, 16, 16) < 12


def test_cheap() -> None:
    """From a JPEG of a megapixel it takes milliseconds: only an eighth of it is decoded."""
    given = inspect(sample(ImageFormat.JPEG, 1024, 1024))
    times = []
    for _ in range(5):
        start = time.process_time()
        preview(given)
        times.append(time.process_time() - start)
    assert min(times) < 0.05
