"""The picture in the size and format that is asked for."""

from __future__ import annotations

from PIL.Image import Image  # noqa: TID253 - this package is imported where it is first needed

from ..options import ImageFormat
from ..options import ImageQuality
from ..values import Picture
from .encode import encode
from .fit import fitted


def render(
    picture: Picture,
    *,
    width: int | None = None,
    height: int | None = None,
    format: ImageFormat | None = None,  # noqa: A002 - as in ImageGenerationConfig
    quality: ImageQuality = ImageQuality.STANDARD,
    compression: int | None = None,
    generated: bool = True,
) -> Picture:
    """The picture with exactly these pixels, in that format.

    Where both fit already it is returned as it is, the same object: nothing is decoded (so no
    more is known of it than :func:`~flask_media.imaging.inspect` proved), nothing is lost by
    encoding it anew, and what the model signed (C2PA, SynthID) stays whole. Fit is judged by
    stored pixels.

    Otherwise it is turned upright, cropped about its centre to the new proportions, scaled with
    Lanczos in one step, brought to sRGB, and written without any metadata of the old file. JPEG
    has no transparency: it is laid on white.

    :param picture: a verified picture.
    :param width: pixels across; None leaves them.
    :param height: pixels down; None leaves them.
    :param format: None leaves it.
    :param quality: the encoder's setting, if it has to be encoded.
    :param compression: encoder quality of JPEG, WebP and AVIF, 1 to 100, instead of that of
        ``quality``.
    :param generated: mark what is encoded as made by a trained model (XMP); False for pictures
        that people upload.
    :raises InvalidImage: it can't be decoded, or the format can't hold it.
    """
    file_format = format or picture.format
    if file_format is picture.format and (width or picture.width, height or picture.height) == (
        picture.width,
        picture.height,
    ):
        return picture
    image = fitted(picture, width, height)
    data = encode(image, file_format, quality, compression=compression, generated=generated)
    return Picture(data=data, format=file_format, width=image.width, height=image.height)


def scale_down(picture: Picture, side: int) -> Picture:
    """The picture as a model takes it for a reference: its longest side at most ``side``.

    A PNG, JPEG or WebP that is small enough is returned as it is. Anything else becomes a JPEG,
    or a PNG if it has transparent pixels.

    :param picture: a verified picture.
    :param side: pixels.
    :raises InvalidImage: it can't be decoded.
    """
    longest = max(picture.width, picture.height)
    if longest <= side and picture.format is not ImageFormat.AVIF:
        return picture
    image = fitted(picture, longest=side)
    file_format = ImageFormat.PNG if _is_transparent(image) else ImageFormat.JPEG
    data = encode(image, file_format, generated=False)
    return Picture(data=data, format=file_format, width=image.width, height=image.height)


def _is_transparent(image: Image) -> bool:
    return "A" in image.getbands() and image.getchannel("A").getextrema()[0] != 255
