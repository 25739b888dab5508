"""Object keys and metadata: checked once, the same for every storage."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl
from urllib.parse import quote
from urllib.parse import urlencode

from .errors import InvalidRequest
from .options import ImageFormat
from .variants import check_variant_name

MAX_KEY_BYTES = 1024
"""Longest object key in UTF-8 bytes (the S3 API's limit)."""

MAX_JOB_ID_LENGTH = 64
"""Longest id of a job that a storage keeps, in characters."""

MAX_METADATA_BYTES = (
    2048 - len("flask-media") - len("0" * 64 + ";") - len("0" * MAX_JOB_ID_LENGTH + ";")
)
"""Largest metadata as sent, in bytes: S3 allows 2,048 for names and values together, of which the
name that it is sent under, the picture's hash and its job's id take their part."""

_DIGEST_LENGTH = 40
"""Hexadecimal digits of the hash of a key that is cut: 160 bits."""

_JOB_ID = re.compile(rf"[0-9A-Za-z_-]{{0,{MAX_JOB_ID_LENGTH}}}")


def check_object_key(key: object) -> str:
    """Return the key if every storage can keep it.

    :raises InvalidRequest: it is no text, empty, over 1,024 bytes, absolute, or has an empty,
        ``.`` or ``..`` segment, a control character or a lone surrogate.
    """
    if not isinstance(key, str):
        raise InvalidRequest(f"object_key must be a str, not {type(key).__name__}.")
    fault = _text_fault(key)
    if not key:
        fault = "is empty"
    elif fault is None and (size := len(key.encode())) > MAX_KEY_BYTES:
        fault = f"has {size} bytes in UTF-8; at most {MAX_KEY_BYTES} are allowed"
    elif fault is None and key.startswith("/"):
        fault = "starts with '/'; write it relative, as 'goals/7/house.png'"
    elif fault is None:
        for segment in key.split("/"):
            if segment in ("", ".", ".."):
                fault = f"has a segment {segment!r}; empty, '.' and '..' are not allowed"
                break
    if fault:
        raise InvalidRequest(f"object_key {_shorten(key)} {fault}.")
    return key


def variant_key(key: str, name: str, file_format: ImageFormat) -> str:
    """The key of a variant: ``goals/7/house.png`` gives ``goals/7/house.thumb.webp``.

    The same three always give the same key, and no two pictures share one, so that deleting or
    making one picture's variants leaves another's alone. To that end only ``.png`` goes:
    ``house.jpg`` gives ``house.jpg.thumb.webp``, and a key without an extension gets a ``_``
    (``house_.thumb.webp``). A key that would be over 1,024 bytes is cut, and ends in a hash. What
    remains to the app: not to store a picture of its own under a variant's key.

    :param key: the picture's own key.
    :param name: the variant's.
    :param file_format: what the variant's bytes are.
    :raises InvalidRequest: the key or the name is wrong.
    """
    check_object_key(key)
    end = f".{check_variant_name(name)}.{file_format.extension}"
    stem, dot, extension = key.rpartition(".")
    # Each branch makes stems that no other one makes: see that it stays so.
    if not dot or ImageFormat.from_extension(extension) is None:
        stem = key + "_"
    elif extension != "png" or _is_taken(stem):
        stem = key
    if len((stem + end).encode()) > MAX_KEY_BYTES:
        digest = hashlib.sha256(key.encode()).hexdigest()[:_DIGEST_LENGTH]
        room = MAX_KEY_BYTES - len(end) - len(f"-{digest}-")
        stem = key.encode()[:room].decode(errors="ignore") + f"-{digest}-"
    return stem + end


def may_be_variant(key: str) -> bool:
    """Whether :func:`variant_key` may give that key; what it says of others is never wrong."""
    stem, _, extension = key.rpartition(".")
    _, dot, name = stem.rpartition(".")
    return bool(dot) and "/" not in name and ImageFormat.from_extension(extension) is not None


def _is_taken(stem: str) -> bool:
    """Whether a key without ``.png`` looks like a stem of another kind, or is no name."""
    _, dot, extension = stem.rpartition(".")
    is_picture = bool(dot) and ImageFormat.from_extension(extension) is not None
    return is_picture or not stem or stem.endswith(("/", "_", "-"))


def check_job_id(job_id: object) -> str:
    """Return the id of a job, or the empty text for none, if every storage can keep it.

    :raises InvalidRequest: it is no text, over 64 characters, or has another sign than letters and
        digits of ASCII, ``_`` and ``-``.
    """
    if not isinstance(job_id, str):
        raise InvalidRequest(f"job_id must be a str, not {type(job_id).__name__}.")
    if not _JOB_ID.fullmatch(job_id):
        raise InvalidRequest(
            f"job_id {_shorten(job_id)} can't be kept; give at most {MAX_JOB_ID_LENGTH} letters "
            "and digits of ASCII, '_' and '-'."
        )
    return str.__str__(job_id)


def check_metadata(metadata: object) -> dict[str, str]:
    """Return the metadata as text: None is dropped, numbers and booleans become text.

    :param metadata: a mapping of names to ``str``, ``int``, ``float``, ``Decimal``, ``bool`` or
        None, or None for no metadata.
    :raises InvalidRequest: another type, a control character, or over the size as sent.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise InvalidRequest(f"metadata must be a mapping, not {type(metadata).__name__}.")
    text: dict[str, str] = {}
    for name, value in metadata.items():
        if not isinstance(name, str) or not name:
            raise InvalidRequest(f"metadata names must be non-empty str, not {name!r}.")
        if value is None:
            continue
        name = str.__str__(name)  # noqa: PLW2901 - a subclass may show as something else
        text[name] = _metadata_text(name, value)
        for what, part in (("name", name), ("value", text[name])):
            if fault := _text_fault(part):
                raise InvalidRequest(f"metadata {_shorten(name)}: the {what} {fault}.")
    size = len(encode_metadata(text))
    if size > MAX_METADATA_BYTES:
        raise InvalidRequest(
            f"metadata takes {size} bytes as sent; at most {MAX_METADATA_BYTES} are allowed. "
            "Keep what belongs to the picture, and the rest in your database."
        )
    return text


def encode_metadata(metadata: Mapping[str, str]) -> str:
    """Metadata as one line of ASCII that every S3-compatible server hands back unchanged.

    Names and values are percent-encoded as in a query string: servers fold the case of header
    names, turn ``_`` into ``-`` and strip or refuse what is not ASCII.
    """
    return urlencode(metadata, quote_via=quote, safe="")


def decode_metadata(line: str) -> dict[str, str]:
    """The metadata that :func:`encode_metadata` made the line from."""
    return dict(parse_qsl(line, keep_blank_values=True, strict_parsing=bool(line)))


def quote_key(key: str) -> str:
    """The key as the path of a URL: UTF-8, percent-encoded, slashes kept."""
    return quote(key, safe="/~")


def _metadata_text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        try:
            return str(value)
        except ValueError:  # a limit of Python's on the digits of an int
            raise InvalidRequest(f"metadata {_shorten(name)} is too large a number.") from None
    raise InvalidRequest(
        f"metadata {_shorten(name)} is of the type {type(value).__name__}; "
        "a str, a number, a bool or None is needed. Convert it with str()."
    )


def _text_fault(text: str) -> str | None:
    for position, character in enumerate(text):
        category = unicodedata.category(character)
        if category == "Cc":
            return f"has the control character U+{ord(character):04X} at position {position}"
        if category == "Cs":
            return f"has a lone surrogate U+{ord(character):04X} at position {position}"
    return None


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
