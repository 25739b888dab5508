"""Is this a picture? Asked of the bytes alone."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from typing import ParamSpec
from typing import TypeVar

from PIL import AvifImagePlugin  # noqa: F401,TID253 - known to Image.open without a search for all
from PIL import Image  # noqa: TID253 - this package is imported where it is first needed
from PIL import UnidentifiedImageError  # noqa: TID253
from PIL import WebPImagePlugin  # noqa: F401,TID253

from ..errors import InvalidImage
from ..options import ImageFormat
from ..values import Picture
from .avif import walk_avif
from .containers import MAX_BYTES
from .containers import Shell
from .containers import animated
from .containers import check_pixels
from .containers import cut_off
from .jpeg import walk_jpeg
from .marks import orientation
from .png import MAGIC as PNG_MAGIC
from .png import walk_png
from .webp import walk_webp

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

OTHERS = {
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"%PDF": "a PDF",
    b"PK": "a ZIP archive",
    b"<": "HTML, SVG or XML",
    b"{": "JSON",
}
"""What turns up where a picture should be, for the message."""


def inspect(data: bytes, *, decode: bool = False) -> Picture:
    """Verify that the bytes are one whole still PNG, JPEG, WebP or AVIF, and read its size.

    Only the bytes count, no label. They are returned untouched, with one exception: of a JPEG
    whose index (MPF) announces a second picture behind the first, as phones write them, the first
    is kept and the rest cut off. Any other bytes behind the end are refused, unless all are zero.

    What it proves, and what that costs (1 megapixel, CPU):

    - PNG (1 ms): every chunk is as its writer wrote it (CRC), none is missing, and there is
      picture data enough that it can be whole. That it unpacks to all its pixels only a full
      decode (30 ms) proves: ask for it with ``decode`` where the sender is not trusted.
    - JPEG (5 ms), WebP and AVIF (50 ms): the decoder reads all of it. None of them has a
      checksum: changed bytes that still read as a picture can't be noticed.

    Animations are refused. The size is taken from the header and checked against
    :data:`MAX_PIXELS` (AVIF: :data:`MAX_AVIF_PIXELS`) before any decoder sees the bytes.
    ``width`` and ``height`` are stored pixels: an EXIF orientation is read here, and applied by
    :func:`render` alone.

    :param data: the file, at most :data:`MAX_BYTES`.
    :param decode: decode a PNG too.
    :raises InvalidImage: the message says what is wrong.
    """
    shell = read_shell(data)
    image = open_image(data, shell)
    width, height = image.size
    if shell.format is ImageFormat.JPEG:
        # An eighth of the size reads all of the data and skips most of the arithmetic.
        guarded(shell.format, image.draft, None, (width // 8 or 1, height // 8 or 1))
        if data[shell.end : shell.end + 2] == b"\xff\xd8":
            data = data[: shell.end]
    if decode or shell.format is not ImageFormat.PNG:
        guarded(shell.format, image.load)
    turn = orientation(shell.exif or image.info.get("exif", b""))
    return Picture(data=data, format=shell.format, width=width, height=height, orientation=turn)


def read_shell(data: bytes) -> Shell:
    """Walk over the file; no pixel is decoded.

    :raises InvalidImage: it is none of the four formats, damaged, cut off, animated or too large.
    """
    if len(data) > MAX_BYTES:
        raise InvalidImage(f"The file has {len(data):,} bytes; at most {MAX_BYTES:,} are taken.")
    file_format, walk = _sniff(data)
    try:
        return walk(data)
    except (IndexError, struct.error) as error:  # read past the end
        raise cut_off(file_format) from error


def open_image(data: bytes, shell: Shell) -> Image.Image:
    """Open the file in Pillow, as exactly the format that it is.

    Pillow sees no metadata that it would parse for nothing (and warn about).

    :raises InvalidImage: Pillow refuses it, or sees a larger size than the walk.
    """
    stream = BytesIO(shell.decodable(data))
    image = guarded(shell.format, Image.open, stream, formats=(shell.format.name,))
    check_pixels(shell.format, *image.size)
    return image


def guarded(
    file_format: ImageFormat,
    work: Callable[Arguments, Result],
    *args: Arguments.args,
    **options: Arguments.kwargs,
) -> Result:
    """Run something of Pillow's; whatever it raises becomes one error.

    ``MemoryError`` passes: the limits are checked before, so it tells of the machine, not of the
    picture.

    :raises InvalidImage: it raised.
    """
    try:
        return work(*args, **options)
    except MemoryError:
        raise
    except Exception as error:  # hostile files raise OSError, ValueError, SyntaxError and more
        unknown = isinstance(error, UnidentifiedImageError)
        what = "it can't be read as one" if unknown else error
        raise InvalidImage(f"The {file_format.name} is damaged: {what}.") from error


def _sniff(data: bytes) -> tuple[ImageFormat, Callable[[bytes], Shell]]:
    if data.startswith(PNG_MAGIC):
        return ImageFormat.PNG, walk_png
    if data.startswith(b"\xff\xd8\xff"):
        return ImageFormat.JPEG, walk_jpeg
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return ImageFormat.WEBP, walk_webp
    if data[4:8] == b"ftyp":
        brands = data[8 : max(12, int.from_bytes(data[:4]))]
        if brands.startswith(b"avis"):
            raise animated(ImageFormat.AVIF)
        if b"avif" in brands[:256]:
            return ImageFormat.AVIF, walk_avif
    if not data:
        raise InvalidImage("The file is empty.")
    found = next((name for magic, name in OTHERS.items() if data.lstrip().startswith(magic)), None)
    raise InvalidImage(
        f"The file is {found or 'no known picture'}; PNG, JPEG, WebP and AVIF are taken."
    )
