"""C2PA manifests (Content Credentials): is there one, and who made it?

A manifest store is a tree of JUMBF boxes (ISO/IEC 19566-5; C2PA specification 2.2, 11.1). It is
read, not verified: whether its signature is good, and whose it is, says the C2PA library.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterable
from typing import Any

from . import cbor

MAX_BOXES = 10_000
MAX_GENERATOR_LENGTH = 200
"""Longest name of a maker that is taken, in characters; more is cut off."""

_KIND = b"\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
STORE, CLAIM = b"c2pa" + _KIND, b"c2cl" + _KIND
MANIFESTS = tuple(kind + _KIND for kind in (b"c2ma", b"c2um", b"c2cm"))
"""A manifest, one that updates another, and a compressed one."""

HAS_LABEL = 0x02


@dataclasses.dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of a file that counts: the last in its store."""

    generator: str | None
    """Who made it, as it says; None where it does not say or where that can't be read."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Super:
    """A box of boxes."""

    kind: bytes
    content: tuple[tuple[bytes, bytes], ...]
    """Kind and content of each box in it."""


def find_manifest(blocks: Iterable[bytes]) -> Manifest | None:
    """The manifest among these JUMBF blocks of a file, or None.

    There has to be one store: a file with two has none that counts (specification, 11.2). One that
    is cut off or whose boxes do not fit into each other is none.
    """
    stores = [store for block in blocks if (store := _store(block)) is not None]
    return stores[0] if len(stores) == 1 else None


def _store(block: bytes) -> Manifest | None:
    try:
        (kind, content), *_ = _boxes(block, exact=False)
        store = _super(content) if kind == b"jumb" else None
        if store is None or store.kind != STORE:
            return None
        manifests = [_super(content) for kind, content in store.content if kind == b"jumb"]
        if not manifests or any(one.kind not in MANIFESTS for one in manifests):
            return None
        parts = [_super(content) for kind, content in manifests[-1].content if kind == b"jumb"]
    except (ValueError, IndexError, struct.error):
        return None
    claims = [part for part in parts if part.kind == CLAIM]
    if not claims and manifests[-1].kind != MANIFESTS[2]:
        return None
    return Manifest(_generator(claims[0]) if claims else None)


def _generator(claim: _Super) -> str | None:
    """What the claim says of its maker: ``claim_generator`` of version 1, else the name."""
    try:
        fields: Any = cbor.load(next(body for kind, body in claim.content if kind == b"cbor"))
    except (ValueError, StopIteration):
        return None
    if not isinstance(fields, dict):
        return None
    info = fields.get("claim_generator_info")
    info = info[0] if isinstance(info, list) and info else info
    named = info.get("name") if isinstance(info, dict) else None
    for text in (fields.get("claim_generator"), named):
        if isinstance(text, str) and text.strip():
            shown = "".join(char if char.isprintable() else " " for char in text)
            return " ".join(shown.split())[:MAX_GENERATOR_LENGTH] or None
    return None


def _super(content: bytes) -> _Super:
    """The box of boxes with this content.

    :raises ValueError: it does not begin with a description that has a label.
    """
    (kind, description), *rest = _boxes(content)
    if kind != b"jumd" or len(description) < 18 or not description[16] & HAS_LABEL:
        raise ValueError("no description")
    if b"\0" not in description[17:]:
        raise ValueError("a label without an end")
    return _Super(description[:16], tuple(rest))


def _boxes(data: bytes, *, exact: bool = True) -> list[tuple[bytes, bytes]]:
    """Kind and content of each box; those that begin in the data must end in it.

    :param exact: the boxes fill the data; else only the first one is read.
    """
    found: list[tuple[bytes, bytes]] = []
    position = 0
    while position < len(data) and (exact or not found):
        size, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        position = position + size if size else len(data)
        if position > len(data) or position < start or len(found) == MAX_BOXES:
            raise ValueError("the boxes do not fit")
        found.append((kind, data[start:position]))
    return found
