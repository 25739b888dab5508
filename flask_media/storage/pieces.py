"""A binary file in pieces, which are found to be the right ones before the last is used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Protocol

from ..errors import StorageError
from ..types import ObjectStat

PIECE_BYTES = 8 * 1024 * 1024
"""Size of a piece in bytes, but for the last. S3 takes parts of 5 MiB to 5 GiB, 10,000 of them; the
memory that a large object takes grows with this, the number of its requests shrinks."""


class Readable(Protocol):
    """The one method that is needed of a binary file."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, ``size`` at most; none at the end."""
        ...


def pieces(key: str, file: Readable, stat: ObjectStat) -> Iterator[bytes]:
    """The file's bytes from where it stands.

    Whoever stores them takes all before the object appears, and so a wrong one never does.

    :param key: the key of what they are, for the message.
    :param stat: the size and SHA-256 that they must have; a SHA-256 of None is any.
    :raises StorageError: after the last one, if they don't.
    """
    digest, size = hashlib.sha256(), 0
    while piece := _read(file):
        digest.update(piece)
        size += len(piece)
        yield piece
    if (size, stat.sha256) not in ((stat.size_bytes, None), (stat.size_bytes, digest.hexdigest())):
        raise StorageError(
            f"What was read for {key!r:.80} has {size} bytes with the SHA-256 "
            f"{digest.hexdigest()}, and was to have {stat.size_bytes} with {stat.sha256}. Nothing "
            "was stored. See that the file stands at its beginning and nobody writes to it."
        )


def _read(file: Readable) -> bytes:
    """A whole piece, which a file without a buffer need not give in one read."""
    parts: list[bytes] = []
    missing = PIECE_BYTES
    while missing and (part := file.read(missing)):
        parts.append(part)
        missing -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
