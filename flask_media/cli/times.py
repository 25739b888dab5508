"""``--since``: a day, a time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any

import click

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


if TYPE_CHECKING:
    MomentType = click.ParamType[datetime]
else:
    MomentType = click.ParamType  # older ones take no parameter


class Since(MomentType):
    """``2026-11-22``, ``2026-11-22T08:30``, ``today``, or ``90m``, ``12h``, ``7d``, ``2w`` ago."""

    name = "when"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The moment, in UTC where it names no zone."""
        if isinstance(value, datetime):
            return value
        text, now = str(value).strip(), datetime.now(UTC)
        if text.lower() == "today":
            return now.replace(hour=0, minute=0, second=0, microsecond=0)
        try:
            if found := re.fullmatch(r"(\d{1,6})([mhdw])", text.lower(), re.ASCII):
                return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
            moment = datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            self.fail(
                f"{text!r:.40} is no time; write 2026-11-22, 2026-11-22T08:30, today, or 90m, "
                "12h, 7d or 2w for so long ago.",
                param,
                ctx,
            )
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def since_option(function: Any) -> Any:
    """Adds ``--since``."""
    return click.option(
        "--since", type=Since(), help="From then on, in UTC: 2026-11-22, today, 12h, 7d."
    )(function)
