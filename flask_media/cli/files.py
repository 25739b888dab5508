"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from typing import Self

import click

from ..options import ImageFormat

if TYPE_CHECKING:
    from ..types import GeneratedImage


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
        try:
            number, name = tempfile.mkstemp(dir=folder, prefix=f".{self._path.name}-")
        except OSError as error:  # which names a file that nobody asked for
            raise OSError(error.errno, error.strerror, str(self._path)) from None
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
        with contextlib.suppress(OSError):  # where what was left to write does not fit either
            self._file.close()
        if not self._is_saved:
            with contextlib.suppress(OSError):
                self._name.unlink()


def write_out(data: bytes) -> None:
    """Write bytes to stdout, all of them.

    :raises OSError: it takes no more; Python then has nothing left to write to it at its end.
    """
    stream = sys.stdout.buffer
    try:
        stream.write(data)
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        raise


@contextmanager
def kept(image: GeneratedImage, place: str) -> Iterator[None]:
    """What was paid for goes into a temporary file where it can't be written in here.

    :param place: where it was to go, for the message.
    :raises ClickException: it was not written there; says where it is.
    """
    try:
        yield
    except OSError as error:
        why = f"{place} could not be written: {error.strerror or type(error).__name__}."
        kind = ImageFormat(image.content_type.removeprefix("image/"))
        try:
            number, name = tempfile.mkstemp(prefix="flask-media-", suffix=f".{kind.extension}")
            with os.fdopen(number, "wb") as file:
                file.write(image.data)
        except OSError as second:
            raise click.ClickException(
                f"{why} Nor could a temporary file: {second.strerror}. The picture is lost."
            ) from None
        raise click.ClickException(f"{why} The picture is in {name}") from None
