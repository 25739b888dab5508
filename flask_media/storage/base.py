"""What every storage can do."""

from __future__ import annotations

import abc
import io
import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from typing import ClassVar
from typing import Literal
from typing import final

from ..errors import InvalidRequest
from ..errors import NotConfigured
from ..errors import NotFound
from ..keys import check_job_id
from ..keys import check_metadata
from ..keys import check_object_key
from ..types import ObjectStat

MAX_EXPIRES_IN = 7 * 24 * 3600
"""Longest life of a signed URL in seconds (the limit of S3's signature version 4)."""


class StoredFile(io.BufferedReader):
    """An object open for reading: a binary file, a context manager, and what it is of.

    :param raw: the bytes, as a ``BytesIO`` or a ``RawIOBase``; closed with this file.
    :param stat: describes these bytes, whatever is put under the key meanwhile.
    """

    stat: ObjectStat
    """Size, content type and metadata of what was opened."""

    def __init__(self, raw: Any, stat: ObjectStat) -> None:
        super().__init__(raw)
        self.stat = stat


class Storage(abc.ABC):
    """A place that keeps objects by key.

    The public methods check the key, the same for every storage, and call the one with an
    underscore; a new storage implements those, and its tests subclass
    :class:`flask_media.testing.storage_contract.StorageContract`.

    A storage is used by many threads at once and may be made before a fork and used after it.
    """

    signs_itself: ClassVar[bool] = False
    """Whether its signed URLs lead to the store, which checks them, and not to the app."""

    @property
    @abc.abstractmethod
    def location(self) -> str:
        """What names this place among all others, without a secret, as ``s3://bucket@host``."""

    def check_ready(self) -> None:  # noqa: B027 - a storage without credentials has nothing to check
        """Fail before anything is paid if a write can't succeed, as without credentials.

        Makes no network call. What a write needs (a client, a folder) is made here, where a fault
        costs nothing.

        :raises NotConfigured: a config key is missing or wrong; the message names it.
        """

    def check_key(self, key: str) -> str:
        """Return the key if this storage can keep it. Makes no network call.

        :raises InvalidRequest: the key is wrong anywhere, or can't be kept here.
        """
        return check_object_key(key)

    @final
    def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        sha256: str,
        metadata: Mapping[str, str] | None = None,
        job_id: str = "",
    ) -> None:
        """Store the object whole or not at all, replacing one of that key.

        :param key: the object key.
        :param data: the object's bytes.
        :param content_type: its media type.
        :param sha256: SHA-256 of ``data``, 64 hexadecimal digits.
        :param metadata: text by name, given back by :meth:`stat` as it is.
        :param job_id: the job that made it, 0 to 64 letters, digits, ``_`` and ``-``; given back by
            :meth:`stat` and no part of the metadata. Tells this object from one of the same bytes.
        :raises InvalidRequest: the key, the metadata or the job's id is wrong.
        :raises StorageError: the storage refused or failed; ``retryable`` says which.
        """
        key, text = self.check_key(key), check_metadata(metadata)
        self._put(key, data, content_type, sha256, text, check_job_id(job_id))

    @final
    def open(self, key: str) -> StoredFile:
        """Open the object for reading; the file is a context manager, and has its ``stat``.

        :raises NotFound: there is none.
        :raises StorageError: the storage refused or failed.
        """
        return self._open(check_object_key(key))

    @final
    def stat(self, key: str) -> ObjectStat:
        """Size in bytes, content type and metadata of the object.

        :raises NotFound: there is none.
        :raises StorageError: the storage refused or failed.
        """
        return self._stat(check_object_key(key))

    @final
    def exists(self, key: str) -> bool:
        """Whether there is an object under the key.

        :raises StorageError: the storage refused or failed.
        """
        try:
            self.stat(key)
        except NotFound:
            return False
        return True

    @final
    def holds(
        self, key: str, sha256: str, *, size_bytes: int | None = None, job_id: str | None = None
    ) -> bool:
        """Whether the object is there with just those bytes, as far as the storage knows.

        :param sha256: SHA-256 of the bytes, 64 hexadecimal digits.
        :param size_bytes: size in bytes, None for any.
        :param job_id: the job that made it, ``""`` for an object of no job, None for any.
        :raises StorageError: the storage refused or failed.
        """
        try:
            stat = self.stat(key)
        except NotFound:
            return False
        return (
            stat.sha256 == sha256
            and size_bytes in (None, stat.size_bytes)
            and job_id in (None, stat.job_id or "")
        )

    @final
    def delete(self, key: str) -> None:
        """Delete the object; one that is not there is no error.

        :raises StorageError: the storage refused or failed.
        """
        self._delete(check_object_key(key))

    @final
    def url(self, key: str) -> str:
        """Where the object can be fetched, if it is public. Makes no network call."""
        return self._url(check_object_key(key))

    @final
    def signed_url(
        self,
        key: str,
        expires_in: float | timedelta,
        *,
        method: Literal["GET", "HEAD"] = "GET",
    ) -> str:
        """Where whoever has the URL can fetch the object for a while. Makes no network call.

        :param expires_in: seconds, or a ``timedelta``: more than 0, 7 days at most.
        :param method: the HTTP method that it is for, where a store tells them apart.
        :raises InvalidRequest: an argument is wrong.
        :raises NotConfigured: what signs it is missing; the message says what to set.
        """
        return self._signed_url(check_object_key(key), check_expires_in(expires_in), method)

    @abc.abstractmethod
    def _put(  # noqa: PLR0917 - Storage.put alone calls it
        self,
        key: str,
        data: bytes,
        content_type: str,
        sha256: str,
        metadata: dict[str, str],
        job_id: str,
    ) -> None: ...

    @abc.abstractmethod
    def _open(self, key: str) -> StoredFile: ...

    @abc.abstractmethod
    def _stat(self, key: str) -> ObjectStat: ...

    @abc.abstractmethod
    def _delete(self, key: str) -> None: ...

    @abc.abstractmethod
    def _url(self, key: str) -> str: ...

    def _signed_url(
        self,
        key: str,  # noqa: ARG002 - for those that have something to sign with
        seconds: float,  # noqa: ARG002
        method: Literal["GET", "HEAD"],  # noqa: ARG002
    ) -> str:
        raise NotConfigured(
            f"Nothing signs URLs for {self.location}: register a blueprint of "
            "FlaskMedia.create_blueprint on an app with a SECRET_KEY, and use the app's service; "
            "or keep the pictures in a bucket."
        )


def check_expires_in(expires_in: object) -> float:
    """Return the life of a signed URL in seconds.

    :raises InvalidRequest: it is no number or ``timedelta``, not above 0, or over 7 days.
    """
    value = expires_in.total_seconds() if isinstance(expires_in, timedelta) else expires_in
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequest(
            f"expires_in must be a number of seconds or a timedelta, not {type(value).__name__}."
        )
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf if value > 0 else -math.inf
    if not 0 < seconds <= MAX_EXPIRES_IN:
        raise InvalidRequest(
            f"expires_in is {seconds:g} seconds; it must be more than 0 and at most "
            f"{MAX_EXPIRES_IN} (7 days, the limit of S3)."
        )
    return seconds
