"""Two storages as one: what is written to the first is written to the second too."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from collections.abc import Iterator
from typing import Literal
from typing import TypeVar
from urllib.parse import unquote
from urllib.parse import urlsplit

from ..errors import InvalidConfig
from ..errors import MediaError
from ..errors import NotConfigured
from ..errors import NotFound
from ..errors import StorageError
from ..fields import fields
from ..types import ObjectStat
from .base import Storage
from .base import StoredFile
from .pieces import pieces

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

MAX_TOLD = 10_000
"""Keys that a process remembers to have told of, so that an outage can't fill its memory."""


class MirroredStorage(Storage):
    """A main storage, which has the word, and a mirror, which answers where that is out of reach.

    A write is done when the main storage has it: a fault of the mirror is logged, and
    :meth:`repair` makes up for it. URLs, location and who may see what are the main storage's.

    :param main: the storage that pictures are kept in.
    :param mirror: the second one.
    :raises InvalidConfig: both are the same place.
    """

    def __init__(self, main: Storage, mirror: Storage) -> None:
        if _place(main) == _place(mirror):
            raise InvalidConfig(
                f"MEDIA_STORAGE_MIRROR names {mirror.location}, which pictures are kept in anyway. "
                "Name another storage, or unset it."
            )
        self._main = main
        self._mirror = mirror
        self._told: set[str] = set()
        self._is_out = False
        self.signs_itself = main.signs_itself

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.location}, mirrored in {self._mirror.location}>"

    @property
    def main(self) -> Storage:
        """The storage that pictures are kept in."""
        return self._main

    @property
    def mirror(self) -> Storage:
        """The second one."""
        return self._mirror

    @property
    def location(self) -> str:
        """The main storage's: with or without a mirror the objects are those of one place."""
        return self._main.location

    @property
    def is_private(self) -> bool:
        """Whether the main storage is."""
        return self._main.is_private

    def check_ready(self) -> None:
        """See :meth:`Storage.check_ready`.

        :raises NotConfigured: a config key of either storage is missing or wrong.
        """
        self._main.check_ready()
        try:
            self._mirror.check_ready()
        except NotConfigured as error:
            said = type(error)(f"The storage of MEDIA_STORAGE_MIRROR: {error.message}")
        else:
            return
        raise said

    def reach(self) -> None:
        """As the main storage: no picture is stored without it."""
        self._main.reach()

    @property
    def is_open(self) -> bool:
        """As the main storage."""
        return self._main.is_open

    def tidy(self, older_than: float) -> int:
        """See :meth:`Storage.tidy`."""
        return self._main.tidy(older_than) + self._mirror.tidy(older_than)

    def check_key(self, key: str) -> str:
        """See :meth:`Storage.check_key`.

        :raises InvalidRequest: one of the two can't keep it.
        """
        key = self._main.check_key(key)
        try:
            return self._mirror.check_key(key)
        except (StorageError, NotConfigured) as error:  # it is at fault, and not the key
            self._tell(key, error)
            return key

    def repair(self, key: str, sha256: str) -> bool:
        """Copy the object to the storage of the two that lacks it. Others are left alone.

        :param sha256: SHA-256 of the object's bytes, 64 hexadecimal digits.
        :returns: whether something was copied. An object that the main storage has with other
            bytes, or neither has, is not.
        :raises StorageError: a storage refused or failed, or the bytes are not those of
            ``sha256``.
        """
        try:
            stat = self._main.stat(key)
        except NotFound:
            if not self._mirror.holds(key, sha256):
                return False
            return _transfer(key, self._mirror, self._main, sha256)
        job_id = stat.job_id or ""
        if stat.sha256 != sha256 or self._mirror.holds(
            key, sha256, size_bytes=stat.size_bytes, job_id=job_id
        ):
            return False
        is_copied = _transfer(key, self._main, self._mirror, sha256)
        self._told.discard(key)
        return is_copied

    def _put(  # noqa: PLR0917 - Storage.put alone calls it
        self,
        key: str,
        data: bytes,
        content_type: str,
        sha256: str,
        metadata: dict[str, str],
        job_id: str,
    ) -> None:

        def put(storage: Storage) -> None:
            storage.put(
                key,
                data,
                content_type=content_type,
                sha256=sha256,
                metadata=metadata,
                job_id=job_id,
            )

        put(self._main)
        self._follow(key, lambda: put(self._mirror))

    def _put_file(self, key: str, parts: Iterator[bytes], stat: ObjectStat) -> None:
        self._main._put_file(key, parts, stat)  # noqa: SLF001 - a storage's own part of it
        # The parts are gone, and so they are read back.
        self._follow(key, lambda: _transfer(key, self._main, self._mirror, stat.sha256))

    def _copy(self, key: str, new_key: str) -> None:
        self._main.copy(key, new_key)
        self._follow(new_key, lambda: self._copy_in_mirror(key, new_key))

    def _copy_in_mirror(self, key: str, new_key: str) -> None:
        """There, if the mirror has what was copied and not an older object or none."""
        copied = self._main.stat(new_key)
        if copied.sha256 and self._mirror.holds(
            key, copied.sha256, size_bytes=copied.size_bytes, job_id=copied.job_id or ""
        ):
            self._mirror.copy(key, new_key)
        else:
            _transfer(new_key, self._main, self._mirror, copied.sha256)

    def _open(self, key: str) -> StoredFile:
        return self._first(lambda storage: storage.open(key))

    def _stat(self, key: str) -> ObjectStat:
        return self._first(lambda storage: storage.stat(key))

    def _delete(self, key: str) -> None:
        self._main.delete(key)
        self._insist("deleted", key, lambda: self._mirror.delete(key))

    def _set_public(self, key: str, *, is_public: bool) -> None:
        def publish(storage: Storage) -> None:
            (storage.publish if is_public else storage.unpublish)(key)

        def follow() -> None:
            # A mirror without ACLs has nothing to change, nor has one that lacks the object.
            with contextlib.suppress(NotConfigured, NotFound):
                publish(self._mirror)

        publish(self._main)
        if is_public:  # its URL leads to the main storage anyway
            self._follow(key, follow)
        else:
            self._insist("unpublished", key, follow)

    def _url(self, key: str) -> str:
        return self._main.url(key)

    def _public_url(self, key: str) -> str:
        return self._main.public_url(key)

    def _signed_url(self, key: str, seconds: float, method: Literal["GET", "HEAD"]) -> str:
        return self._main.signed_url(key, seconds, method=method)

    def _first(self, ask: Callable[[Storage], Answer]) -> Answer:
        """What the main storage says, and the mirror while that is out of reach."""
        try:
            answer = ask(self._main)
        except StorageError as error:
            if not error.retryable:
                self._is_out = False
                raise
            outage = error
        else:
            self._is_out = False
            return answer
        if not self._is_out:
            logger.warning(
                "%s answers for %s: %s",
                self._mirror.location,
                self.location,
                outage,
                extra=fields(error=outage),
            )
        self._is_out = True
        try:
            return ask(self._mirror)
        except MediaError as error:
            logger.debug("The mirror can't answer: %s", error)
        raise outage  # what the mirror lacks may be in the main storage

    def _follow(self, key: str, write: Callable[[], object]) -> None:
        """Do to the mirror what was done to the main storage; its fault costs nothing."""
        try:
            write()
        except Exception as error:  # noqa: BLE001 - whatever it is, the object is stored
            self._tell(key, error)
        else:
            self._told.discard(key)

    def _insist(self, done: str, key: str, write: Callable[[], object]) -> None:
        """As :meth:`_follow`, where what stays undone in the mirror does harm."""
        try:
            write()
        except Exception as error:  # noqa: BLE001 - the caller is to come again, whatever it is
            said = _said(error)
        else:
            return
        raise StorageError(
            f"{key!r:.80} is {done} in {self.location}, and not in the mirror "
            f"{self._mirror.location}: {said} Try again.",
            retryable=True,
        )

    def _tell(self, key: str, error: Exception) -> None:
        """Log a fault of the mirror, once for each key until it is made up for."""
        if key in self._told:
            return
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        self._told.add(key)
        logger.warning(
            "The mirror %s does not have %r as it is now; gc will repair it. %s",
            self._mirror.location,
            key,
            _said(error),
            extra=fields(object_key=key, error=error),
        )


def _place(storage: Storage) -> str:
    """Where it is; two folders are one if they are so by a symbolic link."""
    location = storage.location
    is_folder = location.startswith("file://")
    return os.path.realpath(unquote(urlsplit(location).path)) if is_folder else location


def _said(error: Exception) -> str:
    """What an error says if it is ours; others may quote anything."""
    return error.message if isinstance(error, MediaError) else f"({type(error).__name__})"


def _transfer(key: str, source: Storage, target: Storage, sha256: str | None) -> bool:
    """Copy an object from one to the other, if it has that SHA-256, and check its bytes."""
    with source.open(key) as file:
        if file.stat.sha256 != sha256:
            return False
        target._put_file(  # noqa: SLF001 - put_file needs a SHA-256, which not every object has
            target.check_key(key), pieces(key, file, file.stat), file.stat
        )
        return True
