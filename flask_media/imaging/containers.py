"""What the walks over the outer shell of a file have in common.

One module a format (``png``, ``jpeg``, ``webp``, ``avif``); none decodes a pixel. Each walk goes
over the whole file, so that it finds a cut file, a second file appended to the first, an animation
and the true size before any decoder gets to see the bytes. All of them take time in proportion to
the file and allocate next to nothing.
"""

from __future__ import annotations

import dataclasses

from ..errors import InvalidImage
from ..options import ImageFormat

MAX_BYTES = 50_000_000
"""Largest file, in bytes. A 4K PNG with grain has about 45 MB."""

MAX_PIXELS = 40_000_000
"""Most pixels of a picture: twice the largest that any model draws (8:1 at 4K, 18.9 million)."""

MAX_AVIF_PIXELS = 20_000_000
"""Most pixels of an AVIF: decoding takes up to 24 bytes a pixel, where others take 4."""

MAX_PARTS = 100_000
"""Most chunks, segments or boxes of one file: bounds the time that a hostile file can take."""


@dataclasses.dataclass(frozen=True, slots=True)
class Shell:
    """What a walk over the file found."""

    format: ImageFormat
    """What the bytes are."""
    width: int
    """Stored pixels across; of an AVIF, the largest that any part of it declares."""
    height: int
    """Stored pixels down."""
    end: int
    """Where the picture ends, in bytes; only zero bytes or a dropped second picture follow."""
    exif: bytes = dataclasses.field(default=b"", repr=False)
    """A JPEG's EXIF block, without its name."""
    dropped: tuple[tuple[int, int], ...] = ()
    """Spans of the file that no decoder needs to see."""
    filler: bytes = b""
    """What stands in the place of each of them."""

    def decodable(self, data: bytes) -> bytes:
        """The bytes for the decoder: without the spans that only metadata parsers read."""
        if not self.dropped:
            return data
        view, kept, position = memoryview(data), [], 0
        for start, stop in self.dropped:
            kept.append(view[position:start])
            position = stop
        kept.append(view[position:])
        return self.filler.join(kept)


def damaged(file_format: ImageFormat, what: str) -> InvalidImage:
    """The error for a file that is not as its format demands."""
    return InvalidImage(f"The {file_format.name} is damaged: {what}.")


def cut_off(file_format: ImageFormat) -> InvalidImage:
    """The error for a file that ends too early."""
    return InvalidImage(f"The {file_format.name} is cut off: it ends before the picture does.")


def animated(file_format: ImageFormat) -> InvalidImage:
    """The error for a file with more than one frame."""
    return InvalidImage(f"The {file_format.name} is animated; only still pictures are taken.")


def check_end(file_format: ImageFormat, data: bytes, end: int) -> None:
    """Refuse a file that has something else behind the picture; zero bytes are padding.

    :raises InvalidImage: there is.
    """
    if len(data) > end and data.count(0, end) != len(data) - end:
        raise InvalidImage(
            f"The {file_format.name} has {len(data) - end:,} bytes behind its end, which may be "
            "another file hidden in it."
        )


def check_pixels(file_format: ImageFormat, width: int, height: int) -> None:
    """Refuse a picture without pixels or with too many.

    :raises InvalidImage: it is one.
    """
    most = MAX_AVIF_PIXELS if file_format is ImageFormat.AVIF else MAX_PIXELS
    if width < 1 or height < 1:
        raise damaged(file_format, f"it says that it has {width} x {height} pixels")
    if width * height > most:
        raise InvalidImage(
            f"The {file_format.name} has {width} x {height} pixels; at most {most:,} are taken."
        )
