"""Objects as files below one folder, whole or not at all, whatever lies in the folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import mimetypes
import os
import re
import stat as stat_module
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import Literal

from ..errors import InvalidRequest
from ..errors import NotConfigured
from ..errors import NotFound
from ..errors import StorageError
from ..keys import check_object_key
from ..types import ObjectStat
from .base import Storage
from .base import StoredFile
from .folder import NOT_A_FOLDER
from .folder import TEMPORARY
from .folder import Folder
from .folder import locked
from .folder import replace
from .folder import temporary

_META = b".meta"
_MAX_NAME_BYTES = 200
"""Longest file name left as it is; file systems take 255 bytes, and some encode names."""

_ESCAPED = re.compile(r".*~[0-9a-f]{40}", re.DOTALL)
_TRIES = 100
"""Tries to write into a folder that others keep deleting because it is empty."""

_ADVICE = {
    errno.ENOSPC: "The disk is full: free some space.",
    errno.EDQUOT: "The quota is used up: free some space.",
    errno.EROFS: "It is mounted read-only: name another MEDIA_FOLDER.",
    errno.EACCES: "Give this user the right, or name another MEDIA_FOLDER.",
    errno.EPERM: "Give this user the right, or name another MEDIA_FOLDER.",
}
_RETRYABLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE)

_MAGIC = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"....ftypavi[fs]", re.DOTALL), "image/avif"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
)


class FilesystemStorage(Storage):
    """Objects as files below a folder, which is made before the first write.

    A file has the name of its key, so that a web server can serve the folder; names that a file
    system can't hold are escaped. What a file can't hold (content type, metadata, SHA-256, the
    job's id) is in ``.meta`` below the folder, for this user alone. All else follows the umask. No
    symbolic link below the folder is followed.

    :param folder: the root; relative to the working directory.
    :param base_url: the URL of a key; where it is None or gives None, a ``file://`` URI.
    :param sign_url: the signed URL of a key for so many seconds; None where nobody signs.
    """

    def __init__(
        self,
        folder: Path,
        *,
        base_url: Callable[[str], str | None] | None = None,
        sign_url: Callable[[str, float], str] | None = None,
    ) -> None:
        self._folder = Folder(Path(folder).absolute())
        self._base_url = base_url
        self._sign_url = sign_url

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.location}>"

    @property
    def location(self) -> str:
        """The folder as a ``file://`` URI."""
        return self._folder.root.as_uri()

    def path(self, key: str) -> Path:
        """The object's file, whether it is there or not.

        :raises InvalidRequest: the key is wrong.
        """
        return self._folder.root.joinpath(*map(os.fsdecode, _names(check_object_key(key))))

    def check_ready(self) -> None:
        """See :meth:`Storage.check_ready`.

        :raises NotConfigured: MEDIA_FOLDER can't be made or written.
        """
        root = self._folder.root
        fault = None
        try:
            # Made and not only looked at: a right that seems to be there need not do.
            root.mkdir(parents=True, exist_ok=True)
            if not os.access(root, os.W_OK | os.X_OK):
                fault = "this process can't write there"
        except FileExistsError:
            fault = "that is no folder"
        except OSError as error:
            fault = f"it can't be made ({error.strerror})"
        if fault:
            raise NotConfigured(
                f"MEDIA_FOLDER is {str(root)!r}, and {fault}. Name another folder, or give this "
                "user the right."
            )

    def check_key(self, key: str) -> str:
        """See :meth:`Storage.check_key`.

        :raises InvalidRequest: a file lies where the key needs a folder, or the reverse.
        :raises NotConfigured: MEDIA_FOLDER is no folder.
        """
        super().check_key(key)
        *above, name = _names(key)
        fault = None
        try:
            with self._folder.open(above) as parent:
                if _has_entries(name, parent):
                    fault = "is the folder of other keys"
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in NOT_A_FOLDER:
                raise self._error(error, "look up", key) from error
            if not self._folder.root.is_dir():
                self.check_ready()  # the folder is at fault and no key
            fault = "needs a folder where a file or a symbolic link is"
        if fault:
            raise InvalidRequest(
                f"object_key {key!r:.80} {fault}. A file system can't keep one key below "
                "another; choose another key."
            )
        return key

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
        self._put_file(key, (data,), stat)

    def _put_file(self, key: str, parts: Iterable[bytes], stat: ObjectStat) -> None:
        about = {
            "key": key,
            "content_type": stat.content_type,
            "sha256": stat.sha256,
            "job_id": stat.job_id or "",
            "metadata": stat.metadata,
        }
        names = _names(key)
        with self._errors("write", key):
            try:
                for _ in range(_TRIES):
                    # A delete takes away folders that it left empty, also those made just now, but
                    # none that a part was written into.
                    with contextlib.suppress(FileNotFoundError):
                        self._write(names, parts, about, stat.size_bytes)
                        return
                self._write(names, parts, about, stat.size_bytes)
            except BaseException:
                self._folder.prune(names[:-1])
                raise

    def _write(
        self, names: list[bytes], parts: Iterable[bytes], about: dict[str, Any], size_bytes: int
    ) -> None:
        shard, sidecar = _sidecar(names)
        with (
            self._folder.open(shard, mode=0o700) as meta,
            self._folder.open(names[:-1], mode=0o777) as parent,
            temporary(parent, parts) as (file, written),
        ):
            if written.st_size != size_bytes:  # parts can be taken once
                raise OSError(errno.EIO, "somebody deletes what is being written")
            line = json.dumps(about | {"written": _identity(written)}).encode()
            with temporary(meta, (line,)) as (sidecar_file, _), locked(meta):
                # The sidecar first: it says which file it is of, and so a crash between the two
                # costs the old object its metadata, and never gives it that of the new one.
                replace(sidecar_file, sidecar, meta)
                os.fsync(meta)
                replace(file, names[-1], parent)
                os.fsync(parent)

    def _open(self, key: str) -> StoredFile:
        with self._errors("read", key):
            found = self._look(key)
            if found.stat.sha256 is None:
                # A writer may be between its two renames; there is none while the lock is held.
                found.close()
                with self._lock(key):
                    found = self._look(key)
        return found

    def _stat(self, key: str) -> ObjectStat:
        with self._open(key) as file:
            return file.stat

    def _look(self, key: str) -> StoredFile:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(self._file(key))
            found = StoredFile(file, self._describe(key, file.fileno()))
            stack.pop_all()
        return found

    def _describe(self, key: str, descriptor: int) -> ObjectStat:
        shard, sidecar = _sidecar(_names(key))
        status = os.fstat(descriptor)
        about: dict[str, Any] = {}
        with (
            contextlib.suppress(FileNotFoundError, ValueError),
            self._folder.open(shard) as meta,
            _read(sidecar, meta) as file,
        ):
            about = json.loads(file.readall())
        if about.get("written") != _identity(status):
            # By pread, which leaves the reader's place at the beginning.
            content_type = _content_type(key, os.pread(descriptor, 32, 0))
            about = {"content_type": content_type, "metadata": {}, "sha256": None}
        return ObjectStat(
            size_bytes=status.st_size,
            content_type=about["content_type"],
            metadata=about["metadata"],
            sha256=about["sha256"],
            job_id=about.get("job_id") or None,  # older sidecars have none
        )

    def _delete(self, key: str) -> None:
        names = _names(key)
        shard, sidecar = _sidecar(names)
        with self._errors("delete", key), contextlib.suppress(NotFound):
            self._file(key).close()  # a folder or a device is no object
            with self._lock(key), contextlib.suppress(FileNotFoundError):
                with self._folder.open(names[:-1]) as parent:
                    os.unlink(names[-1], dir_fd=parent)
                    os.fsync(parent)
                with self._folder.open(shard) as meta:
                    os.unlink(sidecar, dir_fd=meta)
            self._folder.prune(names[:-1])

    def tidy(self, older_than: float) -> int:
        """See :meth:`Storage.tidy`."""
        with self._errors("tidy up", ""):
            return self._folder.tidy(older_than)

    def _url(self, key: str) -> str:
        url = self._base_url(key) if self._base_url else None
        return url or self.path(key).as_uri()

    def _signed_url(self, key: str, seconds: float, method: Literal["GET", "HEAD"]) -> str:
        if self._sign_url is None:
            return super()._signed_url(key, seconds, method)
        return self._sign_url(key, seconds)  # the app's route takes a link for both

    def _file(self, key: str) -> io.FileIO:
        """The open file of a key.

        :raises NotFound: nothing is there, or a folder, a link or a device.
        """
        *above, name = _names(key)
        try:
            with self._folder.open(above) as parent:
                return _read(name, parent)
        except OSError as error:
            if error.errno != errno.ENOENT and error.errno not in NOT_A_FOLDER:
                raise
        raise NotFound(f"There is no object {key!r} in the folder {str(self._folder.root)!r}.")

    @contextlib.contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        """The lock of a key's sidecar. Where nothing was ever stored there is nothing to lock."""
        shard, _ = _sidecar(_names(key))
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # nothing stored yet, or nothing to be stored
                stack.enter_context(locked(stack.enter_context(self._folder.open(shard))))
            yield

    @contextlib.contextmanager
    def _errors(self, action: str, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._error(error, action, key) from error

    def _error(self, error: OSError, action: str, key: str) -> StorageError:
        number = error.errno or 0
        name = errno.errorcode.get(number, type(error).__name__)
        return StorageError(
            f"Can't {action} {key!r} in the folder {str(self._folder.root)!r}: {name} "
            f"({error.strerror}). {_ADVICE.get(number, 'Check MEDIA_FOLDER.')}",
            retryable=number in _RETRYABLE,
        )


def _names(key: str) -> list[bytes]:
    """The file names of a key, one a segment: bytes, so that no locale has a say."""
    return [_escape(segment) for segment in key.split("/")]


def _escape(segment: str) -> bytes:
    """The segment itself, or a name with its hash where a file can't have it.

    No two segments share a name: what looks like an escaped name is escaped.
    """
    name = segment.encode()
    reserved = segment.casefold()  # some file systems fold the case of names
    if (
        len(name) <= _MAX_NAME_BYTES
        and reserved != _META.decode()
        and not reserved.startswith(TEMPORARY)
        and not _ESCAPED.fullmatch(segment)
    ):
        return name
    start = name[:100].decode(errors="ignore").lstrip(".")
    return f"{start}~{hashlib.sha256(name).hexdigest()[:40]}".encode()


def _sidecar(names: list[bytes]) -> tuple[list[bytes], bytes]:
    """Folder and name of a key's sidecar: by hash, so that no two keys get into a conflict."""
    digest = hashlib.sha256(b"/".join(names)).hexdigest()
    return [_META, digest[:2].encode()], f"{digest}.json".encode()


def _identity(status: os.stat_result) -> list[int]:
    """What tells a file from the one before it, and stays when the folder is copied."""
    return [status.st_size, status.st_mtime_ns]


def _read(name: bytes, folder: int) -> io.FileIO:
    # Not blocking, because opening a pipe would wait for its writer.
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    if stat_module.S_ISREG(os.fstat(descriptor).st_mode):
        return io.FileIO(descriptor)
    os.close(descriptor)
    raise FileNotFoundError(errno.ENOENT, "no regular file")


def _has_entries(name: bytes, parent: int) -> bool:
    """Whether a folder of that name is there with something in it."""
    if not stat_module.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        return False
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        with os.scandir(descriptor) as entries:
            return any(entries)
    finally:
        os.close(descriptor)


def _content_type(key: str, head: bytes) -> str:
    """The media type of a file that nobody described, by its first bytes or its extension."""
    for magic, content_type in _MAGIC:
        if magic.match(head):
            return content_type
    return mimetypes.guess_type(key)[0] or "application/octet-stream"
