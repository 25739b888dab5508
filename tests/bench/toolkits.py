"""Django's picture toolkits, where they are installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from collections.abc import Iterator
from io import BytesIO
from typing import Any

Way = Callable[[bytes], dict[int, bytes]]


def installed(widths: tuple[int, ...]) -> Iterator[Way]:
    """The toolkits, each as a function that makes WebPs in these widths of a picture's bytes."""
    makers = {"imagekit": _imagekit, "easy_thumbnails": _easy_thumbnails}
    names = [name for name in makers if importlib.util.find_spec(name)]
    if names:
        importlib.import_module("django.conf").settings.configure(
            INSTALLED_APPS=names,
            THUMBNAIL_EXTENSION="webp",
            THUMBNAIL_TRANSPARENCY_EXTENSION="webp",
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        )
        importlib.import_module("django").setup()
    for name in names:
        yield _way(name, makers[name](), widths)


def _way(name: str, make: Callable[[bytes, int], bytes], widths: tuple[int, ...]) -> Way:
    def way(data: bytes) -> dict[int, bytes]:
        return {width: make(data, width) for width in widths}

    way.__name__ = name
    return way


def _imagekit() -> Callable[[bytes, int], bytes]:
    toolkit = importlib.import_module("imagekit")
    processors = importlib.import_module("imagekit.processors")

    def make(data: bytes, width: int) -> bytes:
        values = {
            "processors": [processors.ResizeToFit(width, width)],
            "format": "WEBP",
            "options": {"quality": 80},
        }
        spec = type("Spec", (toolkit.ImageSpec,), values)
        result: bytes = spec(source=BytesIO(data)).generate().read()
        return result

    return make


def _easy_thumbnails() -> Callable[[bytes, int], bytes]:
    files = importlib.import_module("easy_thumbnails.files")

    def make(data: bytes, width: int) -> bytes:
        thumbnailer: Any = files.Thumbnailer(BytesIO(data), name="picture.png")
        options = {"size": (width, width), "quality": 80}
        result: bytes = thumbnailer.generate_thumbnail(options).file.read()
        return result

    return make
