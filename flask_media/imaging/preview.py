"""What a page shows before the picture is there: a blurred likeness and its main colour."""

from __future__ import annotations

import base64
import dataclasses
from io import BytesIO

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

MAIN_COLORS = 6
"""Groups that the colours are put into; the largest is the main one."""

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
    """The mean of the largest group of colours, as ``#rrggbb``; white where nothing is to see."""
    colors = image.convert("RGB")
    if "A" in image.getbands():
        seen = image.getchannel("A").tobytes()
        pixels = colors.tobytes()
        kept = b"".join(
            pixels[3 * place : 3 * place + 3]
            for place, alpha in enumerate(seen)
            if alpha >= OPAQUE_FROM
        )
        if not kept:
            return "#ffffff"
        colors = Image.frombytes("RGB", (len(kept) // 3, 1), kept)
    groups = colors.quantize(MAIN_COLORS, Image.Quantize.MEDIANCUT, kmeans=1)
    counts = groups.histogram()
    main = counts.index(max(counts))
    palette = groups.getpalette() or []
    return "#" + bytes(palette[3 * main : 3 * main + 3]).hex()
