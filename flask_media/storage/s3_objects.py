"""What answers of an S3-compatible store say of an object, and its body as a file."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

from ..errors import StorageError
from ..keys import decode_metadata
from ..types import ObjectStat
from .s3_client import OWN_METADATA

_OWN_LINE = re.compile(r"([0-9a-f]{64});(.*)", re.DOTALL)


class Body(io.RawIOBase):
    """The body of an answer as a file whose errors are ours."""

    def __init__(self, body: Any, translate_fault: Callable[[Exception], StorageError]) -> None:
        self._body = body
        self._translate = translate_fault

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._body.read(len(buffer))
        except Exception as fault:  # noqa: BLE001 - whatever a connection can do
            error = self._translate(fault)
        else:
            buffer[: len(data)] = data
            return len(data)
        raise error

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()


def stat_of(answer: Any) -> ObjectStat:
    """What the headers of an answer to GET or HEAD say of the object."""
    sha256, metadata = _read_metadata(answer["Metadata"])
    return ObjectStat(
        size_bytes=answer["ContentLength"],
        content_type=answer.get("ContentType", "application/octet-stream"),
        metadata=metadata,
        sha256=sha256,
    )


def _read_metadata(headers: dict[str, str]) -> tuple[str | None, dict[str, str]]:
    """SHA-256 and metadata of an object of ours; None and the headers of anybody else's."""
    # Go's servers give header names back in another case.
    own = next((line for name, line in headers.items() if name.lower() == OWN_METADATA), "")
    match = _OWN_LINE.fullmatch(own)
    if match:
        try:
            return match[1], decode_metadata(match[2])
        except ValueError:
            pass
    return None, dict(headers)
