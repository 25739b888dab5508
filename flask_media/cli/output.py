"""How commands print: tables and JSON, at 80 columns, in colour on a terminal alone."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from typing import Any

import click

if TYPE_CHECKING:
    from ..types import MediaResult

SHORT_ID = 12
"""Characters of a job's id in tables; ids are random, so these tell them apart."""

SHORTEST = 8
"""Characters that a column of a table is cut to at most."""


def json_option(function: Any) -> Any:
    """Adds ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(
        function
    )


def print_json(document: object) -> None:
    """Print one JSON document, indented."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def print_json_line(document: object) -> None:
    """Print one line of JSON."""
    click.echo(json.dumps(document, ensure_ascii=False, default=str))


def printable(text: str) -> str:
    """The text on one line, without what a terminal would obey."""
    return "".join(one if one.isprintable() else " " for one in text)


def width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def usd(amount: Decimal | None, places: int = 4) -> str:
    """An amount of US dollars; ``-`` where it is not known."""
    return "-" if amount is None else f"${amount:,.{places}f}"


def moment(when: datetime) -> str:
    """A time in UTC, to the minute."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M}"


def fields(pairs: Iterable[tuple[str, str | None]]) -> None:
    """Print what has a value, each by its name, wrapped."""
    shown = [(name, value) for name, value in pairs if value]
    indent = max((len(name) for name, _ in shown), default=0) + 3
    for name, value in shown:
        label = f"{name}:".ljust(indent)
        for number, line in enumerate(wrapped(value, indent)):
            head = click.style(label, bold=True) if number == 0 else " " * indent
            click.echo(head + line)


def wrapped(text: str, indent: int) -> list[str]:
    """The text in lines that leave room for an indent; long words, as URLs, stay whole."""
    return textwrap.wrap(
        printable(text),
        width() - indent - 1,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, sides: str = "") -> None:
    """Print a table. On a terminal that it is too wide for, the widest columns of text are cut.

    :param sides: a letter for each column: ``r`` is right-aligned, ``l`` is not, and neither is
        cut; ``t``, and what there is no letter for, is text that may be.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    sides = sides.ljust(len(widths), "t")
    if sys.stdout.isatty():
        text = [place for place, side in enumerate(sides) if side == "t"]
        while sum(widths) + 2 * (len(widths) - 1) >= width():
            widest = max(text, key=widths.__getitem__)
            if widths[widest] <= SHORTEST:
                break
            widths[widest] -= 1
    for number, row in enumerate([list(header), *cells]):
        line = "  ".join(
            _cut(cell, size).rjust(size) if side == "r" else _cut(cell, size).ljust(size)
            for cell, size, side in zip(row, widths, sides, strict=True)
        )
        click.secho(line.rstrip(), bold=True if number == 0 else None)


def _cut(text: str, size: int) -> str:
    """The text in so many characters, its end kept: keys of objects differ there."""
    return text if len(text) <= size else "…" + text[len(text) - size + 1 :]


def plural(count: int, one: str, many: str | None = None) -> str:
    """As ``1 picture``, ``2 pictures``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def variants_of(result: MediaResult) -> str:
    """The variants of a stored picture, as ``--variant`` has them."""
    return ", ".join(
        f"{name}={one.width}x{one.height}{'' if one.is_made else ' (later)'}"
        for name, one in result.variants.items()
    )
