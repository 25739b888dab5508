"""What a caller can choose for a picture: size, quality, theme, format and the rest."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Self
from typing import TypeVar

from .errors import InvalidRequest

Choice = TypeVar("Choice", bound=enum.StrEnum)

MAX_SIDE = 12_288
"""Longest side of a picture to ask for, in pixels: 8:1 at 4K, the longest that any model draws."""

MAX_PIXELS = 20_000_000
"""Most pixels of a picture to ask for: a little over 4K at the widest ratio (8:1, 18.9 million)."""

MAX_NOTES_CHARS = 2_000
"""Longest ``style_notes`` or ``negative``, in characters."""

MAX_BRAND_COLORS = 12
"""Most brand colours of one picture."""

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
HEX_COLOR = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")


class ImageSize(enum.Enum):
    """Named sizes; the value is ``(width, height)`` in pixels."""

    SQUARE = (1024, 1024)
    """What every model draws at 1K: stored untouched."""
    BANNER = (1920, 1080)
    """16:9, Full HD."""
    PORTRAIT = (896, 1200)
    """3:4, what Gemini draws at 1K."""
    LANDSCAPE = (1200, 896)
    """4:3, what Gemini draws at 1K."""
    THUMBNAIL = (256, 256)
    """A small square."""


class ImageQuality(enum.StrEnum):
    """How much to spend on the picture: the model's size step and the encoder's settings."""

    LOW = "low"
    """The model's smallest size step, scaled to the size asked for."""
    STANDARD = "standard"
    """The smallest step with at least the pixels asked for."""
    HIGH = "high"
    """One step more than STANDARD where the model has one, and a finer encoder setting."""


class ImageTheme(enum.StrEnum):
    """The look that the enhanced prompt asks for."""

    PROFESSIONAL = "professional"
    ILLUSTRATION = "illustration"
    MINIMALIST = "minimalist"
    PHOTOREALISTIC = "photorealistic"
    VIBRANT = "vibrant"
    ABSTRACT = "abstract"
    WATERCOLOR = "watercolor"
    ISOMETRIC = "isometric"


class ImageFormat(enum.StrEnum):
    """The formats that Flask-Media reads and writes."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    AVIF = "avif"

    @property
    def content_type(self) -> str:
        """The media type, as ``image/png``."""
        return f"image/{self.value}"

    @property
    def extension(self) -> str:
        """The usual file name extension, without a dot."""
        return "jpg" if self is ImageFormat.JPEG else self.value

    @classmethod
    def from_extension(cls, extension: str) -> ImageFormat | None:
        """The format of a file name extension (``jpg``, ``PNG`` ...), or None."""
        name = extension.lower()
        name = "jpeg" if name in ("jpg", "jpe", "jfif") else name
        return next((known for known in cls if known.value == name), None)


class StorageProvider(enum.StrEnum):
    """Where pictures can be kept."""

    DIGITALOCEAN_SPACES = "digitalocean_spaces"
    AWS_S3 = "aws_s3"
    CLOUDFLARE_R2 = "cloudflare_r2"
    MINIO = "minio"
    BACKBLAZE_B2 = "backblaze_b2"
    WASABI = "wasabi"
    GOOGLE_CLOUD_STORAGE = "google_cloud_storage"
    FILESYSTEM = "filesystem"
    MEMORY = "memory"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageGenerationConfig:
    """How a picture shall look. Checked when it is made.

    Every choice may be given as its enum member or as that member's name in any case
    (``theme="illustration"``), so that a config can come from JSON.

    :raises InvalidRequest: (a ``ValueError``) naming the field, the value and what is allowed.
    """

    size: ImageSize | tuple[int, int] = ImageSize.SQUARE
    """Exact pixels of the stored picture: a named size or ``(width, height)``."""
    quality: ImageQuality = ImageQuality.STANDARD
    """What to spend: the model's size step and the encoder's settings."""
    theme: ImageTheme = ImageTheme.PROFESSIONAL
    """The look that the enhanced prompt asks for."""
    brand_colors: Sequence[str] = ()
    """Colours to use: ``#RGB``, ``#RRGGBB`` or a CSS name (``navy``); 12 at most."""
    style_notes: str | None = None
    """More about the look, in your own words; 2,000 characters at most."""
    negative: str | None = None
    """What must not be in the picture; 2,000 characters at most."""
    format: ImageFormat | None = None
    """Format of the stored picture; None takes the key's extension, else what the model sent."""
    compression: int | None = None
    """Encoder quality of JPEG, WebP and AVIF, 1 (smallest) to 100 (best); None takes the
    measured default of the ``quality``. PNG is lossless and takes no notice."""
    enhance_prompt: bool = True
    """Build the full prompt from the text and this config; False sends the text as it is."""
    model: str | None = None
    """The model to ask; None takes GEMINI_MODEL."""

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "size", _size(self.size))
        set_(self, "quality", check_choice("config.quality", ImageQuality, self.quality))
        set_(self, "theme", check_choice("config.theme", ImageTheme, self.theme))
        set_(self, "brand_colors", _colors(self.brand_colors))
        if self.format is not None:
            set_(self, "format", check_format("config.format", self.format))
        for name in ("style_notes", "negative"):
            _notes(name, getattr(self, name))
        compression = self.compression
        if compression is not None and (
            type(compression) is not int or not 1 <= compression <= 100
        ):
            raise _wrong("compression", compression, "an int from 1 to 100, or None")
        if type(self.enhance_prompt) is not bool:
            raise _wrong("enhance_prompt", self.enhance_prompt, "True or False")
        if self.model is not None and (
            not isinstance(self.model, str) or not re.fullmatch(r"[\w.\-]{1,100}", self.model)
        ):
            raise _wrong("model", self.model, "a model's name, as 'gemini-3-pro-image', or None")

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.size.value if isinstance(self.size, ImageSize) else self.size

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-safe values."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return values | {"size": list(self.pixels), "brand_colors": list(self.brand_colors)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The config of a JSON object.

        :raises InvalidRequest: a field is unknown or wrong.
        """
        if not isinstance(values, Mapping):
            raise InvalidRequest(f"config must be an object, not {type(values).__name__}.")
        names = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in names:
                raise InvalidRequest(
                    f"config has no field {name!r:.80}; the fields are {', '.join(names)}."
                )
        return cls(**values)


def _wrong(field: str, value: object, allowed: str) -> InvalidRequest:
    return wrong(f"config.{field}", value, allowed)


MAX_NOTE_LENGTH = 500
"""Longest text of a mark in a file, in characters; XMP of a JPEG has to fit into 65,502 bytes."""

NOTE = f"1 to {MAX_NOTE_LENGTH} characters without control characters"
"""What a text in a file may be, for messages."""

_NOT_IN_NOTES = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufffe\\uffff]")


def is_note(text: str) -> bool:
    """Whether a text can stand in a file's XML for people to read."""
    return 0 < len(text) <= MAX_NOTE_LENGTH and not _NOT_IN_NOTES.search(text)


def wrong(field: str, value: object, allowed: str) -> InvalidRequest:
    """The error for a value that can't be taken; it names the field, the value and the fix."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # limits of Python's on digits and on depth
        text = f"a huge {type(value).__name__}"
    text = text if len(text) <= 80 else text[:77] + "..."
    return InvalidRequest(f"{field} is {text}; allowed is {allowed}.")


def check_choice(field: str, choices: type[Choice], value: object) -> Choice:
    """The member of that name.

    :raises InvalidRequest: there is none.
    """
    for choice in choices:
        if isinstance(value, str) and value.lower() == choice.value:
            return choice
    raise wrong(field, value, " or ".join(repr(choice.value) for choice in choices))


def _size(value: object) -> ImageSize | tuple[int, int]:
    if isinstance(value, ImageSize):
        return value
    if isinstance(value, str) and value.upper() in ImageSize.__members__:
        return ImageSize[value.upper()]
    if (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all(type(side) is int and 1 <= side <= MAX_SIDE for side in value)
        and value[0] * value[1] <= MAX_PIXELS
    ):
        return value[0], value[1]
    names = ", ".join(name.lower() for name in ImageSize.__members__)
    raise _wrong(
        "size",
        value,
        f"a name ({names}) or (width, height) in pixels, each from 1 to {MAX_SIDE:,}, "
        f"{MAX_PIXELS:,} pixels in all",
    )


def check_format(field: str, value: object) -> ImageFormat:
    """The format of that name.

    :raises InvalidRequest: there is none.
    """
    known = ImageFormat.from_extension(value) if isinstance(value, str) else None
    if known is None:
        raise wrong(field, value, "'png', 'jpeg', 'webp', 'avif' or None")
    return known


def _colors(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, list | tuple):
        raise _wrong("brand_colors", value, "a list of colours, as ['#0066CC', 'navy']")
    if len(value) > MAX_BRAND_COLORS:
        raise _wrong("brand_colors", value, f"at most {MAX_BRAND_COLORS} colours")
    for color in value:
        if not isinstance(color, str) or not (HEX_COLOR.fullmatch(color) or _is_named(color)):
            raise _wrong("brand_colors", color, "'#RGB', '#RRGGBB' or a CSS colour name")
    return tuple(value)


def _is_named(color: str) -> bool:
    from PIL.ImageColor import colormap  # not before a name has to be looked up

    return color.lower() in colormap


def _notes(field: str, value: object) -> None:
    if value is not None:
        if not isinstance(value, str) or len(value) > MAX_NOTES_CHARS:
            raise _wrong(field, value, f"text of at most {MAX_NOTES_CHARS:,} characters, or None")
        check_text(f"config.{field}", value)


def check_text(field: str, text: str) -> None:
    """Refuse text that can't be sent.

    :raises InvalidRequest: it holds a lone surrogate or a NUL.
    """
    if fault := _NO_TEXT.search(text):
        raise InvalidRequest(
            f"{field} has U+{ord(fault.group()):04X} at position {fault.start()}, which is no "
            "text. Decode the input with errors='replace'."
        )
