"""What a page shows before the picture is there: a blurred likeness and its main colour."""

from __future__ import annotations

import base64
import dataclasses
from collections import Counter
from io import BytesIO
from itertools import product

from PIL import Image  # noqa: TID253 - this package is imported where it is first needed

from ..options import ImageFormat
from ..values import Picture
from ..variants import Variant
from ..variants import VariantFit
from .cuts import cut_all
from .inspect import guarded

PREVIEW_SIDE = 24
"""Longest side of the likeness, in pixels; at 32 it is half as large again and looks the same."""

THUMB = Variant(width=PREVIEW_SIDE, height=PREVIEW_SIDE, fit=VariantFit.CONTAIN)
"""The pixels that all of it is made of."""

MAX_URI_CHARS = 960
"""Longest data URI: with the colour it stays below 1 kB."""

STEPS = ((PREVIEW_SIDE, 30), (PREVIEW_SIDE, 5), (16, 5), (8, 5))
"""Longest side and WebP quality to try until it is short enough; noise alone needs the second."""

AROUND = [red * 1024 + green * 32 + blue for red, green, blue in product((-1, 0, 1), repeat=3)]
"""From a bin of colours (16 values wide each way) to those that touch it, and to itself."""

OPAQUE_FROM = 128
"""Alpha from which a pixel's colour counts."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preview:
    """Placeholder data of a picture; less than 1 kB in all."""

    placeholder: str
    """A tiny WebP as a ``data:`` URI, for a background that browsers blur by enlarging it."""
    color: str
    """The main colour as ``#rrggbb``."""


def preview(picture: Picture) -> Preview:
    """The placeholder data of a picture; a JPEG is decoded at an eighth of its size.

    Where variants are made too, :func:`~flask_media.imaging.derive` has it from the same
    decoding.

    :param picture: a verified picture.
    :raises InvalidImage: it can't be decoded.
    """
    [(_, image)] = cut_all(picture, [THUMB])
    return preview_of(image)


def preview_of(image: Image.Image) -> Preview:
    """The placeholder data of pixels: L, LA, RGB or RGBA, :data:`PREVIEW_SIDE` at most."""
    return Preview(placeholder=_data_uri(image), color=main_color(image))


def _data_uri(image: Image.Image) -> str:
    uri = ""
    for side, quality in STEPS:
        small = image.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        file = BytesIO()
        options = {"quality": quality, "alpha_quality": quality, "method": 4}
        guarded(ImageFormat.WEBP, small.save, file, "WEBP", **options)
        uri = "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
        if len(uri) <= MAX_URI_CHARS:
            break
    return uri


def main_color(image: Image.Image) -> str:
    """The mean of the colours that lie closest together in the picture, as ``#rrggbb``.

    White where all is transparent. For a few hundred pixels, at a millisecond.
    """
    values = image.convert("RGB").tobytes()
    colors = list(zip(values[::3], values[1::3], values[2::3], strict=True))
    if "A" in image.getbands():
        seen = image.getchannel("A").tobytes()
        colors = [color for color, alpha in zip(colors, seen, strict=True) if alpha >= OPAQUE_FROM]
        if not colors:
            return "#ffffff"
    places = [(red >> 4) << 10 | (green >> 4) << 5 | blue >> 4 for red, green, blue in colors]
    counts = Counter(places)
    count = dict(counts).get
    main = max(sorted(counts), key=lambda place: sum(count(place + step, 0) for step in AROUND))
    near = {main + step for step in AROUND}
    group = [color for color, place in zip(colors, places, strict=True) if place in near]
    return "#" + bytes(round(sum(part) / len(group)) for part in zip(*group, strict=True)).hex()
