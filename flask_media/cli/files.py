"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self


class Saved:
    """A file to be written once what goes into it is there; a context manager.

    It is opened under another name first, so that one that can't be written costs nothing.

    :param path: where it goes; a file of that name is replaced.
    :raises OSError: it can't be written there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_saved = False

    def __enter__(self) -> Self:
        folder = self._path.parent
        number, name = tempfile.mkstemp(dir=folder, prefix=f".{self._path.name}-")
        self._file, self._name = os.fdopen(number, "wb"), Path(name)
        return self

    def save(self, data: bytes) -> None:
        """Write it all."""
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        self._name.chmod(0o666 & ~mask)
        self._name.replace(self._path)
        self._is_saved = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if not self._is_saved:
            with contextlib.suppress(OSError):
                self._name.unlink()
