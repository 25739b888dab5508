"""Objects in the memory of this process, for tests and demonstrations."""

from __future__ import annotations

import dataclasses
import io
import uuid
from collections.abc import Callable
from typing import Literal

from ..errors import NotFound
from ..keys import quote_key
from ..types import ObjectStat
from .base import Storage
from .base import StoredFile


class MemoryStorage(Storage):
    """Objects that live as long as this object. Each one is a place of its own.

    :param base_url: the URL of a key; where it is None or gives None, ``memory://<key>``.
    :param sign_url: the signed URL of a key for so many seconds; None where nobody signs.
    """

    def __init__(
        self,
        *,
        base_url: Callable[[str], str | None] | None = None,
        sign_url: Callable[[str, float], str] | None = None,
    ) -> None:
        self._base_url = base_url
        self._sign_url = sign_url
        self._location = f"memory://{uuid.uuid4().hex}"
        # One assignment puts an object whole, and so no reader or writer needs a lock.
        self._objects: dict[str, tuple[bytes, ObjectStat]] = {}

    @property
    def location(self) -> str:
        """``memory://`` and a random name."""
        return self._location

    def _put(  # noqa: PLR0917 - Storage.put alone calls it
        self,
        key: str,
        data: bytes,
        content_type: str,
        sha256: str,
        metadata: dict[str, str],
        job_id: str,
    ) -> None:
        stat = ObjectStat(
            size_bytes=len(data),
            content_type=content_type,
            metadata=metadata,
            sha256=sha256,
            job_id=job_id or None,
        )
        self._objects[key] = (bytes(data), stat)

    def _open(self, key: str) -> StoredFile:
        data, stat = self._find(key)
        return StoredFile(io.BytesIO(data), stat)

    def _stat(self, key: str) -> ObjectStat:
        return self._find(key)[1]

    def _delete(self, key: str) -> None:
        self._objects.pop(key, None)

    def _url(self, key: str) -> str:
        url = self._base_url(key) if self._base_url else None
        return url or f"memory://{quote_key(key)}"

    def _signed_url(self, key: str, seconds: float, method: Literal["GET", "HEAD"]) -> str:
        if self._sign_url is None:
            return super()._signed_url(key, seconds, method)
        return self._sign_url(key, seconds)  # the app's route takes a link for both

    def _find(self, key: str) -> tuple[bytes, ObjectStat]:
        try:
            data, stat = self._objects[key]
        except KeyError:
            raise NotFound(f"There is no object {key!r} in memory.") from None
        return data, dataclasses.replace(stat, metadata=dict(stat.metadata))
