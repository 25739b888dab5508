"""The options that say how a picture shall look, the same for ``generate`` and ``batch``."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import click

from ..errors import InvalidRequest
from ..options import ImageFormat
from ..options import ImageQuality
from ..options import ImageSize
from ..options import ImageTheme

SIZES = ", ".join(size.name.lower() for size in ImageSize)

OPTIONS = (
    click.option("--size", metavar="SIZE", help=f"{SIZES}, or pixels as 1200x630."),
    click.option(
        "--quality", type=click.Choice([one.value for one in ImageQuality]), help="What to spend."
    ),
    click.option(
        "--theme",
        type=click.Choice([one.value for one in ImageTheme]),
        metavar="THEME",
        help=f"The look: {', '.join(one.value for one in ImageTheme)}.",
    ),
    click.option(
        "--brand-color",
        "brand_colors",
        multiple=True,
        metavar="COLOR",
        help="A colour to use, as '#0066CC' or navy. Can be repeated.",
    ),
    click.option("--style-notes", metavar="TEXT", help="More about the look."),
    click.option("--negative", metavar="TEXT", help="What must not be in the picture."),
    click.option(
        "--compression", type=click.IntRange(1, 100), help="Of JPEG, WebP and AVIF; 100 is best."
    ),
    click.option("--model", metavar="NAME", help="Ask this model, not GEMINI_MODEL."),
    click.option(
        "--enhance/--no-enhance",
        "enhance_prompt",
        default=None,
        help="Build the full prompt, or send the text as it is.",
    ),
)

FIELDS = (
    *("size", "quality", "theme", "brand_colors", "style_notes", "negative", "format"),
    *("compression", "model", "enhance_prompt"),
)
"""The fields of an ``ImageGenerationConfig``."""


def picture_options(function: Any) -> Any:
    """Adds them; the command gets them by the names of the config's fields."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


format_option = click.option(
    "--format",
    type=click.Choice([one.value for one in ImageFormat]),
    help="Else the key says it, or the model.",
)
"""``--format``, of the picture."""

variant_option = click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="NAME=WIDTH",
    help="A smaller one beside it: card=640 or card=640x400. Can be repeated; else MEDIA_VARIANTS.",
)
"""``--variant``, read by :func:`read_variants`."""


def config_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a config that are given, of options, a row of a table or a line of JSON.

    :raises InvalidRequest: a value can't be read; names the field.
    """
    found: dict[str, Any] = {}
    for name in FIELDS:
        value = values.get(name)
        if value in (None, "", ()):
            continue
        found[name] = READ[name](value) if name in READ and isinstance(value, str) else value
        if isinstance(found[name], tuple):
            found[name] = list(found[name])
    return found


def read_size(text: str) -> str | tuple[int, int]:
    """A size's name, or ``1200x630`` as two numbers."""
    sides = re.fullmatch(r"\s*(\d{1,6})\s*[xX]\s*(\d{1,6})\s*", text)
    return (int(sides[1]), int(sides[2])) if sides else text.strip()


def _read_colors(text: str) -> list[str]:
    return [color for color in re.split(r"[\s,;]+", text) if color]


def _read_number(text: str) -> int | str:
    return int(text) if re.fullmatch(r"\s*\d{1,6}\s*", text, re.ASCII) else text


def _read_flag(text: str) -> bool | str:
    word = text.strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    return False if word in ("false", "no", "off", "0") else text


READ: dict[str, Callable[[str], Any]] = {
    "size": read_size,
    "brand_colors": _read_colors,
    "compression": _read_number,
    "enhance_prompt": _read_flag,
    **dict.fromkeys(("quality", "theme", "format", "model"), str.strip),
}
"""How a field that is no text is read from one."""


def read_variants(texts: tuple[str, ...]) -> dict[str, Any] | None:
    """Variants of ``card=640`` and ``card=640x400``; None for those of MEDIA_VARIANTS.

    :raises InvalidRequest: one has another form.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, size = text.partition("=")
        sides = re.fullmatch(r"(\d{1,6})(?:x(\d{1,6}))?", size.strip(), re.ASCII)
        if not equals or sides is None:
            raise InvalidRequest(
                f"--variant is {text!r:.60}; write NAME=WIDTH or NAME=WIDTHxHEIGHT, as card=640."
            )
        if name.strip() in found:
            raise InvalidRequest(f"--variant names {name.strip()!r:.60} twice.")
        found[name.strip()] = (int(sides[1]), int(sides[2])) if sides[2] else int(sides[1])
    return found or None
