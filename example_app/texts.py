"""Small helpers for text."""

from __future__ import annotations

import re
import unicodedata


def one_line(text: str) -> str:
    """The text as one line: what is pasted may hold tabs and line ends, which belong into no
    name."""
    return " ".join(text.split())


def slugify(text: str) -> str:
    """The text as a part of an object key: at most 60 of ``a-z``, ``0-9`` and ``-``.

    Different texts can give the same slug, so an id belongs into the key too.
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text)[:60].strip("-") or "picture"
