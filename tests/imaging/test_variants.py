"""Variants of real pictures: exact pixels, the right part of them, and nothing of the old file."""

from __future__ import annotations

import random
from typing import Any

import pytest
from PIL import Image
from PIL import ImageChops
from PIL import ImageStat

from flask_media.errors import InvalidImage
from flask_media.errors import InvalidRequest
from flask_media.imaging import derive
from flask_media.imaging import fit
from flask_media.imaging import inspect
from flask_media.imaging import make_variants
from flask_media.imaging import preview
from flask_media.imaging import render
from flask_media.imaging.marks import GENERATED
from flask_media.options import ImageFormat
from flask_media.values import Marks
from flask_media.values import Picture
from flask_media.variants import Variant
from flask_media.variants import VariantFit
from flask_media.variants import VariantSpec

from .files import ALL
from .files import exif
from .files import load
from .files import photo
from .files import sample
from .test_render import corners
from .test_render import picture
from .test_render import quarters
from .test_render import wide_profile

MIXED: dict[str, VariantSpec] = {
    "wide": 300,
    "thumb": 64,
    "card": (128, 80),
    "tall": Variant(width=20, height=90, focus=(1, 0)),
    "inside": Variant(width=100, height=100, fit=VariantFit.CONTAIN),
    "cut": Variant(width=50, height=40, fit=VariantFit.CROP),
    "large": Variant(width=900, upscale=True),
}
"""Of 400 x 240 pixels."""
SIZES = {
    "wide": (300, 180),
    "thumb": (64, 38),
    "card": (128, 80),
    "tall": (20, 90),
    "inside": (100, 60),
    "cut": (50, 40),
    "large": (900, 540),
}


def pixel(image: Image.Image, across: float, down: float) -> tuple[int, ...]:
    """The colour at a point, each from 0 to 1."""
    place = int(across * (image.width - 1)), int(down * (image.height - 1))
    found = image.convert("RGB").getpixel(place)
    assert isinstance(found, tuple)
    return tuple(int(value) for value in found)


def ramps(width: int, height: int) -> Image.Image:
    """Red grows from left to right, green from the top down: a colour says where it was."""
    across = Image.linear_gradient("L").rotate(90).resize((width, height))
    down = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (across, down, Image.new("L", (width, height), 128)))


def away(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures of the same size."""
    assert one.size == other.size
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)


@pytest.mark.parametrize("target", [*ALL, None])
@pytest.mark.parametrize("source", ALL)
def test_every_format(source: ImageFormat, target: ImageFormat | None) -> None:
    """Each variant has its pixels and its format, and is a good file."""
    given = inspect(sample(source, 400, 240))
    values: dict[str, Any] = {"a": 200, "b": (64, 64), "c": 50}
    specs = {
        name: Variant(width=value, format=target)
        if isinstance(value, int)
        else Variant(width=value[0], height=value[1], format=target)
        for name, value in values.items()
    }
    made = make_variants(given, specs)
    assert [(one.width, one.height) for one in made.values()] == [(200, 120), (64, 64), (50, 30)]
    for one in made.values():
        assert one.format is (target or source)
        assert inspect(one.data, decode=True) == one


def test_mixed_sizes() -> None:
    """Every kind of variant has the pixels that its spec foretold, in the order asked for."""
    given = inspect(sample(ImageFormat.PNG, 400, 240))
    made = make_variants(given, MIXED)
    assert list(made) == list(MIXED)
    assert {name: load(one.data).size for name, one in made.items()} == SIZES
    assert {name: (one.width, one.height) for name, one in made.items()} == SIZES
    assert {one.format for one in made.values()} == {ImageFormat.WEBP}


@pytest.mark.parametrize("source", [ImageFormat.PNG, ImageFormat.JPEG])
@pytest.mark.parametrize("large", [False, True])
def test_each_is_what_it_would_be_alone(
    source: ImageFormat, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variant looks the same whether it is made alone, with others, or in bands."""
    given = picture(ramps(400, 240), source, **({"quality": 95} if source == "jpeg" else {}))
    if large:
        monkeypatch.setattr(fit, "LARGE_PIXELS", 1)
        monkeypatch.setattr(fit, "BAND_PIXELS", 400 * 64)
    together = make_variants(given, MIXED)
    monkeypatch.undo()
    for name, spec in MIXED.items():
        alone = make_variants(given, {name: spec})[name]
        assert away(load(together[name].data), load(alone.data)) < 2.5


@pytest.mark.parametrize("fit_mode", VariantFit)
@pytest.mark.parametrize(
    ("focus", "inside"),
    [((0.5, 0.5), (0.5, 0.5)), ((0, 0), (0, 0)), ((1, 1), (1, 1)), ((0.1, 0.8), (0.1, 0.8))],
)
def test_focus(
    fit_mode: VariantFit, focus: tuple[float, float], inside: tuple[float, float]
) -> None:
    """What is cut out lies about the focus; the colours say where it was."""
    image = ramps(400, 200)
    variant = Variant(width=80, height=80, fit=fit_mode, focus=focus, format=ImageFormat.PNG)
    made = load(make_variants(picture(image), {"a": variant})["a"].data)
    left, top, across, down = {
        # The largest square, 80 pixels as they are, and all of it.
        VariantFit.COVER: (min(max(400 * focus[0] - 100, 0), 200), 0, 200, 200),
        VariantFit.CROP: (
            min(max(400 * focus[0] - 40, 0), 320),
            min(max(200 * focus[1] - 40, 0), 120),
            80,
            80,
        ),
        VariantFit.CONTAIN: (0, 0, 400, 200),
    }[fit_mode]
    assert made.size == ((80, 40) if fit_mode is VariantFit.CONTAIN else (80, 80))
    for x, y in ((0, 0), (0.5, 0.5), (1, 1), (1, 0), inside):
        red, green, _ = pixel(made, x, y)
        assert abs(red - 255 * (left + x * across) / 400) < 5
        assert abs(green - 255 * (top + y * down) / 200) < 5


def test_crop_is_not_scaled() -> None:
    """A crop has the very pixels of the picture, transparent ones too."""
    image = photo(300, 200, "RGBA")
    image.putalpha(Image.linear_gradient("L").resize((300, 200)))
    variant = Variant(width=33, height=17, fit=VariantFit.CROP, focus=(0.3, 0.6), format=None)
    made = load(make_variants(picture(image), {"a": variant})["a"].data)
    left, top, _, _ = (int(edge) for edge in variant.cut(300, 200).box)
    assert made.tobytes() == image.crop((left, top, left + 33, top + 17)).tobytes()
    whole = make_variants(picture(image), {"a": Variant(width=300, format=None)})["a"]
    assert load(whole.data).tobytes() == image.tobytes()


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("file_format", ALL)
def test_turned_upright(turn: int, file_format: ImageFormat) -> None:
    """Variants are upright, and cut where the upright picture has the focus."""
    undo = {**fit.TURNS, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    upright = quarters(320, 160)
    stored = upright.transpose(undo[turn]) if turn > 1 else upright
    given = picture(stored, file_format, exif=exif(turn))
    specs: dict[str, VariantSpec] = {
        "whole": 160,
        "small": 40,
        "box": (60, 60),
        "red": Variant(width=64, height=64, fit=VariantFit.CROP, focus=(0.2, 0.2)),
        "green": Variant(width=30, height=30, focus=(0.9, 0.2)),
        "blue": Variant(width=80, height=70, fit=VariantFit.CROP, focus=(1, 1)),
    }
    made = {name: load(one.data) for name, one in make_variants(given, specs).items()}
    sizes = [(160, 80), (40, 20), (60, 60), (64, 64), (30, 30), (80, 70)]
    assert [one.size for one in made.values()] == sizes
    for name in ("whole", "small", "box"):
        assert corners(made[name]) == [0, 1, 2, 3]
    assert corners(made["red"]) == [0] * 4
    assert corners(made["green"]) == [1, 1, 2, 2]
    assert corners(made["blue"]) == [2] * 4


@pytest.mark.parametrize("generated", [True, False])
@pytest.mark.parametrize("source", ALL)
def test_mark_and_nothing_else(source: ImageFormat, generated: bool) -> None:
    """Variants have the mark of generated media, if they are, and nothing of the old file."""
    notes: dict[str, Any] = {"exif": exif(1)}
    if source is ImageFormat.JPEG:
        notes["comment"] = b"secret"
    given = picture(photo(120, 90), source, **notes)
    # One of them needs no scaling: it is encoded anew all the same.
    formats: dict[str, VariantSpec] = {
        file_format: Variant(width=width, format=file_format)
        for file_format in ALL
        for width in (60, 120)
    }
    for one in derive(given, formats, marks=Marks(generated=generated)).variants.values():
        assert b"secret" not in one.data
        assert b"Exif" not in one.data
        info = load(one.data).info
        assert not {"exif", "comment", "icc_profile", "dpi"} & info.keys()
        assert (f'DigitalSourceType="{GENERATED}"'.encode() in info.get("xmp", b"")) is generated


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_alpha(mode: str) -> None:
    """Transparent stays transparent without dark edges, and lies on white in a JPEG."""
    image = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    image.paste((250, 250, 250, 255), (100, 0, 200, 200))
    given = picture(image.convert(mode))
    specs: dict[str, VariantSpec] = {
        "webp": 50,
        "small": 20,
        "png": Variant(width=50, format=ImageFormat.PNG),
        "avif": Variant(width=50, format=ImageFormat.AVIF),
        "jpeg": Variant(width=50, format=ImageFormat.JPEG),
        "half": Variant(width=40, height=100, focus=(1, 0)),
    }
    made = {name: load(one.data) for name, one in make_variants(given, specs).items()}
    for name in ("webp", "small", "png", "avif"):
        alpha = made[name].getchannel("A")
        assert alpha.getpixel((1, 10)) == 0
        assert alpha.getpixel((alpha.width - 2, 10)) == 255
        on_white = Image.new("RGBA", made[name].size, "white")
        on_white.alpha_composite(made[name].convert("RGBA"))
        assert min(on_white.convert("L").tobytes()) > 225
    assert min(made["jpeg"].convert("L").tobytes()) > 240
    assert made["half"].mode == "RGB"  # nothing of it is transparent


def test_needless_alpha_goes() -> None:
    """A picture that is opaque throughout has no alpha channel in its variants."""
    opaque = picture(photo(100, 100, "RGBA"))
    for one in make_variants(opaque, {"a": 50, "b": Variant(width=9, format=None)}).values():
        assert load(one.data).mode == "RGB"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_modes(mode: str) -> None:
    """Every kind of picture keeps its lightness."""
    source = ImageFormat.JPEG if mode == "CMYK" else ImageFormat.PNG
    ramp = Image.linear_gradient("L")
    if mode == "I;16":
        wide = b"".join(bytes([value, value]) for value in ramp.tobytes())
        image = Image.frombytes("I;16", ramp.size, wide)
    elif mode == "P":
        image = ramp.quantize(256)
    else:
        image = ramp.convert("RGB").convert(mode) if mode == "CMYK" else ramp.convert(mode)
    for name, one in make_variants(picture(image, source), {"half": 128, "small": 16}).items():
        wanted = ramp.resize((one.width, one.height))
        assert away(load(one.data).convert("L"), wanted) < (40 if mode == "1" else 8), name


def test_other_colour_spaces() -> None:
    """Colours of another profile are brought to sRGB, in every variant alike."""
    given = picture(Image.new("RGB", (160, 160), (255, 0, 0)), icc_profile=wide_profile())
    made = derive(given, {"a": 100, "b": (40, 20), "c": Variant(width=160, format=None), "d": 8})
    for one in made.variants.values():
        red, _, blue = pixel(load(one.data), 0.5, 0.5)
        assert blue > 200
        assert red < 60
    assert int(made.preview.color[5:], 16) > 200


def test_chain_is_as_good_as_the_source() -> None:
    """Variants made of other variants differ from those made of the source by next to nothing."""
    given = inspect(sample(ImageFormat.PNG, 800, 600))
    widths: dict[str, VariantSpec] = {
        str(width): Variant(width=width, format=ImageFormat.PNG) for width in (640, 400, 200, 60)
    }
    image = load(given.data)
    for one in make_variants(given, widths).values():
        direct = image.resize((one.width, one.height), Image.Resampling.LANCZOS)
        assert away(load(one.data), direct) < 1.5


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 2), (2, 1), (3, 3000), (3000, 3), (1, 4000), (4000, 1), (1, 20_000)]
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_extreme_proportions(size: tuple[int, int], mode: str) -> None:
    """One pixel, lines and ribbons have variants too."""
    given = picture(Image.new(mode, size, (200, 100, 50)))
    specs: dict[str, VariantSpec] = {
        "width": 100,
        "box": (640, 400),
        "dot": (1, 1),
        "inside": Variant(width=30, height=30, fit=VariantFit.CONTAIN, upscale=True),
        "grown": Variant(width=64, height=48, upscale=True),
        "cut": Variant(width=10, height=10, fit=VariantFit.CROP),
    }
    made = derive(given, specs)
    for name, one in made.variants.items():
        spec = specs[name]
        known = spec.pixels(*size) if isinstance(spec, Variant) else (one.width, one.height)
        assert load(one.data).size == (one.width, one.height) == known
        found = pixel(load(one.data), 0.5, 0.5)
        assert all(abs(a - b) < 12 for a, b in zip(found, (200, 100, 50), strict=True))
    assert made.variants["grown"].width == 64
    assert len(made.preview.placeholder) + len(made.preview.color) < 1000


def test_sweep() -> None:
    """A few hundred pictures and variants at random: always the pixels foretold, a good file."""
    choose = random.Random(5)
    for _ in range(60):
        size = choose.choice([1, 5, 33, 160, 401]), choose.choice([1, 4, 50, 99, 300])
        source = choose.choice([ImageFormat.PNG, ImageFormat.JPEG, ImageFormat.WEBP])
        turn = choose.randint(1, 8)
        mode = choose.choice(["L", "RGB"] if source is ImageFormat.JPEG else ["RGB", "RGBA"])
        given = picture(photo(*size, mode), source, exif=exif(turn))
        upright = size[::-1] if turn > 4 else size
        specs = {}
        for number in range(choose.randint(1, 6)):
            specs[f"v{number}"] = Variant(
                width=choose.choice([1, 7, 64, 200, 500]),
                height=choose.choice([1, 8, 64, 300]),
                fit=choose.choice(list(VariantFit)),
                focus=(choose.random(), choose.random()),
                format=choose.choice([ImageFormat.WEBP, ImageFormat.JPEG, ImageFormat.PNG]),
                upscale=choose.random() < 0.3,
            )
        for name, one in make_variants(given, specs).items():
            assert (one.width, one.height) == specs[name].pixels(*upright)
            assert inspect(one.data, decode=True) == one


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_reduced_in_bands(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large picture that is averaged in bands has the pixels of one averaged at once."""
    image = photo(203, 1501).convert(mode)
    if mode != "RGB":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    whole = fit.reduced(image, 4)
    assert whole.size == (51, 376)
    monkeypatch.setattr(fit, "LARGE_PIXELS", 1)
    assert fit.reduced(image, 4).tobytes() == whole.tobytes()


def test_huge_picture() -> None:
    """A picture of 36 megapixels has small variants that look like it."""
    ramp = Image.linear_gradient("L").resize((6000, 6000))
    given = picture(ramp, compress_level=1)
    made = derive(given, {"a": 300, "b": (64, 32)})
    assert away(load(made.variants["a"].data).convert("L"), ramp.resize((300, 300))) < 2
    assert (made.variants["b"].width, made.variants["b"].height) == (64, 32)


def test_nothing_asked_for() -> None:
    """No variants: nothing is decoded; a preview can be had all the same."""
    damaged = Picture(data=b"not a picture", format=ImageFormat.PNG, width=1, height=1)
    assert make_variants(damaged, {}) == {}
    given = inspect(sample(ImageFormat.PNG))
    assert derive(given, {}) == ({}, preview(given))


def test_wrong_specs_before_any_work() -> None:
    """A wrong spec is refused before the picture is looked at."""
    damaged = Picture(data=b"not a picture", format=ImageFormat.PNG, width=1, height=1)
    specs: Any = {"good": 10, "bad name": 10}
    for work in (make_variants, derive):
        with pytest.raises(InvalidRequest, match="bad name"):
            work(damaged, specs)


def test_damaged_picture() -> None:
    """What can't be decoded is one error."""
    data = bytearray(sample(ImageFormat.WEBP, 200, 200))
    given = Picture(data=bytes(data[:-40]), format=ImageFormat.WEBP, width=200, height=200)
    for work in (make_variants, derive):
        with pytest.raises(InvalidImage):
            work(given, {"a": 10})


def test_same_as_render() -> None:
    """A box is what ``render`` makes of the picture in that size."""
    given = inspect(sample(ImageFormat.PNG, 400, 240))
    rendered = render(given, width=90, height=120, format=ImageFormat.PNG)
    variant = Variant(width=90, height=120, format=ImageFormat.PNG)
    assert away(load(make_variants(given, {"a": variant})["a"].data), load(rendered.data)) < 0.5
