"""A site with a picture in many files, and the browser that looks at it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING
from typing import Any

import pytest
from flask import Flask
from flask import Response
from flask import render_template_string
from flask import request
from PIL import Image

from flask_media import FlaskMedia
from flask_media import ImageFormat
from flask_media import MediaResult
from flask_media import StoredVariant
from flask_media import current_media
from flask_media import responsive
from flask_media.imaging import derive
from flask_media.keys import variant_key
from flask_media.values import Picture
from flask_media.variants import VariantSpec

from ..browser import chromium
from ..browser import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PIXELS = (1600, 900)

VARIANTS: dict[str, VariantSpec] = {
    **responsive([320, 640, 1280], ["avif", "webp"]),
    "card": (400, 500),
    "card-avif": {"width": 400, "height": 500, "format": "avif"},
}

STRICT = "default-src 'self'; img-src 'self' data:"

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>A picture</title>
<link rel="stylesheet" href="/static/page.css">
<script src="/static/shifts.js"></script>
</head>
<body>
{{ media_picture(picture, alt="A house by the sea", **arguments) }}
<p>What is below the picture.</p>
</body>
</html>
"""

# max-width and height: auto are what every page with pictures of several widths has.
CSS = "body { margin: 0 } img { display: block; max-width: 100%; height: auto }"

SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shifts += entry.value;
}).observe({type: "layout-shift", buffered: true});
"""


@dataclasses.dataclass
class Site:
    """An app behind a server, with one picture."""

    url: str
    picture: MediaResult
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Arguments of media_picture on the page."""
    policy: str = STRICT
    """The page's Content-Security-Policy."""
    asked: list[str] = dataclasses.field(default_factory=list)
    """The files that were asked for, in their order."""
    gate: threading.Event = dataclasses.field(default_factory=threading.Event)
    """Pictures are sent once it is set."""

    def show(self, *, policy: str = STRICT, is_open: bool = True, **arguments: Any) -> str:
        """Begin anew with these arguments of media_picture; gives the page's URL."""
        self.policy, self.arguments = policy, arguments
        self.asked.clear()
        if is_open:
            self.gate.set()
        else:
            self.gate.clear()
        return f"{self.url}/"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the module."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a picture in all its files, made as the app makes them."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "static").mkdir()
    (folder / "static/page.css").write_text(CSS)
    (folder / "static/shifts.js").write_text(SHIFTS)
    app = Flask("site", root_path=str(folder), instance_path=str(folder / "instance"))
    app.config["MEDIA_FOLDER"] = str(folder / "media")
    media = FlaskMedia(app)
    blueprint = media.create_blueprint(authorize=lambda request: "anybody")
    app.register_blueprint(blueprint, url_prefix="/media")
    with app.app_context():
        site = Site("", _stored(_drawing()))

    @app.before_request
    def record() -> None:
        if request.endpoint == "media.files":
            site.asked.append((request.view_args or {})["key"])
            assert site.gate.wait(60)

    @app.get("/")
    def page() -> Response:
        html = render_template_string(PAGE, picture=site.picture, arguments=site.arguments)
        return Response(html, headers={"Content-Security-Policy": site.policy})

    @app.get("/favicon.ico")
    def icon() -> Response:
        return Response(status=204)

    with served(app) as site.url:
        yield site
        site.gate.set()
    app.extensions["media"].close()


def _drawing() -> Picture:
    """A picture in which one sees which part of it is shown: a sky, a sun and a sea."""
    width, height = PIXELS
    image = Image.merge(
        "RGB",
        [
            Image.linear_gradient("L").resize(PIXELS).point(lambda value, top=top: top + value // 4)
            for top in (90, 140, 190)
        ],
    )
    image.paste((20, 60, 110), (0, height * 2 // 3, width, height))
    sun = Image.radial_gradient("L").resize((400, 400)).point(lambda value: 255 * (value < 128))
    image.paste((255, 210, 90), (600, 150), sun)
    file = BytesIO()
    image.save(file, "PNG")
    return Picture(data=file.getvalue(), format=ImageFormat.PNG, width=width, height=height)


def _stored(picture: Picture) -> MediaResult:
    """The result of storing a picture with its variants, in the current app."""
    result = current_media.upload(picture.data, "goals/7/house, by the sea.png")
    made, preview = derive(picture, VARIANTS)
    variants: dict[str, StoredVariant] = {}
    for name, variant in made.items():
        key = variant_key(result.object_key, name, variant.format)
        stored = current_media.upload(variant.data, key)
        variants[name] = StoredVariant(
            url=stored.url,
            object_key=key,
            content_type=stored.content_type,
            width=stored.width,
            height=stored.height,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
        )
    return dataclasses.replace(
        result, variants=variants, placeholder=preview.placeholder, color=preview.color
    )
