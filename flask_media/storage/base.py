"""What every storage can do."""

from __future__ import annotations

import abc
import hashlib
import io
import math
from collections.abc import Iterator
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from typing import Literal
from typing import final

from ..errors import InvalidRequest
from ..errors import NotConfigured
from ..errors import NotFound
from ..keys import check_job_id
from ..keys import check_metadata
from ..keys import check_object_key
from ..types import ObjectStat
from .pieces import Readable
from .pieces import pieces

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

    signs_itself: bool = False
    """Whether its signed URLs lead to the store, which checks them, and not to the app."""

    @property
    def is_open(self) -> bool:
        """Whether anybody gets an object that was just stored, by its public URL."""
        return False

    @property
    def is_private(self) -> bool:
        """Whether nobody gets an object by its URL but whom the app lets in, or a signed URL."""
        return True

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

    def reach(self) -> None:
        """Fail if the storage is out of reach now, by one request at most; writes no object.

        :raises NotConfigured: as :meth:`check_ready`.
        :raises StorageError: it does not answer, or the bucket is not there.
        """
        self.check_ready()

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
    def put_file(
        self,
        key: str,
        file: Readable,
        *,
        content_type: str,
        sha256: str,
        size_bytes: int,
        metadata: Mapping[str, str] | None = None,
        job_id: str = "",
    ) -> None:
        """As :meth:`put`, of a binary file, read from where it stands. The bytes are checked.

        Most storages keep no more of it in memory than a few pieces of 8 MiB.

        :param sha256: SHA-256 of the file's bytes, 64 hexadecimal digits.
        :param size_bytes: how many those are.
        :raises InvalidRequest: the key, the metadata or the job's id is wrong.
        :raises StorageError: the storage refused or failed, or the bytes are not those of
            ``sha256`` and ``size_bytes``, and nothing is stored.
        """
        stat = ObjectStat(
            size_bytes=size_bytes,
            content_type=content_type,
            metadata=check_metadata(metadata),
            sha256=sha256,
            job_id=check_job_id(job_id) or None,
        )
        self._put_file(self.check_key(key), pieces(key, file, stat), stat)

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
    def copy(self, key: str, new_key: str) -> None:
        """Store the object under another key too, replacing one of that key.

        Bytes, content type, metadata, SHA-256 and the job's id stay; who may see it is decided
        anew, as for any object that is put.

        :raises InvalidRequest: a key is wrong, or both are the same.
        :raises NotFound: there is no object under ``key``.
        :raises StorageError: the storage refused or failed; ``retryable`` says which.
        """
        if check_object_key(key) == self.check_key(new_key):
            raise InvalidRequest(
                f"new_key is {key!r:.80}, which is the object's own; name another."
            )
        self._copy(key, new_key)

    @final
    def move(self, key: str, new_key: str) -> None:
        """Copy the object and delete it under its old key.

        :raises InvalidRequest: a key is wrong, or both are the same.
        :raises NotFound: there is no object under ``key``.
        :raises StorageError: the storage refused or failed. The object is then under its old key,
            or under both.
        """
        self.copy(key, new_key)
        self._delete(key)

    @final
    def publish(self, key: str) -> None:
        """Let everybody fetch the object by its :meth:`public_url`, until it is put again.

        Where the app serves the objects nothing changes in the storage: the app's route decides.

        :raises NotFound: there is none.
        :raises NotConfigured: the storage can't do so for one object; says what to do.
        :raises StorageError: the storage refused or failed.
        """
        self._set_public(check_object_key(key), is_public=True)

    @final
    def unpublish(self, key: str) -> None:
        """Take back what :meth:`publish` did. A CDN may show the object still.

        :raises NotFound: there is none.
        :raises NotConfigured: the storage can't do so for one object; says what to do.
        :raises StorageError: the storage refused or failed.
        """
        self._set_public(check_object_key(key), is_public=False)

    def tidy(self, older_than: float) -> int:  # noqa: ARG002 - most leave nothing
        """Delete what writers that were killed left half written.

        :param older_than: seconds since it was written to.
        :returns: how many files.
        :raises StorageError: the storage refused or failed.
        """
        return 0

    @final
    def url(self, key: str) -> str:
        """Where the object can be fetched by those who may. Makes no network call."""
        return self._url(check_object_key(key))

    @final
    def public_url(self, key: str) -> str:
        """Where everybody can fetch the object, once it is public. Makes no network call."""
        return self._public_url(check_object_key(key))

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

    def _put_file(self, key: str, parts: Iterator[bytes], stat: ObjectStat) -> None:
        """Store what :func:`pieces` gave, all of it or nothing. This one holds it in memory."""
        data = b"".join(parts)
        sha256 = stat.sha256 or hashlib.sha256(data).hexdigest()
        metadata = dict(stat.metadata)
        self._put(key, data, stat.content_type, sha256, metadata, stat.job_id or "")

    def _copy(self, key: str, new_key: str) -> None:
        """Through this process; for those that have no better way."""
        with self._open(key) as file:
            self._put_file(new_key, pieces(key, file, file.stat), file.stat)

    def _set_public(self, key: str, *, is_public: bool) -> None:  # noqa: ARG002 - see publish
        self._stat(key)

    def _public_url(self, key: str) -> str:
        return self._url(key)

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
