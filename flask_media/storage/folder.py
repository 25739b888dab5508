"""A folder tree that is walked by descriptor, so that no symbolic link below it is followed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

TEMPORARY = ".tmp-"
"""How the names of files that are being written begin."""

NOT_A_FOLDER = (errno.ENOTDIR, errno.ELOOP)
"""What opening a file or a link as a folder gives, on Linux and on BSD."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_LOCK = ".lock"


class Folder:
    """A root and the folders below it, each named by its parts as bytes.

    :param root: an absolute path; may itself be a link, which is the deployer's choice.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextlib.contextmanager
    def open(self, parts: Sequence[bytes], *, mode: int | None = None) -> Iterator[int]:
        """The descriptor of a folder below the root.

        :param mode: make what is missing, with these permissions less the umask.
        :raises FileNotFoundError: there is none, or it was deleted in the meantime.
        :raises OSError: it is a file or a link (:data:`NOT_A_FOLDER`).
        """
        if mode is not None:
            self.root.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in parts:
                if mode is not None:
                    _make(part, folder, mode)
                below = os.open(part, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = below
            yield folder
        finally:
            os.close(folder)

    def prune(self, parts: Sequence[bytes]) -> None:
        """Delete the folder and those above it, up to the first that is not empty."""
        for depth in range(len(parts), 0, -1):
            try:
                with self.open(parts[: depth - 1]) as above:
                    os.rmdir(parts[depth - 1], dir_fd=above)
            except FileNotFoundError:
                continue
            except OSError:
                return

    def tidy(self, older_than: float) -> int:
        """Delete files that were being written and for so many seconds are not; says how many."""
        count = 0
        for _, _, names, folder in os.fwalk(self.root):
            for name in names:
                if not name.startswith(TEMPORARY):
                    continue
                with contextlib.suppress(FileNotFoundError):  # its writer has just finished
                    if os.stat(name, dir_fd=folder).st_mtime < time.time() - older_than:
                        os.unlink(name, dir_fd=folder)
                        count += 1
        return count


def _make(name: bytes, folder: int, mode: int) -> None:
    try:
        os.mkdir(name, mode, dir_fd=folder)
    except FileExistsError:
        return
    os.fsync(folder)


@contextlib.contextmanager
def temporary(folder: int, parts: Iterable[bytes]) -> Iterator[tuple[str, os.stat_result]]:
    """A new file of that content, on the disk; deleted at the end if it still has its name.

    The first part is taken once the file is there.

    Its modification time is set to the nanosecond, so that two files of one size differ by it.
    """
    name = TEMPORARY + secrets.token_hex(16)
    descriptor = os.open(
        name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666, dir_fd=folder
    )
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for part in parts:
                rest = memoryview(part)
                while rest:
                    rest = rest[file.write(rest) :]
            now = time.time_ns()
            os.utime(descriptor, ns=(now, now))
            os.fsync(descriptor)
            written = os.fstat(descriptor)
        yield name, written
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def replace(source: str, target: bytes, folder: int) -> None:
    """Give the file its name, over a file, a link or an empty folder of that name."""
    try:
        os.replace(source, target, src_dir_fd=folder, dst_dir_fd=folder)
    except IsADirectoryError:
        os.rmdir(target, dir_fd=folder)
        os.replace(source, target, src_dir_fd=folder, dst_dir_fd=folder)


@contextlib.contextmanager
def locked(folder: int) -> Iterator[None]:
    """Hold the folder's lock, over threads and processes."""
    descriptor = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        # Said aloud, because a child forked meanwhile has the descriptor too.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
