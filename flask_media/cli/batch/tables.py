"""The rows of a CSV or JSON lines file, as they stand there."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import InvalidRequest

KINDS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
"""The format that a file's extension says."""

MAX_CELL = 1_000_000
"""Most characters of a cell; the csv module's own limit is below the longest prompt in UTF-8."""


@dataclasses.dataclass(frozen=True)
class RawRow:
    """One row."""

    number: int
    """Which it is, from 1, without the header."""
    line: int
    """The line of the file that it ends in, from 1."""
    values: dict[str, Any]
    """Its values by column."""

    @property
    def place(self) -> str:
        """For messages."""
        return f"row {self.number} (line {self.line})"


def kind_of(path: Path) -> str:
    """``csv`` or ``jsonl``.

    :raises InvalidRequest: the extension says neither.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise InvalidRequest(
            f"{path.name}: neither .csv nor .jsonl; say --format csv or --format jsonl."
        )
    return kind


def read_rows(path: Path, kind: str) -> list[RawRow]:
    """All rows of the file.

    :param kind: ``csv`` or ``jsonl``.
    :raises InvalidRequest: it can't be read as that; names the row.
    :raises OSError: it can't be read at all.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"{path.name} is no UTF-8 (byte {error.start:,}). Save it as 'CSV UTF-8'."
        ) from None
    try:
        rows = list(_csv_rows(text) if kind == "csv" else _json_rows(text))
    except InvalidRequest as error:
        raise InvalidRequest(f"{path.name}: {error}") from None
    if not rows:
        raise InvalidRequest(f"{path.name} has no rows.")
    return rows


def _csv_rows(text: str) -> Iterator[RawRow]:
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    header: list[str] | None = None
    number = 0
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _header(cells)
                continue
            number += 1
            if len(cells) != len(header):
                raise InvalidRequest(
                    f"row {number} (line {reader.line_num}) has {len(cells)} cells, and the "
                    f"header has {len(header)}."
                )
            yield RawRow(number, reader.line_num, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise InvalidRequest(f"line {reader.line_num}: {error}.") from None


def _delimiter(text: str) -> str:
    """What separates the header's cells: spreadsheets of many countries write semicolons."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    return max(",;\t", key=first.count)


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    for place, name in enumerate(names, 1):
        if not name:
            raise InvalidRequest(f"column {place} has no name in the header.")
        if name in names[: place - 1]:
            raise InvalidRequest(f"the header has the column {name!r} twice.")
    return names


def _json_rows(text: str) -> Iterator[RawRow]:
    number = 0
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        number += 1
        try:
            values = json.loads(content, object_pairs_hook=_object)
        except InvalidRequest as error:
            raise InvalidRequest(f"row {number} (line {line}) {error}") from None
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise InvalidRequest(
                f"row {number} (line {line}) is no JSON object on one line, as "
                '{"prompt": "...", "object_key": "..."}.'
            )
        yield RawRow(number, line, values)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in values if names.count(name) > 1)
        raise InvalidRequest(f"has {twice!r:.60} twice.")
    return values
