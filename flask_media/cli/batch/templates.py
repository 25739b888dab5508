"""Texts with the columns of a row in them, as ``House of {name}``."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from ...errors import InvalidRequest


class Template:
    """A text with ``{column}`` in it; ``{{`` and ``}}`` are braces.

    :param option: what it was given as, for messages.
    :param text: the text.
    :raises InvalidRequest: its braces can't be understood.
    """

    def __init__(self, option: str, text: str) -> None:
        self._option, self._text = option, text
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise InvalidRequest(
                f"{option} {text!r:.60}: {error}. Write {{column}}, and {{{{ or }}}} for a brace."
            ) from None
        self._parts: list[tuple[str, str | None]] = []
        for literal, column, form, conversion in parts:
            if column is not None and (form or conversion or not column):
                raise InvalidRequest(
                    f"{option} {text!r:.60}: write the name of a column alone between braces, as "
                    "{name}."
                )
            self._parts.append((literal, column))

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        return [column for _, column in self._parts if column is not None]

    def fill(self, row: Mapping[str, Any]) -> str:
        """The text for a row.

        :raises InvalidRequest: the row lacks a column, or has nothing or no text in it.
        """
        return "".join(
            literal + (self._value(row, column) if column is not None else "")
            for literal, column in self._parts
        )

    def _value(self, row: Mapping[str, Any], column: str) -> str:
        if column not in row:
            names = ", ".join(row)
            is_whole = self._text == f"{{{column}}}"  # as it is where nothing was given
            said = f"and no {self._option}" if is_whole else f"which {self._option} names"
            fix = f". Give one, as {self._option} 'House of {{name}}'" if is_whole else ""
            raise InvalidRequest(
                f"there is no column {column!r}, {said}; the columns are {names:.200}{fix}"
            )
        value = row[column]
        if value is None or value == "":
            raise InvalidRequest(f"column {column!r} is empty, and {self._option} needs it")
        if not isinstance(value, str | int | float):
            raise InvalidRequest(f"column {column!r} is no text or number")
        return str(value)
