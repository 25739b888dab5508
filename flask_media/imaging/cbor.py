"""CBOR (RFC 8949), as much of it as a C2PA manifest has, read from bytes that nobody vouches for.

A reader of its own: what is wanted of a manifest is two short texts, and a library would be one
more that parses what strangers send.
"""

from __future__ import annotations

import struct
from typing import Any

MAX_DEPTH = 16
MAX_ITEMS = 20_000
"""Most values of one item, those within it counted: bounds the time."""

FLOATS = {25: ">e", 26: ">f", 27: ">d"}
SIMPLE = {20: False, 21: True}
BREAK = object()


def load(data: bytes) -> Any:
    """The first item of the data; what Python has no plain value for is None.

    :raises ValueError: it is none, is cut off, or is nested or long beyond measure.
    """
    try:
        return _Reader(data).item(0)
    except (IndexError, TypeError, struct.error, UnicodeDecodeError) as error:
        raise ValueError("no CBOR, or cut off") from error


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._left = MAX_ITEMS

    def item(self, depth: int, *, may_break: bool = False) -> Any:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise ValueError("too deep or too long")
        head = self._data[self._position]
        self._position += 1
        kind, info = head >> 5, head & 31
        if head == 0xFF and may_break:
            return BREAK
        if kind == 7:
            return self._simple(info)
        count = self._count(info)
        if count is None and kind in (0, 1, 6):
            raise ValueError("no number")
        if kind == 6:  # a tag: its meaning is not needed
            return self.item(depth + 1)
        if kind in (4, 5):
            return self._items(kind, count, depth + 1)
        if kind in (2, 3):
            return self._text(kind, count, depth + 1)
        return -1 - (count or 0) if kind else count

    def _text(self, kind: int, count: int | None, depth: int) -> str | bytes:
        """A text (3) or bytes (2), in one piece or, without a count, in several."""
        if count is not None:
            return self._take(count).decode() if kind == 3 else self._take(count)
        parts = self._items(4, None, depth)
        return "".join(parts) if kind == 3 else b"".join(parts)

    def _items(self, kind: int, count: int | None, depth: int) -> Any:
        """An array (4) or a map (5); its end is marked where it has no count."""
        if count is not None and count > self._left:
            raise ValueError("too long")
        found: Any = [] if kind == 4 else {}
        while count is None or count > 0:
            value = self.item(depth, may_break=count is None)
            if value is BREAK:
                break
            if kind == 4:
                found.append(value)
            elif isinstance(value, str | int):
                found[value] = self.item(depth)
            else:
                self.item(depth)  # a key of another kind is none that is looked for
            count = None if count is None else count - 1
        return found

    def _count(self, info: int) -> int | None:
        if info < 24:
            return info
        if info < 28:
            return int.from_bytes(self._take(1 << (info - 24)))
        if info == 31:
            return None
        raise ValueError("no length")

    def _simple(self, info: int) -> Any:
        if info in FLOATS:
            (value,) = struct.unpack(FLOATS[info], self._take(1 << (info - 24)))
            return value
        if info == 24:
            self._take(1)
        elif info > 27:
            raise ValueError("no simple value")
        return SIMPLE.get(info)

    def _take(self, count: int) -> bytes:
        self._position += count
        if self._position > len(self._data):
            raise ValueError("cut off")
        return self._data[self._position - count : self._position]
