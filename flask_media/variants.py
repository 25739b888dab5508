"""What a derivative of a picture shall be, and which pixels of it that takes.

Arithmetic alone: what a template has to know of a variant (its width and height) is known before
it is made, and without Pillow.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import re
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple
from typing import Self
from typing import TypeAlias

from .errors import InvalidRequest
from .options import MAX_PIXELS
from .options import MAX_SIDE
from .options import ImageFormat
from .options import ImageQuality
from .options import check_choice
from .options import check_format
from .options import wrong

ORIGINAL = "original"
"""Name that the untouched file is kept under; no variant may have it."""

MAX_VARIANTS = 32
"""Most variants of one picture."""

MAX_PIXELS_IN_ALL = 100_000_000
"""Most pixels of all variants of one picture, which are in memory (4 bytes each) together: a width
counts as a square, and variants that differ in format or quality alone count once."""

MAX_NAME_LENGTH = 32
"""Longest name of a variant, in characters."""

_NAME = re.compile(rf"[a-z0-9_-]{{1,{MAX_NAME_LENGTH}}}")


class VariantFit(enum.StrEnum):
    """What becomes of the picture where a box has other proportions."""

    COVER = "cover"
    """Scaled to fill the box, and cut off where it stands out: the box's very pixels."""
    CONTAIN = "contain"
    """Scaled to fit into the box: the whole picture, on one side smaller than the box."""
    CROP = "crop"
    """Not scaled: as many pixels as the box has are cut out."""


class Cut(NamedTuple):
    """Which part of a picture becomes how many pixels."""

    box: tuple[float, float, float, float]
    """Left, top, right and bottom of the part, in pixels of the upright picture."""
    size: tuple[int, int]
    """Width and height of what is made of it."""

    @property
    def scale(self) -> float:
        """Pixels made of one pixel, in the direction that has more."""
        left, top, right, bottom = self.box
        return max(self.size[0] / (right - left), self.size[1] / (bottom - top))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """A derivative of a picture. Checked when it is made.

    Choices may be given as their enum members or as those members' names in any case.

    :raises InvalidRequest: (a ``ValueError``) naming the field, the value and what is allowed.
    """

    width: int
    """Pixels across: of the picture, or of the box that it goes into."""
    height: int | None = None
    """Pixels down of the box; None keeps the picture whole, in its proportions."""
    fit: VariantFit = VariantFit.COVER
    """What becomes of the picture where the box has other proportions."""
    focus: tuple[float, float] = (0.5, 0.5)
    """What stays in sight where something is cut off: a point, across and down, each from 0 (left,
    top) to 1. It comes as near to the middle as the picture's edges allow."""
    format: ImageFormat | None = ImageFormat.WEBP
    """Format of the file; None takes that of the picture."""
    quality: ImageQuality = ImageQuality.STANDARD
    """The encoder's settings."""
    upscale: bool = False
    """Whether it may have more pixels than the picture; else a picture that is smaller than the
    box gives the largest part of it that has the box's proportions."""

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        for name in ("width", "height"):
            side = getattr(self, name)
            if (type(side) is not int or not 1 <= side <= MAX_SIDE) and (name, side) != (
                "height",
                None,
            ):
                none = ", or None for the picture's proportions" if name == "height" else ""
                raise wrong(f"variant.{name}", side, f"an int from 1 to {MAX_SIDE:,}{none}")
        if self.width * (self.height or 1) > MAX_PIXELS:
            box = (self.width, self.height)
            raise wrong("variant.width x height", box, f"{MAX_PIXELS:,} pixels in all")
        set_(self, "fit", check_choice("variant.fit", VariantFit, self.fit))
        if self.fit is VariantFit.CROP and self.height is None:
            raise wrong("variant.height", None, "an int where fit is 'crop'")
        set_(self, "focus", _focus(self.focus))
        if self.format is not None:
            set_(self, "format", check_format("variant.format", self.format))
        set_(self, "quality", check_choice("variant.quality", ImageQuality, self.quality))
        if type(self.upscale) is not bool:
            raise wrong("variant.upscale", self.upscale, "True or False")

    def pixels(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of this variant of a picture with these pixels (upright)."""
        return self.cut(width, height).size

    def cut(self, width: int, height: int) -> Cut:
        """The part of a picture with these pixels (upright) that is used, and its new size.

        No side is ever longer than 12,288 pixels, and no variant has over 20,000,000.
        """
        if self.height is None or self.fit is VariantFit.CONTAIN:
            return self._whole(width, height)
        box = self.width, self.height
        scale = max(box[0] / width, box[1] / height)
        if self.fit is VariantFit.CROP and (scale <= 1 or not self.upscale):
            size = min(box[0], width), min(box[1], height)
            part: tuple[float, float] = size
        else:
            # Largest part of the box's proportions; where that is smaller than the box and may
            # not grow, its own pixels are the new size.
            part = min(box[0] / scale, width), min(box[1] / scale, height)
            size = box
            if scale > 1 and not self.upscale:
                part = size = max(1, round(part[0])), max(1, round(part[1]))
        left = _start(width, part[0], self.focus[0])
        top = _start(height, part[1], self.focus[1])
        if part == size:  # whole pixels: nothing is to be scaled
            left, top = float(round(left)), float(round(top))
        return Cut((left, top, min(left + part[0], width), min(top + part[1], height)), size)

    def _whole(self, width: int, height: int) -> Cut:
        scale = self.width / width
        if self.height is not None:
            scale = min(scale, self.height / height)
        if not self.upscale:
            scale = min(scale, 1.0)
        most = min(MAX_SIDE / width, MAX_SIDE / height, math.sqrt(MAX_PIXELS / (width * height)))
        size = round(width * scale), round(height * scale)
        if scale > most:
            size = math.floor(width * most + 1e-6), math.floor(height * most + 1e-6)
        return Cut((0.0, 0.0, float(width), float(height)), (max(1, size[0]), max(1, size[1])))

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-safe values."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return values | {"focus": list(self.focus)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The variant of a JSON object.

        :raises InvalidRequest: a field is unknown, missing or wrong.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in names:
                raise InvalidRequest(
                    f"variant has no field {name!r:.80}; the fields are {', '.join(names)}."
                )
        if "width" not in values:
            raise InvalidRequest("variant has no width; it is needed.")
        return cls(**values)


VariantSpec: TypeAlias = Variant | int | tuple[int, int] | list[int] | Mapping[str, Any]
"""A variant, a width, a box ``(width, height)`` or a variant's fields."""


def check_variants(specs: object) -> dict[str, Variant]:
    """The variants of a mapping such as ``{"thumb": 256, "card": (640, 400)}``, by name.

    :raises InvalidRequest: it is no mapping, has more than 32 or too large ones, or one of its
        names or variants is wrong.
    """
    if not isinstance(specs, Mapping):
        raise wrong("variants", specs, "a mapping, as {'thumb': 256, 'card': (640, 400)}")
    if len(specs) > MAX_VARIANTS:
        raise InvalidRequest(f"variants has {len(specs)}; at most {MAX_VARIANTS} are allowed.")
    if ORIGINAL in specs:
        raise InvalidRequest(
            f"variants has an {ORIGINAL!r}, the name of the untouched file; choose another one."
        )
    variants = {check_variant_name(name): _variant(name, spec) for name, spec in specs.items()}
    cuts = {
        dataclasses.replace(variant, format=None, quality=ImageQuality.STANDARD)
        for variant in variants.values()
    }
    pixels = sum(min(cut.width * (cut.height or cut.width), MAX_PIXELS) for cut in cuts)
    if pixels > MAX_PIXELS_IN_ALL:
        raise InvalidRequest(
            f"variants has {pixels:,} pixels in all; at most {MAX_PIXELS_IN_ALL:,} are allowed."
        )
    return variants


def responsive(
    widths: Iterable[int], formats: Iterable[ImageFormat | str | None] = ("avif", "webp")
) -> dict[str, Variant]:
    """Variants for pages: the whole picture in each width and format, for MEDIA_VARIANTS.

    ``responsive([320, 640])`` names them ``w320-avif``, ``w320-webp``, ``w640-avif`` and
    ``w640-webp``. Give the width of your pictures too, so that the largest is there in each format.

    :param widths: in pixels. None of them enlarges a picture.
    :param formats: of :class:`~flask_media.ImageFormat`; None is the picture's own, for which the
        name has the width alone (``w320``).
    :raises InvalidRequest: an argument is wrong, or it would be more than 32 variants.
    """
    if isinstance(widths, str | bytes) or not isinstance(widths, Iterable):
        raise wrong("responsive's widths", widths, "a list of widths in pixels, as [320, 640]")
    if isinstance(formats, str | bytes) or not isinstance(formats, Iterable):
        raise wrong("responsive's formats", formats, "a list of formats, as ['avif', 'webp']")
    known = [
        None if name is None else check_format("responsive's formats", name) for name in formats
    ]
    return check_variants(
        {
            f"w{width}" + (f"-{file_format.value}" if file_format else ""): Variant(
                width=width, format=file_format
            )
            for width in widths
            for file_format in known
        }
    )


def check_variant_name(name: object) -> str:
    """Return the name of a variant.

    :raises InvalidRequest: it is none.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise wrong(
            "variant's name", name, f"1 to {MAX_NAME_LENGTH} of a to z, 0 to 9, '_' and '-'"
        )
    return str.__str__(name)


def _variant(name: str, spec: object) -> Variant:
    try:
        if isinstance(spec, Variant):
            return spec
        if isinstance(spec, Mapping):
            return Variant.from_dict(spec)
        if isinstance(spec, tuple | list) and len(spec) == 2:
            if spec[1] is None:
                raise wrong("variant.height", None, "an int in a box; for a width give that alone")
            return Variant(width=spec[0], height=spec[1])
        if type(spec) is int:
            return Variant(width=spec)
    except InvalidRequest as error:
        raise InvalidRequest(f"variants[{name!r}]: {error}") from None
    raise wrong(
        f"variants[{name!r}]", spec, "a width, a box (width, height), a Variant or its fields"
    )


def _focus(value: object) -> tuple[float, float]:
    if (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all(type(part) in (int, float) and 0 <= part <= 1 for part in value)
    ):
        return float(value[0]), float(value[1])
    raise wrong("variant.focus", value, "(x, y), each from 0 (left, top) to 1 (right, bottom)")


def _start(whole: int, part: float, focus: float) -> float:
    """Where a part begins so that the focus is in its middle, as far as the edges allow."""
    return min(max(focus * whole - part / 2, 0.0), whole - part)
