"""What answers of an S3-compatible store say of an object, and its body as a file."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

from ..errors import StorageError
from ..keys import decode_metadata
from ..keys import encode_metadata
from ..types import ObjectStat
from .s3_client import OWN_METADATA

_OWN_LINE = re.compile(r"([0-9a-f]{64});(?:([0-9A-Za-z_-]*);)?([^;]*)")
"""The older form has no job's id. Metadata has no semicolon in it, encoded as it is."""


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


def own_line(sha256: str, job_id: str, metadata: dict[str, str]) -> str:
    """The value of the header that :func:`stat_of` reads."""
    return f"{sha256};{job_id};{encode_metadata(metadata)}"


def stat_of(answer: Any) -> ObjectStat:
    """What the headers of an answer to GET or HEAD say of the object."""
    sha256, job_id, metadata = _read_metadata(answer["Metadata"])
    return ObjectStat(
        size_bytes=answer["ContentLength"],
        content_type=answer.get("ContentType", "application/octet-stream"),
        metadata=metadata,
        sha256=sha256,
        job_id=job_id,
    )


def _read_metadata(headers: dict[str, str]) -> tuple[str | None, str | None, dict[str, str]]:
    """SHA-256, job's id and metadata of an object of ours; of anybody else's the headers alone."""
    # Go's servers give header names back in another case.
    own = next((line for name, line in headers.items() if name.lower() == OWN_METADATA), "")
    match = _OWN_LINE.fullmatch(own)
    if match:
        try:
            return match[1], match[2] or None, decode_metadata(match[3])
        except ValueError:
            pass
    return None, None, dict(headers)
