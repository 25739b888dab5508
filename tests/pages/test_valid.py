"""What the W3C's checker says of the HTML."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from markupsafe import Markup

from flask_media.pages import media_picture

from ..servers import missing
from .support import LIKENESS
from .support import info
from .support import variant
from .support import whole

CHECKER = Path(__file__).parent / "node_modules/vnu-jar/build/dist/vnu.jar"

PAGE = Markup(
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Pictures</title>\n'
    "</head>\n<body>\n{}\n</body>\n</html>\n"
)

Check = Callable[[str], list[str]]


@pytest.fixture
def check() -> Check:
    """What the checker has against a page: errors, warnings and hints."""
    java = shutil.which("java")
    if java is None:
        missing("java", "Debian's package default-jre-headless")
    if not CHECKER.exists():
        missing("vnu-jar", "'npm ci --prefix tests/pages --ignore-scripts'")

    def run(body: str) -> list[str]:
        assert java
        done = subprocess.run(
            [java, "-jar", str(CHECKER), "--format", "json", "--exit-zero-always", "-"],
            input=PAGE.format(Markup(body)),
            capture_output=True,
            text=True,
            check=True,
        )
        messages = json.loads(done.stderr)["messages"]
        return [f"{message['message']} {message.get('extract')}" for message in messages]

    return run


def test_valid(check: Check) -> None:
    """The checker has nothing against any kind of picture, in one page."""
    hostile = """"><script>'&amp;&lt,"""
    card = {
        "card": variant("card", 640, 400, "webp", url=f"/card {hostile}?a=1&b=2"),
        "card2x": variant("card2x", 1280, 800, "webp", url=",/card2x.webp,"),
        "card-jpeg": variant("card-jpeg", 640, 400, "jpeg"),
    }
    full = info(whole("avif webp png", 320, 640) | card, placeholder=LIKENESS, color="#00aabb")
    pictures = [
        media_picture(full, alt="A house", sizes="(min-width: 60em) 30em, 100vw", class_="hero"),
        media_picture(full, alt="", variant="card", loading="eager", fetchpriority="high"),
        media_picture(full, alt=hostile, title=hostile, style="width: 50%", data_goal_id=7),
        # One <source>: of two, the checker takes the second for the <img> and misses its loading.
        media_picture(
            info(whole("webp png", 640)), alt="", sizes="auto, 100vw", id="auto", aria_hidden="true"
        ),
        media_picture(info(), alt="A house", placeholder=False, decoding="sync", hidden=True),
        media_picture(info(whole("avif webp", 640), kind="webp"), alt="", crossorigin="anonymous"),
        media_picture(info(whole("avif", 640), kind="avif", url="/a b,"), alt=""),
    ]
    assert check("\n".join(pictures)) == []


def test_the_checker_checks(check: Check) -> None:
    """It is one that reads srcset and sizes: each fault that the helpers could make is told."""
    faults = {
        '<img src="a.png" srcset="a b.png 320w" sizes="100vw" alt="">': "for attribute “srcset”",
        '<img src="a.png" srcset="a.png 320w, b.png 320w" sizes="100vw" alt="">': "320w",
        '<img src="a.png" srcset="a.png 320w" sizes="wide" alt="">': "for attribute “sizes”",
        '<img src="a b.png" alt="">': "Illegal character in path",
        '<img src="a.png">': "must have an “alt” attribute",
        '<img src="a.png" alt="" style="background: url(">': "CSS",
        '<picture><source type="image/webp" srcset="a.webp 1w"></picture>': "“picture”",
    }
    told = check("\n".join(f"<div>{tags}</div>" for tags in faults))
    missed = [part for part in faults.values() if not any(part in message for message in told)]
    assert not missed, told
