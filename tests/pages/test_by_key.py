"""The helpers by object key: what the journal knows is what the page gets."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_media import FlaskMedia
from flask_media import InvalidRequest
from flask_media import current_media
from flask_media import responsive
from flask_media.pages import media_picture
from flask_media.pages import media_url

from ..core.conftest import MakeApp
from ..core.conftest import make_app
from .support import read

__all__ = ["make_app"]


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """An app with a picture and its variants."""
    values: dict[str, Any] = {
        "MEDIA_GENERATOR": "placeholder",
        "MEDIA_STORAGE": "memory",
        "MEDIA_VARIANTS": {**responsive([320, 640]), "card": (320, 200)},
    }
    app = make_app(**values)
    FlaskMedia(app)
    with app.app_context():
        current_media.generate_and_upload("A house", "goals/7/house.png")
    return app


def test_known(app: Flask) -> None:
    """By its key a picture gives the HTML that its result gives."""
    service: Any = app.extensions["media"]
    with app.app_context():
        known = service.info("goals/7/house.png")
        html = media_picture("goals/7/house.png", alt="A house")
        assert html == media_picture(known, alt="A house")
        assert read(html).types == ["image/avif", "image/webp"]
        card = media_url("goals/7/house.png", "card")
        assert card == known.variants["card"].url
        assert current_media.exists(known.variants["card"].object_key)


def test_unknown_to_the_journal(app: Flask) -> None:
    """A picture that the journal doesn't know is an <img> of its own file, without a size."""
    with app.app_context():
        url = current_media.url("old.png")
        assert media_picture("old.png", alt="", class_="a", variant="card") == (
            f'<img src="{url}" alt="" loading="lazy" decoding="async" class="a">'
        )
        assert media_url("old.png", "card") == url


def test_unknown_variant(app: Flask) -> None:
    """A name that the picture has not is refused with those that it has."""
    with app.app_context(), pytest.raises(InvalidRequest, match=r"variant is 'crad'.*'card'"):
        media_url("goals/7/house.png", "crad")


def test_wrong_key(app: Flask) -> None:
    """A key that can be none is an error, and no picture that the journal doesn't know."""
    with app.app_context(), pytest.raises(InvalidRequest, match="object_key"):
        media_picture("../house.png", alt="")
