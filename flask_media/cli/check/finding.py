"""What is said of one thing."""

from __future__ import annotations

import dataclasses

from ...errors import MediaError

OK = "ok"
WARN = "warn"
FAIL = "fail"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of ``flask media check``."""

    name: str
    """What was looked at; the same in all versions."""
    status: str
    """``ok``, ``warn`` or ``fail``."""
    message: str
    """What was found."""
    advice: str | None = None
    """What to do about it; None where there is nothing to do or the message says it."""


def ok(name: str, message: str) -> Finding:
    """All is well."""
    return Finding(name, OK, message)


def warn(name: str, message: str, advice: str | None = None) -> Finding:
    """It works, but perhaps not as it is meant."""
    return Finding(name, WARN, message, advice)


def fail(name: str, fault: str | MediaError, advice: str | None = None) -> Finding:
    """It does not work."""
    message = fault.message if isinstance(fault, MediaError) else fault
    return Finding(name, FAIL, message, advice)
