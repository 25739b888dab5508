"""The keys of pictures that clients ask for: made from a template, in a folder of who asks."""

from __future__ import annotations

import hashlib
import re
import string
import uuid

from ..errors import InvalidRequest
from ..inputs import target_format
from ..keys import check_object_key
from ..options import ImageFormat

FIELDS = ("spender", "id")

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")


class KeyTemplate:
    """Makes object keys, and knows whose they are.

    :param text: a key with ``{id}`` in its last part and, as a folder, ``{spender}``.
    :raises ValueError: it is no such text.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        folders, _, self._name = _checked(text).rpartition("/")
        self._folder = f"{folders}/"
        before, spender, _ = self._folder.partition("{spender}/")
        self._shared = before
        self.is_by_spender = spender != ""
        """Whether each spender has a folder of their own."""

    def make(self, who: str, wanted: ImageFormat | None) -> str:
        """A new key for a picture of theirs, with the extension of the format wanted."""
        name = self._name
        stem, dot, extension = name.rpartition(".")
        if wanted is not None and dot and ImageFormat.from_extension(extension) is not wanted:
            name = f"{stem}.{wanted.extension}"
        return (self._folder + name).format(spender=segment_of(who), id=uuid.uuid4().hex)

    def folder(self, who: str) -> str:
        """Where their pictures are; with a slash at its end."""
        return f"{self._shared}{segment_of(who)}/" if self.is_by_spender else self._shared

    def may_read(self, who: str, key: str) -> bool:
        """Whether the key is in no other spender's folder."""
        if not self.is_by_spender or not key.startswith(self._shared):
            return True
        owner, slash, _ = key.removeprefix(self._shared).partition("/")
        return not slash or owner == segment_of(who)


def segment_of(who: str) -> str:
    """Who asks, as a part of a key: as it is where it can be, else a digest that no other has."""
    if _PLAIN.fullmatch(who):
        return who
    return "~" + hashlib.sha256(who.encode(errors="surrogatepass")).hexdigest()[:40]


def _checked(text: object) -> str:
    if not isinstance(text, str):
        raise _wrong(text, "a str")
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise _wrong(text, f"a template ({error})") from None
    if "{{" in text or "}}" in text:
        raise _wrong(text, "a key without braces of its own ('{{' and '}}')")
    names = [name for _, name, _, _ in parts if name is not None]
    for _, name, spec, conversion in parts:
        if name is not None and (name not in FIELDS or spec or conversion):
            raise _wrong(text, "a key with no other fields than {spender} and {id}")
    first, *folders, last = text.split("/") if "/" in text else ("{", text)
    if "{" in first:
        raise _wrong(text, "a key below a folder of its own, as 'generated/{spender}/{id}.webp'")
    if names.count("id") != 1 or "{id}" not in last:
        raise _wrong(text, "a key with {id} in its last part, or pictures replace one another")
    if names.count("spender") != folders.count("{spender}") or names.count("spender") > 1:
        raise _wrong(text, "a key that has {spender}, if at all, as one of its folders")
    try:
        target_format(check_object_key(text.format(spender="x", id="x")), None)
    except InvalidRequest as error:
        raise _wrong(text, f"a key that can be stored: {error}") from None
    return text


def _wrong(value: object, allowed: str) -> ValueError:
    return ValueError(f"object_key is {value!r:.120}; it must be {allowed}.")
