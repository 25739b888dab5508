"""The config keys as a table, read from ``MediaConfig`` and the docstrings of its fields.

``python docs/_ext/config_keys.py`` prints the table for the README.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import itertools
import re
import sys
import textwrap
from typing import NamedTuple

from flask_media.config import MediaConfig


class Key(NamedTuple):
    """One config key."""

    name: str
    default: str
    meaning: str


def config_keys() -> list[Key]:
    """All keys in the order of the fields."""
    meanings = _field_docstrings()
    return [
        Key(field.metadata["key"], _shown(field.default), meanings[field.name])
        for field in dataclasses.fields(MediaConfig)
    ]


def markdown_table() -> str:
    """The table for the README."""
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for key in config_keys():
        meaning = re.sub(r":[\w:]+:`~?[\w.]*?(\w+)`", r"`\1`", key.meaning)
        meaning = meaning.replace("``", "`").replace("|", "\\|")
        rows.append(f"| `{key.name}` | {key.default.replace('``', '`')} | {meaning} |")
    return "\n".join(rows)


def _shown(default: object) -> str:
    if default in (None, (), dataclasses.MISSING):  # no factory makes anything but an empty one
        return "not set"
    value = default.value if isinstance(default, enum.Enum) else default
    return f"``{value:g}``" if isinstance(value, float) else f"``{value}``"


def _field_docstrings() -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(MediaConfig)))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef))
    found = {}
    for field, docstring in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(docstring, ast.Expr)
            and isinstance(docstring.value, ast.Constant)
        ):
            found[field.target.id] = re.sub(r"\s+", " ", docstring.value.value)
    return found


if __name__ == "__main__":
    sys.stdout.write(markdown_table() + "\n")
