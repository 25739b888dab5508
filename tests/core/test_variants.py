"""What a variant may be, and which pixels it takes; nothing is drawn here."""

from __future__ import annotations

import dataclasses
import itertools
import json
import pickle
import subprocess
import sys
from typing import Any

import pytest

from flask_media import ImageFormat
from flask_media import ImageQuality
from flask_media import InvalidRequest
from flask_media.options import MAX_PIXELS
from flask_media.options import MAX_SIDE
from flask_media.variants import MAX_VARIANTS
from flask_media.variants import Variant
from flask_media.variants import VariantFit
from flask_media.variants import check_variants

SIDES = (1, 2, 3, 7, 99, 100, 1024, 4096, 12_288, 20_000)


def test_defaults() -> None:
    """A width alone keeps the picture whole; a box is filled about the centre."""
    variant = Variant(width=256)
    assert (variant.height, variant.fit, variant.focus) == (None, VariantFit.COVER, (0.5, 0.5))
    assert (variant.format, variant.quality) == (ImageFormat.WEBP, ImageQuality.STANDARD)
    assert variant.upscale is False


def test_names_of_choices() -> None:
    """Choices are taken by name, in any case."""
    values: dict[str, Any] = {"fit": "Contain", "format": "JPG", "quality": "HIGH"}
    variant = Variant(width=9, height=9, focus=(0, 1), **values)
    assert variant.fit is VariantFit.CONTAIN
    assert variant.format is ImageFormat.JPEG
    assert variant.quality is ImageQuality.HIGH
    assert variant.focus == (0.0, 1.0)
    assert Variant(width=9, format=None).format is None


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        *[("width", value, "an int from 1 to 12,288") for value in (0, -1, 12_289, 1.5, True, "9")],
        ("width", None, "an int from 1 to 12,288"),
        *[("height", value, "or None for the picture's") for value in (0, 12_289, False, "9")],
        *[("fit", value, "'cover' or 'contain' or 'crop'") for value in ("fill", None, 1, "")],
        *[("format", value, "'png', 'jpeg', 'webp', 'avif'") for value in ("gif", 1, "", b"png")],
        *[("quality", value, "'low' or 'standard' or 'high'") for value in ("best", 80, None)],
        *[("upscale", value, "True or False") for value in (1, None, "no")],
        *[
            ("focus", value, "each from 0 (left, top) to 1")
            for value in (0.5, (0.5,), (0, 0, 0), (-0.1, 0), (0, 1.1), (float("nan"), 0), None)
        ],
        *[("focus", value, "each from 0") for value in ("ab", (True, 0), ("0", 0), {0: 1, 1: 1})],
    ],
)
def test_wrong_fields(field: str, value: Any, allowed: str) -> None:
    """A wrong value is refused with the field's name, the value and what is allowed."""
    with pytest.raises(InvalidRequest) as caught:
        Variant(**{"width": 100, "height": 100, field: value})
    assert str(caught.value).startswith(f"variant.{field} is ")
    assert allowed in str(caught.value)
    assert len(str(caught.value)) < 250


def test_huge_values() -> None:
    """What Python itself refuses to print is refused as well as anything else."""
    with pytest.raises(
        InvalidRequest, match=r"variant\.width is a huge int; allowed is an int from"
    ):
        Variant(width=10**5000)


def test_wrong_together() -> None:
    """A box with too many pixels, and a crop without a height, are refused."""
    with pytest.raises(InvalidRequest, match=r"width x height is \(12288, 12288\); .*20,000,000"):
        Variant(width=12_288, height=12_288)
    with pytest.raises(InvalidRequest, match=r"variant\.height is None; .* fit is 'crop'"):
        Variant(width=10, fit=VariantFit.CROP)


def test_frozen_equal_and_hashable() -> None:
    """Variants are values."""
    variant = Variant(width=10, height=20, focus=(0.25, 0.75))
    assert variant == Variant(width=10, height=20, focus=(0.25, 0.75))
    assert hash(variant) == hash(pickle.loads(pickle.dumps(variant)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        variant.width = 11  # type: ignore[misc]


@pytest.mark.parametrize(
    "variant",
    [
        Variant(width=1),
        Variant(width=10, height=20, fit=VariantFit.CROP, focus=(0, 1), format=None, upscale=True),
        Variant(width=10, quality=ImageQuality.LOW, format=ImageFormat.AVIF),
    ],
)
def test_round_trip_through_json(variant: Variant) -> None:
    """A variant survives JSON, also as one of several."""
    values = json.loads(json.dumps(variant.to_dict()))
    assert Variant.from_dict(values) == variant
    assert check_variants({"a": values}) == {"a": variant}


def test_short_forms() -> None:
    """Widths, boxes, fields and variants are all taken, in their order."""
    own = Variant(width=7)
    made = check_variants({"b": 256, "a": (640, 400), "l": [64, 40], "f": {"width": 9}, "v": own})
    assert list(made) == ["b", "a", "l", "f", "v"]
    assert made["b"] == Variant(width=256)
    assert made["a"] == Variant(width=640, height=400)
    assert made["l"] == Variant(width=64, height=40)
    assert made["f"] == Variant(width=9)
    assert made["v"] is own
    assert check_variants({}) == {}


@pytest.mark.parametrize("name", ["a", "thumb", "0", "-", "_", "card-2_x", "x" * 32])
def test_good_names(name: str) -> None:
    """Small letters, digits, underscore and hyphen, 32 at most."""
    assert list(check_variants({name: 1})) == [name]


@pytest.mark.parametrize(
    "name",
    ["", "Thumb", "a.b", "a/b", "..", "a b", "a\n", "\n", "é", "x" * 33, "a\0", 1, None, b"a"],
)
def test_wrong_names(name: Any) -> None:
    """Nothing that could change a key's meaning is a name."""
    with pytest.raises(InvalidRequest, match=r"variant's name is .*; allowed is 1 to 32 of a to z"):
        check_variants({name: 1})


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (0, "variant.width is 0"),
        ((0, 1), "variant.width is 0"),
        ((1, None), "variant.height is None"),
        ((1, 0), "variant.height is 0"),
        ({}, "variant has no width"),
        ({"width": 1, "size": 2}, "variant has no field 'size'; the fields are width, height"),
        ({"width": 1, 2: 2}, "variant has no field 2"),
        ((1, 2, 3), "is (1, 2, 3); allowed is a width, a box"),
        ("640x400", "is '640x400'; allowed is a width, a box"),
        (True, "is True; allowed is a width"),
        (None, "is None; allowed is a width"),
        (2.0, "is 2.0; allowed is a width"),
        ({1, 2}, "allowed is a width"),
    ],
)
def test_wrong_specs(spec: Any, said: str) -> None:
    """A wrong variant among several is named."""
    with pytest.raises(InvalidRequest) as caught:
        check_variants({"good": 10, "card": spec})
    assert str(caught.value).startswith("variants['card']")
    assert said in str(caught.value)


@pytest.mark.parametrize("specs", [None, 256, "thumb", [("thumb", 256)], {"thumb"}])
def test_what_is_no_mapping(specs: Any) -> None:
    """Variants have names."""
    with pytest.raises(InvalidRequest, match=r"variants is .*; allowed is a mapping, as"):
        check_variants(specs)


def test_too_many() -> None:
    """32 variants are taken, 33 are not."""
    names = [f"v{number}" for number in range(MAX_VARIANTS + 1)]
    assert len(check_variants(dict.fromkeys(names[:-1], 9))) == MAX_VARIANTS
    with pytest.raises(InvalidRequest, match="variants has 33; at most 32 are allowed"):
        check_variants(dict.fromkeys(names, 9))


def test_too_large_together() -> None:
    """The pixels of all are bounded, since they are in memory at once; formats share theirs."""
    values: dict[str, Any] = {"width": 12_000}
    five = {f"v{number}": values | {"focus": (0, number / 9)} for number in range(5)}
    assert len(check_variants(five)) == 5
    with pytest.raises(InvalidRequest, match="120,000,000 pixels in all; at most 100,000,000"):
        check_variants(five | {"more": {"width": 12_288}})
    formats = {known: values | {"format": known} for known in ("png", "jpeg", "webp", "avif")}
    assert len(check_variants(formats | {"a": values | {"quality": "low"}, "b": 3000})) == 6
    assert len(check_variants({f"w{width}": width for width in range(160, 3000, 100)})) == 29


@pytest.mark.parametrize(
    ("picture", "values", "pixels"),
    [
        ((1024, 768), {"width": 256}, (256, 192)),
        ((100, 50), {"width": 256}, (100, 50)),
        ((100, 50), {"width": 256, "upscale": True}, (256, 128)),
        ((1024, 768), {"width": 640, "height": 400}, (640, 400)),
        ((100, 50), {"width": 640, "height": 400}, (80, 50)),
        ((100, 50), {"width": 640, "height": 400, "upscale": True}, (640, 400)),
        ((1024, 768), {"width": 640, "height": 400, "fit": "contain"}, (533, 400)),
        ((100, 50), {"width": 640, "height": 400, "fit": "contain"}, (100, 50)),
        ((100, 50), {"width": 640, "height": 400, "fit": "contain", "upscale": True}, (640, 320)),
        ((1024, 768), {"width": 640, "height": 400, "fit": "crop"}, (640, 400)),
        ((1024, 300), {"width": 640, "height": 400, "fit": "crop"}, (640, 300)),
        ((100, 300), {"width": 50, "height": 600, "fit": "crop", "upscale": True}, (50, 600)),
        ((3000, 1), {"width": 100}, (100, 1)),
        ((3000, 1), {"width": 100, "height": 100}, (1, 1)),
        ((1, 20_000), {"width": 100}, (1, MAX_SIDE)),
        ((1, 3000), {"width": 100, "upscale": True}, (4, MAX_SIDE)),
        ((8000, 5000), {"width": 8000}, (5656, 3535)),
    ],
)
def test_pixels(picture: tuple[int, int], values: dict[str, Any], pixels: tuple[int, int]) -> None:
    """The pixels of a variant are known before it is made."""
    assert Variant(**values).pixels(*picture) == pixels


@pytest.mark.parametrize("fit", VariantFit)
@pytest.mark.parametrize("upscale", [False, True])
def test_every_cut_is_possible(fit: VariantFit, upscale: bool) -> None:
    """Of every picture every variant is a part that lies in it, never stretched or too large."""
    boxes = [box for box in itertools.product((*SIDES[:-1], None), repeat=2) if box[0]]
    for focus in ((0.5, 0.5), (0.0, 1.0), (0.3, 0.9)):
        for (across, down), picture in itertools.product(boxes, itertools.product(SIDES, repeat=2)):
            if picture[0] * picture[1] > 40_000_000 or (across or 1) * (down or 1) > MAX_PIXELS:
                continue
            if fit is VariantFit.CROP and down is None:
                continue
            assert across is not None
            variant = Variant(width=across, height=down, fit=fit, focus=focus, upscale=upscale)
            (left, top, right, bottom), (width, height) = variant.cut(*picture)
            assert 0 <= left < right <= picture[0]
            assert 0 <= top < bottom <= picture[1]
            assert 1 <= min(width, height) <= max(width, height) <= MAX_SIDE
            assert width * height <= MAX_PIXELS
            if down is not None:
                assert width <= across
                assert height <= down
            if not upscale:
                assert width <= picture[0]
                assert height <= picture[1]
            elif down is not None and fit is VariantFit.COVER:
                assert (width, height) == (across, down)
            # Not stretched: one scale makes both sides, but for less than a pixel.
            sides = ((width, right - left), (height, bottom - top))
            assert max((new - 1) / old for new, old in sides) <= min(
                (new + 1) / old for new, old in sides
            )


@pytest.mark.parametrize(
    ("focus", "box"),
    [
        ((0.5, 0.5), (50, 0, 150, 100)),
        ((0, 0.5), (0, 0, 100, 100)),
        ((1, 0), (100, 0, 200, 100)),
        ((0.3, 1), (10, 0, 110, 100)),
    ],
)
def test_focus(focus: tuple[float, float], box: tuple[float, ...]) -> None:
    """The focus is in the middle as far as the edges allow."""
    assert Variant(width=10, height=10, focus=focus).cut(200, 100) == (box, (10, 10))


def test_no_pillow() -> None:
    """A template that asks for sizes loads no Pillow."""
    code = (
        "import sys; from flask_media.variants import Variant; Variant(width=9).pixels(9, 9); "
        "sys.exit('PIL' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
