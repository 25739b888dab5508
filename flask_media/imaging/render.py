"""The picture in the size and format that is asked for."""

from __future__ import annotations

from PIL.Image import Image  # noqa: TID253 - this package is imported where it is first needed

from ..options import ImageFormat
from ..options import ImageQuality
from ..values import MODEL_MADE
from ..values import UNMARKED
from ..values import Marks
from ..values import Picture
from .encode import encode
from .fit import fitted
from .memory import give_back


def render(
    picture: Picture,
    *,
    width: int | None = None,
    height: int | None = None,
    format: ImageFormat | None = None,  # noqa: A002 - as in ImageGenerationConfig
    quality: ImageQuality = ImageQuality.STANDARD,
    compression: int | None = None,
    marks: Marks = MODEL_MADE,
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
    :param marks: what a file that is encoded says of its origin (XMP): that a trained model made
        it, unless they say otherwise.
    :raises InvalidImage: it can't be decoded, or the format can't hold it.
    """
    file_format = format or picture.format
    if file_format is picture.format and (width or picture.width, height or picture.height) == (
        picture.width,
        picture.height,
    ):
        return picture
    image = fitted(picture, width, height)
    data = encode(image, file_format, quality, compression=compression, marks=marks)
    return Picture(data=data, format=file_format, width=image.width, height=image.height)


def clean(
    picture: Picture,
    *,
    format: ImageFormat | None = None,  # noqa: A002 - as in render
    quality: ImageQuality = ImageQuality.HIGH,
    marks: Marks = UNMARKED,
) -> Picture:
    """The picture made anew from its pixels alone: of the old file, not a byte is left.

    Gone are the place where a photograph was taken and all else that EXIF, XMP, comments, text
    chunks, colour profiles and thumbnails hold, and whatever was hidden among them. The pixels
    are upright and in sRGB; a JPEG lies on white, the others keep their transparency. Encoded at
    high quality it is hard to tell from the old one, but it is never the same file: where it has
    to be, store it as it is. What the pixels show is not looked at.

    Of animations there is none: :func:`~flask_media.imaging.inspect` refuses them. Of a phone's
    JPEG with a second picture behind the first, it kept the first.

    :param picture: a verified picture.
    :param format: None leaves it.
    :param quality: the encoder's setting.
    :param marks: what the new file says of its origin.
    :raises InvalidImage: it can't be decoded, or the format can't hold it.
    """
    image = fitted(picture)
    file_format = format or picture.format
    data = encode(image, file_format, quality, marks=marks)
    width, height = image.size
    del image
    give_back(width * height)
    return Picture(data=data, format=file_format, width=width, height=height)


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
    data = encode(image, file_format, marks=UNMARKED)
    return Picture(data=data, format=file_format, width=image.width, height=image.height)


def _is_transparent(image: Image) -> bool:
    return "A" in image.getbands() and image.getchannel("A").getextrema()[0] != 255
