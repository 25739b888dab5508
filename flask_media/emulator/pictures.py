"""The pictures that the emulator hands out: drawn from a seed, alike for alike arguments."""

from __future__ import annotations

import base64
import colorsys
import functools
import io
import random
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

RATIOS_1K = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
    "1:4": (512, 2048),
    "4:1": (2048, 512),
    "1:8": (384, 3072),
    "8:1": (3072, 384),
}
"""Width and height in pixels by aspect ratio at 1K, kept apart from the client's own table so that
a slip in one of the two shows."""

SCALES = {"512": 0.5, "1K": 1.0, "2K": 2.0, "4K": 4.0}
"""Factor on both sides by size step."""

PNG_HEAD_BYTES = 8 + 25
"""Length of a PNG's signature and IHDR chunk: where further chunks can go."""


@functools.lru_cache(maxsize=64)
def make_picture(mime: str, width: int, height: int, size_bytes: int = 0, seed: int = 0) -> bytes:
    """A picture that every decoder reads.

    :param mime: ``image/png``, ``image/jpeg`` or ``image/webp``.
    :param width: in pixels.
    :param height: in pixels.
    :param size_bytes: a PNG is padded to about that many bytes with a private chunk of random
        data, which decoders skip: it costs the wire and base64 what a photograph costs.
    :param seed: another seed, other colours.
    """
    file = io.BytesIO()
    options = {"compress_level": 1} if mime == "image/png" else {}
    _scene(width, height, seed).save(file, mime.removeprefix("image/").upper(), **options)
    data = file.getvalue()
    missing = size_bytes - len(data) - 12
    if mime == "image/png" and missing > 0:
        padding = _chunk(b"stUb", random.Random(seed).randbytes(missing))  # noqa: S311 (filler)
        data = data[:PNG_HEAD_BYTES] + padding + data[PNG_HEAD_BYTES:]
    return data


@functools.lru_cache(maxsize=64)
def picture_base64(mime: str, width: int, height: int, size_bytes: int, seed: int) -> str:
    """:func:`make_picture` as the API sends it."""
    return base64.b64encode(make_picture(mime, width, height, size_bytes, seed)).decode()


def _chunk(tag: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))


def _scene(width: int, height: int, seed: int) -> Image:
    """A sun over hills under a graded sky; the seed turns the hue."""
    from PIL import Image
    from PIL import ImageDraw

    dice = random.Random(seed)  # noqa: S311 (colours)
    hue = dice.random()
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    for y in range(height):
        draw.line((0, y, width, y), _colour(hue, 0.65 - 0.5 * y / height, 0.75 + 0.2 * y / height))
    radius, x = min(width, height) / 8, width * (0.25 + 0.5 * dice.random())
    sun = (x - radius, height / 3 - radius, x + radius, height / 3 + radius)
    draw.ellipse(sun, _colour(0.12, 0.3, 1.0))
    for layer in range(3):
        top = height * (0.55 + 0.14 * layer)
        ridge = [(width * i / 6, top + height * 0.12 * dice.random()) for i in range(7)]
        shade = _colour(hue + 0.08 * layer, 0.5, 0.55 - 0.15 * layer)
        draw.polygon([(0, height), *ridge, (width, height)], shade)
    return image


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)
