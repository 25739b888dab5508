"""Two hosts of one app, where one does something at a certain moment of the other's work."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from flask_media import StorageError

from ..journal.support import sql
from .site import Site

KEY = "barn.png"

THUMB = "barn.thumb.webp"

HOUR = 3601
"""Seconds after which gc takes up what was left lying."""


@contextlib.contextmanager
def meanwhile(
    owner: Any,
    name: str,
    act: Callable[[], object],
    *,
    key: str | None = None,
    before: bool = False,
    times: int = 1,
) -> Iterator[None]:
    """The first time (or times) just after, or before, the owner does what has that name, with that
    key if one is given, something else happens."""
    do, left = getattr(owner, name), times

    def wrapped(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        is_now = left > 0 and (key is None or key in arguments)
        if is_now:
            left -= 1
        if is_now and before:
            act()
        answer = do(*arguments, **named)
        if is_now and not before:
            act()
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, wrapped)
        yield
    assert not left, "that moment never came"


@contextlib.contextmanager
def failing(
    owner: Any, *names: str, key: str | None = None, error: Exception | None = None
) -> Iterator[None]:
    """While the owner fails at what has these names, with that key if one is given."""
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(owner, name, _failing(getattr(owner, name), key, error))
        yield


def _failing(do: Callable[..., Any], key: str | None, error: Exception | None) -> Any:
    def fail(*arguments: Any, **named: Any) -> Any:
        if key is None or key in arguments:
            raise error or StorageError("It is away.", retryable=True)
        return do(*arguments, **named)

    return fail


def color(data: bytes) -> str:
    """The colour in the middle of a picture that has one of these alone."""
    with Image.open(io.BytesIO(data)) as image:
        found: Any = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
    bright = [part > 127 for part in found]
    return {(True, False, False): "red", (False, False, True): "blue"}.get(tuple(bright), "other")


def stored(site: Site, key: str = KEY) -> str:
    """The colour of a stored picture."""
    with site.media.open(key) as file:
        return color(file.read())


def age(site: Site, seconds: float = HOUR) -> None:
    """Have everything that is listed be so many seconds older."""
    url = str(site.media.journal._db._url)
    for table in ("media_objects", "media_derivatives"):
        sql(url, f"UPDATE {table} SET updated_at = updated_at - :seconds", seconds=seconds)


def agrees(site: Site, key: str = KEY) -> None:
    """Assert that the listing of a picture says what is stored, of it and of its variants."""
    info = site.media.info(key)
    assert info.sha256 == site.media.stat(key).sha256
    for one in info.variants.values():
        if one.is_made:
            with site.media.open(one.object_key) as file:
                assert color(file.read()) == stored(site, key)
            assert site.media.stat(one.object_key).sha256 == one.sha256
