"""Pixels to bytes, with settings chosen by measurement (``python -m tests.bench.encoders``)."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import Any

from PIL import Image  # noqa: TID253 - this package is imported where it is first needed

from ..options import ImageFormat
from ..options import ImageQuality
from ..values import MODEL_MADE
from ..values import Marks
from .inspect import guarded
from .marks import save_options
from .memory import LARGE_PIXELS

QUALITIES: dict[ImageFormat, dict[ImageQuality, int]] = {
    ImageFormat.JPEG: {ImageQuality.LOW: 75, ImageQuality.STANDARD: 85, ImageQuality.HIGH: 92},
    ImageFormat.WEBP: {ImageQuality.LOW: 70, ImageQuality.STANDARD: 80, ImageQuality.HIGH: 90},
    ImageFormat.AVIF: {ImageQuality.LOW: 55, ImageQuality.STANDARD: 65, ImageQuality.HIGH: 80},
}
"""Each encoder's own quality number."""

FULL_COLOR_FROM = 90
"""JPEG quality from which colours are stored at full resolution."""

SAMPLE_BANDS, SAMPLE_ROWS = 3, 6
"""Rows of a picture that PNG settings are tried on: 18 of 1,080, 2 % of the work a try."""

FEW_COLORS = 1 / 8
"""A drawing shrinks to less than this part of its bytes; grain and photographs to over a third."""


def encode(
    image: Image.Image,
    file_format: ImageFormat,
    quality: ImageQuality = ImageQuality.STANDARD,
    *,
    compression: int | None = None,
    marks: Marks = MODEL_MADE,
) -> bytes:
    """The picture as a file without metadata, but for the marks that it shall have.

    :param image: of mode L, LA, RGB or RGBA.
    :param compression: encoder quality of JPEG, WebP and AVIF, 1 to 100, instead of that of
        ``quality``.
    :param marks: what it says of its origin.
    :raises InvalidImage: the format can't hold it, as a WebP of over 16,383 pixels a side.
    """
    options: dict[str, Any] = save_options(file_format, marks)
    if file_format is ImageFormat.PNG:
        options |= png_settings(image)
    else:
        options["quality"] = compression or QUALITIES[file_format][quality]
    if file_format is ImageFormat.JPEG:
        image = on_white(image)
        options |= {
            # Which keeps all coefficients, 6 bytes a pixel, to save a twentieth of the file.
            "optimize": image.width * image.height < LARGE_PIXELS,
            "subsampling": "4:4:4" if options["quality"] >= FULL_COLOR_FROM else "4:2:0",
        }
    elif file_format is ImageFormat.WEBP:
        options |= {"method": 2}
    elif file_format is ImageFormat.AVIF:
        # One thread: a web server has its cores busy with other requests.
        options |= {"speed": 9, "max_threads": 1}
    file = BytesIO()
    guarded(file_format, image.save, file, file_format.name, **options)
    return file.getvalue()


def png_settings(image: Image.Image) -> dict[str, int]:
    """The settings of zlib that suit the picture, tried on a few of its rows.

    Drawings pack best at level 4, and quickly; grain is smallest at level 1, photographs with runs
    only. Pillow's default level takes up to five times as long and gains 2 % at most.
    """
    sample = _sample(image)
    settings = ({"compress_level": 1}, {"compress_type": zlib.Z_RLE})
    sizes = []
    for tried in settings:
        file = BytesIO()
        sample.save(file, "PNG", **tried)
        sizes.append(file.tell())
    if min(sizes) < sample.width * sample.height * len(sample.getbands()) * FEW_COLORS:
        return {"compress_level": 4}
    return settings[sizes.index(min(sizes))]


def _sample(image: Image.Image) -> Image.Image:
    if image.height <= SAMPLE_BANDS * SAMPLE_ROWS:
        return image
    sample = Image.new(image.mode, (image.width, SAMPLE_BANDS * SAMPLE_ROWS))
    for band in range(SAMPLE_BANDS):
        top = (2 * band + 1) * image.height // (2 * SAMPLE_BANDS) - SAMPLE_ROWS // 2
        rows = image.crop((0, top, image.width, top + SAMPLE_ROWS))
        sample.paste(rows, (0, band * SAMPLE_ROWS))
    return sample


def on_white(image: Image.Image) -> Image.Image:
    """The picture without transparency, as it looks on white paper."""
    if image.mode not in ("LA", "RGBA"):
        return image
    mode = image.mode[:-1]
    paper = Image.new(mode, image.size, "white")
    paper.paste(image.convert(mode), mask=image.getchannel("A"))
    return paper
