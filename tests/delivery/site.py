"""An app whose pictures have variants, as the tests use it."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from PIL import Image
from werkzeug.test import TestResponse

from flask_media import MediaResult
from flask_media.emulator import GeminiEmulator
from flask_media.emulator.pictures import make_picture
from flask_media.service import MediaService
from flask_media.variants import VariantSpec

KEY = "goals/7/house.png"

SMALL: dict[str, VariantSpec] = {"thumb": 64, "card": (100, 50)}
"""Variants that most tests ask for."""

on_both = pytest.mark.parametrize("journal", ["sqlite", "postgresql"], indirect=True)
"""Runs a test with a journal on SQLite, and on PostgreSQL."""


@dataclasses.dataclass
class Site:
    """An app with a blueprint under ``/media``, and the folder of its pictures."""

    app: Flask
    media: MediaService
    folder: Path
    emulator: GeminiEmulator

    def ask(self, prompt: str = "A sea house", key: str = KEY, **values: Any) -> MediaResult:
        """Generate a picture, with :data:`SMALL` variants unless told otherwise."""
        with self.app.app_context():
            return self.media.generate_and_upload(prompt, key, **{"variants": SMALL} | values)

    def get(self, url: str | None, who: str | None = "ann") -> TestResponse:
        """GET a URL of the app."""
        assert url is not None
        headers = {} if who is None else {"X-User": who}
        return self.app.test_client().get(url, headers=headers, buffered=True)

    def emulator_png(self) -> bytes:
        """A picture as the model draws it."""
        return make_picture("image/png", 400, 200)

    @property
    def files(self) -> set[str]:
        """The keys of all objects."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        keys = {path.relative_to(self.folder).as_posix() for path in found}
        return {key for key in keys if not key.startswith((".meta", ".tmp-"))}


def keys(*names: str, stem: str = "goals/7/house") -> set[str]:
    """The key of the picture, and those of its variants of these names."""
    return {f"{stem}.png", *(f"{stem}.{name}" for name in names)}


def shape(data: bytes) -> tuple[str | None, tuple[int, int]]:
    """The format and pixels of a file, as Pillow reads them."""
    with Image.open(io.BytesIO(data)) as image:
        return image.format, image.size
