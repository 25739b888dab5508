"""What a caller hands over: pictures, keys and configs, read and checked."""

from __future__ import annotations

import mimetypes
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import time
from typing import IO
from typing import Protocol
from typing import TypeAlias
from typing import cast

from .errors import InvalidImage
from .errors import InvalidRequest
from .options import ImageFormat
from .options import ImageGenerationConfig

MAX_INPUT_BYTES = 50_000_000
"""Most bytes that are read of an upload or a reference picture."""


class BinaryFile(Protocol):
    """Whatever is read like a binary file."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes, none at the end."""
        ...


PictureSource: TypeAlias = bytes | bytearray | memoryview | IO[bytes] | BinaryFile
"""A picture's bytes, or a binary file or ``FileStorage`` to read them from."""


def check_config(config: object) -> ImageGenerationConfig:
    """Return the config, or the default one for None.

    :raises InvalidRequest: it is something else.
    """
    if config is None:
        return ImageGenerationConfig()
    if not isinstance(config, ImageGenerationConfig):
        raise InvalidRequest(
            f"config must be an ImageGenerationConfig or None, not {type(config).__name__}; "
            "make one of a dict with ImageGenerationConfig.from_dict()."
        )
    return config


def moment(argument: str, value: object) -> datetime:
    """The moment of a day or a time; in UTC where it names no zone.

    :raises InvalidRequest: it is neither; names the argument.
    """
    if not isinstance(value, date):
        raise InvalidRequest(f"{argument} must be a date or a datetime, not {value!r:.80}.")
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def target_format(object_key: str | None, wanted: ImageFormat | None) -> ImageFormat | None:
    """The format to store, or None for what the bytes are: key, bytes and type shall agree.

    :raises InvalidRequest: the key's extension says another format, or none that we write.
    """
    name = (object_key or "").rpartition("/")[2]
    extension = f".{name.rpartition('.')[2]}" if "." in name else ""
    named = ImageFormat.from_extension(extension[1:])
    if named is None:
        if any(mimetypes.guess_type(f"x{extension}", strict=False)):
            raise InvalidRequest(
                f"object_key ends in {extension!r}, which is no format that can be written; "
                "use .png, .jpg, .webp or .avif, or no extension."
            )
        return wanted
    if wanted is not None and wanted is not named:
        raise InvalidRequest(
            f"object_key ends in {extension!r}, but config.format is {wanted.value!r}; "
            "make them agree or leave one out."
        )
    return named


def read_bytes(argument: str, source: object) -> bytes:
    """All bytes of the source.

    :param argument: what to call it in an error.
    :raises InvalidRequest: it is no source of bytes, empty, or over 50 MB.
    :raises InvalidImage: it is the empty file of a form.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    elif callable(getattr(source, "read", None)):
        data = _read_all(argument, cast(BinaryFile, source))
    else:
        raise InvalidRequest(
            f"{argument} must be bytes or a binary file, not {type(source).__name__}."
        )
    if not data and hasattr(source, "filename"):  # a form's, and so a user's
        raise InvalidImage("The file is empty.")
    if not data:
        raise InvalidRequest(f"{argument} has no bytes; if it is a file that was read, seek(0).")
    if len(data) > MAX_INPUT_BYTES:
        raise InvalidRequest(f"{argument} is over {MAX_INPUT_BYTES:,} bytes.")
    return data


def _read_all(argument: str, file: BinaryFile) -> bytes:
    chunks, size = [], 0
    while size <= MAX_INPUT_BYTES:
        chunk = file.read(MAX_INPUT_BYTES + 1 - size)  # a pipe or socket may give less
        if not isinstance(chunk, bytes):
            raise InvalidRequest(f"{argument} is open as text; open it in binary mode ('rb').")
        if not chunk:
            break
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)
