"""The variants that responsive() names."""

from __future__ import annotations

from typing import Any

import pytest

from flask_media import FlaskMedia
from flask_media import ImageFormat
from flask_media import InvalidRequest
from flask_media import Variant
from flask_media import responsive

from ..core.conftest import MakeApp
from ..core.conftest import make_app

__all__ = ["make_app"]


def test_names_and_variants() -> None:
    """Each width in each format, under a name that says both."""
    assert responsive([320, 640]) == {
        "w320-avif": Variant(width=320, format=ImageFormat.AVIF),
        "w320-webp": Variant(width=320, format=ImageFormat.WEBP),
        "w640-avif": Variant(width=640, format=ImageFormat.AVIF),
        "w640-webp": Variant(width=640, format=ImageFormat.WEBP),
    }
    assert list(responsive((9,), [ImageFormat.JPEG, "JPG", "png", None])) == [
        "w9-jpeg",
        "w9-png",
        "w9",
    ]
    assert responsive(iter([9]), iter([None])) == {"w9": Variant(width=9, format=None)}
    assert responsive([]) == {}


def test_as_config(make_app: MakeApp) -> None:
    """It is what MEDIA_VARIANTS takes, beside others."""
    values: dict[str, Any] = {"MEDIA_VARIANTS": {**responsive([320]), "card": (640, 400)}}
    app = make_app(**values)
    FlaskMedia(app)
    assert list(app.extensions["media"]._config.variants) == ["w320-avif", "w320-webp", "card"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((640,), "responsive's widths is 640; allowed is a list of widths"),
        (("640",), "responsive's widths is '640'"),
        ((["640"],), "variant.width is '640'; allowed is an int"),
        (([0],), "variant.width is 0"),
        (([(640, 400)],), "variant.width is (640, 400)"),
        (([640], "avif"), "responsive's formats is 'avif'; allowed is a list of formats"),
        (([640], None), "responsive's formats is None"),
        (([640], ["gif"]), "responsive's formats is 'gif'; allowed is 'png'"),
        ((range(100, 1800, 100),), "variants has 34; at most 32"),
    ],
)
def test_refused(arguments: tuple[Any, ...], said: str) -> None:
    """A wrong argument is refused by its name."""
    with pytest.raises(InvalidRequest) as caught:
        responsive(*arguments)
    assert str(caught.value).startswith(said)
