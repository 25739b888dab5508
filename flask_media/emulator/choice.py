"""The check of a mode and its options, the same wherever they come from."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Mapping

from .modes import ALLOWED
from .modes import MODES

CHANGING = ("flaky", "random")
"""Modes that stand for others, and so take the options of all."""


def parse_mode(text: str) -> tuple[str, dict[str, str]]:
    """Name and options of a mode, as ``429,retry=0.3``.

    :raises ValueError: there is no such mode, or it takes no such option or value.
    """
    name, *pairs = text.split(",")
    if name not in MODES:
        raise ValueError(
            f"The emulator has no mode {name!r}; its modes are {', '.join(sorted(MODES))}."
        )
    options = {}
    for pair in pairs:
        option, equals, value = pair.partition("=")
        if option not in ALLOWED[name]:
            raise ValueError(
                f"The emulator's mode {name!r} takes no option {option!r}; "
                f"its options are {', '.join(sorted(ALLOWED[name]))}."
            )
        if not equals:
            raise ValueError(f"The emulator's option {option!r} has no value; write {option}=...")
        check_option(option, value)
        options[option] = value
    return name, options


def header_options(headers: Mapping[str, str]) -> dict[str, str]:
    """The options that come as ``x-stub-<option>`` headers.

    :param headers: names in lower case.
    :raises ValueError: there is no such option, or it takes no such value.
    """
    found = {
        header.removeprefix("x-stub-"): value
        for header, value in headers.items()
        if header.startswith("x-stub-") and header != "x-stub-mode"
    }
    for option, value in found.items():
        if option not in CHECKS:
            raise ValueError(
                f"The emulator has no option {option!r} (header x-stub-{option}); "
                f"its options are {', '.join(sorted(CHECKS))}."
            )
        check_option(option, value)
    return found


def check_option(option: str, value: str) -> None:
    """Refuse a value that the option can't have.

    :raises ValueError: names option, value and what is allowed.
    """
    is_right, allowed = CHECKS[option]
    try:
        right = is_right(value)
    except ValueError:
        right = False
    if not right:
        raise ValueError(f"The emulator's option {option!r} is {value!r}; it must be {allowed}.")


def _is_seconds(value: str) -> bool:
    return 0 <= float(value) < math.inf


def _is_count(value: str) -> bool:
    return int(value) >= 0


def _is_side(value: str) -> bool:
    return 1 <= int(value) <= 16_383  # WebP's longest side


def _is_flag(value: str) -> bool:
    return value in ("0", "1")


def _is_fault(value: str) -> bool:
    return value in MODES and value not in CHANGING


SECONDS = (_is_seconds, "a number of seconds")
COUNT = (_is_count, "a whole number from 0")
SIDE = (_is_side, "a number of pixels from 1 to 16383")
FLAG = (_is_flag, "0 or 1")
TEXT = (bool, "some text")

CHECKS: dict[str, tuple[Callable[[str], bool], str]] = {
    "latency": SECONDS,
    "n": COUNT,
    "w": SIDE,
    "h": SIDE,
    "bytes": COUNT,
    "mime": (
        lambda value: value in ("image/png", "image/jpeg", "image/webp"),
        "image/png, image/jpeg or image/webp",
    ),
    "saymime": TEXT,
    "content": FLAG,
    "reason": TEXT,
    "retry": SECONDS,
    "header": FLAG,
    "after": TEXT,
    "to": TEXT,
    "seconds": SECONDS,
    "steps": (lambda value: int(value) >= 1, "a whole number from 1"),
    "pause": SECONDS,
    "fail": COUNT,
    "code": (_is_fault, "a mode other than flaky and random"),
    "codes": (
        lambda value: all(_is_fault(code) for code in value.split(";")),
        "modes other than flaky and random, with semicolons between them",
    ),
    "p": (lambda value: 0 <= float(value) <= 1, "a number from 0 to 1"),
}
"""Every option: whether a value is right, and which are."""
