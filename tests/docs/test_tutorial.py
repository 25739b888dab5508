"""The tutorial's screenshots."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parents[2] / "docs"


def test_each_screenshot_is_small_and_shown() -> None:
    """Every picture of the example is on the page, with words for those who don't see it."""
    text = (DOCS / "tutorial.rst").read_text()
    figures = dict(
        re.findall(r"^\.\. figure:: _static/(\S+)\n(.+?)\n\n", text, re.DOTALL | re.MULTILINE)
    )
    files = sorted((DOCS / "_static").glob("example-*.webp"))
    assert [file.name for file in files] == sorted(figures)
    assert all(":alt:" in options for options in figures.values())
    for file in files:
        assert file.stat().st_size < 60_000
        with Image.open(file) as picture:
            picture.load()
