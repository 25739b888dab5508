"""Which files a browser may choose among. No app, no journal."""

from __future__ import annotations

import pytest

from flask_media import InvalidRequest
from flask_media import StoredVariant
from flask_media import Variant
from flask_media import responsive
from flask_media.pages import media_picture

from .support import candidates
from .support import info
from .support import read
from .support import variant
from .support import whole


def test_formats_and_widths() -> None:
    """AVIF is asked for before WebP, and the picture's own format is what is left."""
    shown = read(media_picture(info(whole("webp avif png", 640, 320)), alt="A house", sizes="50vw"))
    assert shown.tags == ["picture", "source", "source", "img"]
    assert shown.types == ["image/avif", "image/webp"]
    assert shown.source("avif") == ["/files/w320.avif 320w", "/files/w640.avif 640w"]
    assert shown.source("webp") == ["/files/w320.webp 320w", "/files/w640.webp 640w"]
    assert {tag["sizes"] for tag in (*shown.sources, shown.img)} == {"50vw"}
    assert shown.img["src"] == "/files/house.png"
    assert candidates(shown.img) == [
        "/files/w320.png 320w",
        "/files/w640.png 640w",
        "/files/house.png 1024w",
    ]
    assert (shown.img["width"], shown.img["height"]) == ("1024", "768")
    assert (shown.img["loading"], shown.img["decoding"]) == ("lazy", "async")


def test_without_variants() -> None:
    """A picture without variants is an <img> with one file, and its size."""
    assert media_picture(info(), alt="A house") == (
        '<img src="/files/house.png" width="1024" height="768" alt="A house" loading="lazy" '
        'decoding="async">'
    )


@pytest.mark.parametrize(
    ("kind", "made", "types", "src", "choice"),
    [
        # Whoever can't read the original gets the best that all can read.
        ("webp", "avif jpeg", ["avif", "webp"], "w640.jpeg", ["w320.jpeg", "w640.jpeg"]),
        ("avif", "webp png", ["avif", "webp"], "w640.png", ["w320.png", "w640.png"]),
        ("avif", "jpeg png", ["avif"], "w640.jpeg", ["w320.jpeg", "w640.jpeg"]),
        # Nothing that all can read: what more can read.
        ("webp", "avif", ["avif"], "house.webp", []),
        ("webp", "avif webp", ["avif"], "house.webp", ["w320.webp", "w640.webp", "house.webp"]),
        ("avif", "webp", ["avif"], "w640.webp", ["w320.webp", "w640.webp"]),
        ("avif", "avif", [], "house.avif", ["w320.avif", "w640.avif", "house.avif"]),
        # A JPEG stays one, whatever else there is.
        ("jpeg", "png webp", ["webp"], "house.jpeg", []),
    ],
)
def test_what_is_left_of_each_format(
    kind: str, made: str, types: list[str], src: str, choice: list[str]
) -> None:
    """The <img> has a format that all can read where there is one, and no format comes twice."""
    shown = read(media_picture(info(whole(made, 320, 640), kind=kind), alt=""))
    assert shown.types == [f"image/{known}" for known in types]
    assert shown.img["src"] == f"/files/{src}"
    assert [entry.split()[0] for entry in candidates(shown.img)] == [
        f"/files/{name}" for name in choice
    ]
    if kind in types:
        assert shown.source(kind)[-1] == f"/files/house.{kind} 1024w"


def test_other_proportions_are_other_pictures() -> None:
    """A square and a banner of the picture are in no srcset of it."""
    others = {
        "square": variant("square", 640, 640, "webp"),
        "banner": variant("banner", 640, 200, "avif"),
        "nearly": variant("nearly", 640, 482, "webp"),
    }
    shown = read(media_picture(info(others | whole("webp", 640)), alt=""))
    assert shown.types == ["image/webp"]
    assert shown.source("webp") == ["/files/w640.webp 640w"]
    assert read(media_picture(info(others), alt="")).tags == ["img"]


@pytest.mark.parametrize("picture", [(1920, 1080), (1000, 999), (1366, 768), (3, 1000), (257, 101)])
@pytest.mark.parametrize("width", [1, 2, 7, 24, 99, 320, 333, 640, 1999])
def test_rounding_is_no_other_proportion(picture: tuple[int, int], width: int) -> None:
    """Whatever a width makes of a picture, rounded to whole pixels, is that picture."""
    small = Variant(width=width, upscale=True).pixels(*picture)
    made = {"small": variant("small", *small, "png"), "wide": variant("wide", 640, 3, "png")}
    known = info(made, width=picture[0], height=picture[1])
    shown = read(media_picture(known, alt="", variant="small"))
    assert shown.img["src"] == "/files/small.png"
    shown = read(media_picture(known, alt=""))
    listed = f"/files/small.png {small[0]}w" in candidates(shown.img)
    assert listed == (small[0] != picture[0])


def test_art_direction() -> None:
    """variant= shows that one, in all files of its proportions, and not the original."""
    made = {
        "card": variant("card", 640, 400, "webp"),
        "card2x": variant("card2x", 1280, 800, "webp"),
        "card-avif": variant("card-avif", 640, 400, "avif"),
        "card-jpeg": variant("card-jpeg", 640, 400, "jpeg"),
    }
    shown = read(media_picture(info(made | whole("avif webp", 320)), alt="", variant="card"))
    assert shown.types == ["image/avif", "image/webp"]
    assert shown.source("avif") == ["/files/card-avif.avif 640w"]
    assert shown.source("webp") == ["/files/card.webp 640w", "/files/card2x.webp 1280w"]
    assert shown.img["src"] == "/files/card-jpeg.jpeg"
    assert (shown.img["width"], shown.img["height"]) == ("640", "400")
    assert "srcset" not in shown.img


def test_the_variant_named_is_the_src() -> None:
    """Of several widths the <img> names the one that was asked for, as nothing else says it."""
    shown = read(media_picture(info(whole("webp", 320, 640, 1000)), alt="", variant="w640-webp"))
    assert shown.img["src"] == "/files/w640.webp"
    assert len(candidates(shown.img)) == 3
    assert "/files/house.png" not in str(shown)


def test_unknown_variant() -> None:
    """A name that the picture has not is refused with those that it has."""
    with pytest.raises(InvalidRequest, match=r"variant is 'crad'.*'house\.png' has 'card', 'w32"):
        media_picture(
            info({"card": variant("card", 640, 400, "webp")} | whole("webp", 320)),
            alt="",
            variant="crad",
        )
    with pytest.raises(InvalidRequest, match="has no variants; see MEDIA_VARIANTS"):
        media_picture(info(), alt="", variant="card")


def test_no_width_twice() -> None:
    """Of two files of one format and width the first is taken; the picture is before all."""
    made: dict[str, StoredVariant] = {
        "best": variant("best", 640, 480, "webp"),
        "small": variant("small", 640, 480, "webp"),
        "same": variant("same", 1024, 768, "png"),
        "w500": variant("w500", 500, 375, "png"),
    }
    shown = read(media_picture(info(made), alt=""))
    assert shown.source("webp") == ["/files/best.webp 640w"]
    assert candidates(shown.img) == ["/files/w500.png 500w", "/files/house.png 1024w"]
    shown = read(media_picture(info(made), alt="", variant="small"))
    assert shown.source("webp") == ["/files/small.webp 640w"]


def test_a_thumbnail_alone_is_no_choice() -> None:
    """A format with small files alone is left out: browsers would enlarge them."""
    assert read(media_picture(info(whole("webp", 256)), alt="")).tags == ["img"]
    assert read(media_picture(info(whole("webp", 511)), alt="")).types == []
    assert read(media_picture(info(whole("webp", 256, 512)), alt="")).types == ["image/webp"]
    # Of the picture's own format it is one of several.
    shown = read(media_picture(info(whole("png", 256)), alt=""))
    assert candidates(shown.img) == ["/files/w256.png 256w", "/files/house.png 1024w"]


@pytest.mark.parametrize("width", [200, 1024, 1920])
def test_what_responsive_gives_is_used(width: int) -> None:
    """Every variant of responsive() is in the page, unless the picture is too small for two."""
    specs = responsive([320, 640, 1280], ["avif", "webp", "jpeg", None])
    made = {}
    for name, spec in specs.items():
        across, down = spec.pixels(width, width * 9 // 16)
        made[name] = variant(name, across, down, spec.format or "png")
    html = media_picture(info(made, width=width, height=width * 9 // 16), alt="")
    shown = read(html)
    assert shown.types == ["image/avif", "image/webp"]
    widths = sorted({min(known, width) for known in (320, 640, 1280)})
    assert [entry.split()[1] for entry in shown.source("avif")] == [f"{w}w" for w in widths]
