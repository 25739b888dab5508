"""Exact pixels: cropped about the centre, scaled in one step, never stretched."""

from __future__ import annotations

import math
from io import BytesIO

from PIL import Image  # noqa: TID253 - this package is imported where it is first needed
from PIL import ImageCms  # noqa: TID253

from ..options import ImageFormat
from ..values import Picture
from .inspect import guarded
from .inspect import open_image
from .inspect import read_shell
from .memory import LARGE_PIXELS
from .memory import give_back

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How each EXIF orientation is made upright."""

SCALABLE = ("L", "LA", "RGB", "RGBA", "CMYK")
"""Modes that Lanczos and the encoders take as they are."""

DRAFT_GAP = 2
"""JPEG is decoded to at least so many times the size wanted: nearer, and Lanczos loses detail."""


BAND_PIXELS = 48 * 1024
"""Of the result, in each of the bands that a large picture is scaled in: some 25 rows of 1920."""


def fitted(
    picture: Picture,
    width: int | None = None,
    height: int | None = None,
    *,
    longest: int | None = None,
) -> Image.Image:
    """Decode the picture upright, in sRGB, with exactly these pixels (None: as it has).

    :param longest: instead of both: the longest side, in pixels; the other in proportion.
    :raises InvalidImage: it can't be decoded.
    """
    image, profile = open_picture(picture)
    turn = picture.orientation
    upright = _turned(image.size, turn)
    wanted = (width or upright[0], height or upright[1])
    if longest is not None and max(upright) > longest:
        scale = longest / max(upright)
        wanted = (max(1, round(upright[0] * scale)), max(1, round(upright[1] * scale)))
    wanted = _turned(wanted, turn)
    decode(picture.format, image, wanted)
    small = scaled(image, wanted, crop_box(image.size, wanted))
    pixels = image.width * image.height
    del image  # the large one goes before anything else is made
    give_back(pixels)
    return finished(small, turn, profile)


def _turned(size: tuple[int, int], turn: int) -> tuple[int, int]:
    return (size[1], size[0]) if turn > 4 else size


def open_picture(picture: Picture) -> tuple[Image.Image, bytes]:
    """The picture, not yet decoded, and its colour profile."""
    shell = read_shell(picture.data)
    image = open_image(picture.data, shell)
    return image, image.info.get("icc_profile") or b""


def decode(file_format: ImageFormat, image: Image.Image, wanted: tuple[float, float]) -> None:
    """Decode an open picture, a JPEG no larger than it takes to scale it to that size.

    :raises InvalidImage: it can't be decoded.
    """
    if file_format is ImageFormat.JPEG:
        rough = (math.ceil(wanted[0] * DRAFT_GAP), math.ceil(wanted[1] * DRAFT_GAP))
        guarded(file_format, image.draft, None, rough)
    guarded(file_format, image.load)


def finished(small: Image.Image, turn: int, profile: bytes) -> Image.Image:
    """Scaled pixels in sRGB and upright."""
    small = _to_srgb(small, profile)
    if turn in TURNS:
        small = small.transpose(TURNS[turn])
    small.info = {}  # nothing of the file goes over into the next one
    return small


def scaled(
    image: Image.Image, wanted: tuple[int, int], box: tuple[float, float, float, float]
) -> Image.Image:
    """That part of the picture in that size; the very picture where that is all of it."""
    image = scalable(image)
    if box == (0, 0, *image.size) and image.size == wanted:
        return image
    left, top, right, bottom = box
    if (right - left, bottom - top) == wanted and left % 1 == top % 1 == 0:
        # Nothing is scaled: not even what resize() loses of transparent colours.
        return image.crop((int(left), int(top), int(right), int(bottom)))
    if image.width * image.height < LARGE_PIXELS:
        return image.resize(wanted, Image.Resampling.LANCZOS, box=(left, top, right, bottom))
    # The same arithmetic in bands: what lies between the two passes of a large picture (and the
    # premultiplied copy of a transparent one) would add a third to the peak of memory.
    scale = (bottom - top) / wanted[1]
    reach = 3 * max(scale, 1) + 1  # of Lanczos, in source pixels
    result = Image.new(image.mode, wanted)
    height = max(1, BAND_PIXELS // wanted[0])
    for row in range(0, wanted[1], height):
        rows = min(height, wanted[1] - row)
        start, stop = top + row * scale, top + (row + rows) * scale
        first, source = 0, image
        if "A" in image.mode:  # resize() premultiplies all that it is given
            first = max(0, math.floor(start - reach))
            source = image.crop((0, first, image.width, min(image.height, math.ceil(stop + reach))))
        box = (left, start - first, right, min(stop, image.height) - first)
        band = source.resize((wanted[0], rows), Image.Resampling.LANCZOS, box=box)
        result.paste(band, (0, row))
        del band  # before the next one is made
    return result


def reduced(image: Image.Image, factor: int) -> Image.Image:
    """The picture with the mean of each ``factor`` x ``factor`` pixels: ten times Lanczos' pace."""
    image = scalable(image)
    if "A" not in image.mode or image.width * image.height < LARGE_PIXELS:
        return image.reduce(factor)
    result = Image.new(image.mode, (-(-image.width // factor), -(-image.height // factor)))
    height = max(1, BAND_PIXELS // result.width)
    for row in range(0, result.height, height):  # reduce() premultiplies all that it is given
        rows = (row * factor, min(image.height, (row + height) * factor))
        band = image.crop((0, rows[0], image.width, rows[1]))
        result.paste(band.reduce(factor), (0, row))
    return result


def crop_box(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest part of ``size`` about its centre that has the proportions of ``wanted``."""
    scale = min(size[0] / wanted[0], size[1] / wanted[1])
    across, down = min(wanted[0] * scale, size[0]), min(wanted[1] * scale, size[1])
    left, top = (size[0] - across) / 2, (size[1] - down) / 2
    return left, top, left + across, top + down


def scalable(image: Image.Image) -> Image.Image:
    """The same picture in a mode that can be scaled; no copy where it is in one."""
    if image.mode.startswith("I"):
        # 16-bit greys: Pillow's own conversion cuts them off at 255.
        return image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data and image.mode not in SCALABLE[1::2]:
        return image.convert("RGBA")
    if image.mode in SCALABLE:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Colours as a viewer without colour management shows them right.

    Greys keep their values: the profiles of greys differ too little from sRGB to be worth three
    channels. A profile that is broken or for another kind of picture is as good as none.
    """
    named_srgb = b"sRGB" in profile or "sRGB".encode("utf-16-be") in profile
    if profile and not named_srgb and image.mode in ("RGB", "RGBA", "CMYK"):
        mode = "RGB" if image.mode == "CMYK" else image.mode
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            turned = ImageCms.profileToProfile(image, source, target, outputMode=mode)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            turned = None
        if turned is not None:
            return turned
    return image.convert("RGB") if image.mode == "CMYK" else image
