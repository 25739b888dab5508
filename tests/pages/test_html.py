"""The HTML around the files: escapes, attributes, placeholder, and what is refused."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import pytest
from jinja2 import StrictUndefined
from jinja2 import Undefined
from markupsafe import Markup
from PIL import Image

from flask_media import InvalidRequest
from flask_media.imaging import preview
from flask_media.options import ImageFormat
from flask_media.pages import media_picture
from flask_media.values import Picture

from ..imaging.files import save
from .support import LIKENESS
from .support import candidates
from .support import info
from .support import read
from .support import variant

HOSTILE = """"><script>alert(1)</script><img x='&amp;"""


def test_text_stays_text() -> None:
    """Quotes, tags and ampersands in texts and URLs end neither the attribute nor the tag."""
    picture = info(url=f"/files/{HOSTILE}?a=1&b=2")
    html = media_picture(picture, alt=HOSTILE, sizes=HOSTILE, class_=HOSTILE, data_note=HOSTILE)
    shown = read(html)
    assert shown.tags == ["img"]
    for name in ("alt", "class", "data-note"):
        assert shown.img[name] == HOSTILE
    encoded = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E%3Cimg%20x='&amp;"
    assert shown.img["src"] == f"/files/{encoded}?a=1&b=2"


def test_html_is_taken_for_what_it_says() -> None:
    """A translated text, which templates have as HTML, is neither escaped twice nor let through."""
    shown = read(media_picture(info(), alt=Markup("Tom &amp; Ann's"), title=Markup('" onload="x')))
    assert shown.img["alt"] == "Tom & Ann's"
    assert shown.img["title"] == '" onload="x'
    assert "onload" not in shown.img


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("/a b\t\n\u3000c.webp", "/a%20b%09%0A%E3%80%80c.webp"),
        (",/a.webp,,", "%2C/a.webp%2C%2C"),
        ("https://cdn.example/width=300,quality=75/a.webp", None),
        ("/a%20b%2Cc.webp?x=1&y=2#z", None),
        ('/"<a>`{b}|^\\c.webp', "/%22%3Ca%3E%60%7Bb%7D%7C%5E%5Cc.webp"),
        ("/é/\u4e2d.webp", None),
        (",", "%2C"),
        (",,", "%2C%2C"),
    ],
)
def test_urls_in_a_srcset(url: str, written: str | None) -> None:
    """What would end a URL in a srcset, and what is in no URL, is encoded, and nothing else."""
    written = written or url
    made = {"small": variant("small", 640, 480, "webp", url=url)}
    shown = read(media_picture(info(made), alt=""))
    assert shown.source("webp") == [f"{written} 640w"]
    shown = read(media_picture(info(made), alt="", variant="small"))
    assert shown.img["src"] == written


def test_attributes() -> None:
    """Keywords become attributes of the <img>; True is a bare name, None and False are none."""
    attributes: dict[str, Any] = {
        "class_": "hero wide",
        "id": "top",
        "fetchpriority": "high",
        "decoding": "sync",
        "data_goal_id": 7,
        "data_ratio": 1.5,
        "aria_hidden": "true",
        "itemprop": True,
        "hidden": False,
        "title": None,
    }
    img = read(media_picture(info(), alt="", loading="eager", **attributes)).img
    assert list(img.items())[3:] == [
        ("alt", ""),
        ("loading", "eager"),
        ("decoding", "sync"),
        ("class", "hero wide"),
        ("id", "top"),
        ("fetchpriority", "high"),
        ("data-goal-id", "7"),
        ("data-ratio", "1.5"),
        ("aria-hidden", "true"),
        ("itemprop", None),
    ]


def test_alt_is_needed() -> None:
    """Without alt, the error says what it is for and how decoration is marked."""
    with pytest.raises(InvalidRequest, match=r'needs alt: what the picture shows.* Give alt="" to'):
        media_picture(info())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"alt": 7}, "media_picture's alt is 7; allowed is text"),
        ({"alt": Undefined(name="goal")}, "media_picture's alt is Undefined"),
        ({"alt": b"a"}, "media_picture's alt is b'a'"),
        ({"alt": "a\0"}, "media_picture's alt has U+0000 at position 1"),
        ({"sizes": " "}, "media_picture's sizes is ' '; allowed is how wide"),
        ({"sizes": 320}, "media_picture's sizes is 320; allowed is text"),
        ({"loading": "slow"}, "media_picture's loading is 'slow'; allowed is 'lazy' or 'eager'"),
        ({"loading": True}, "media_picture's loading is True"),
        ({"fetchpriority": "top"}, "fetchpriority is 'top'; allowed is 'high' or 'low' or 'auto'"),
        ({"decoding": "fast"}, "decoding is 'fast'"),
        ({"placeholder": "blur"}, "placeholder is 'blur'; allowed is True or False"),
        ({"variant": 7}, "variant is 7; the picture 'house.png' has no variants"),
        ({"class_": ["a"]}, "media_picture's class_ is ['a']; allowed is text"),
        ({"data_x": {"a": 1}}, "media_picture's data_x is {'a': 1}"),
        ({"onload": "alert(1)"}, "media_picture's onload would be a script"),
        ({"OnClick": "alert(1)"}, "media_picture's OnClick would be a script"),
        ({"on_": "x"}, "media_picture's on_ would be a script"),
        *[({name: "x"}, f"{name} would be a second") for name in ("src", "srcset", "width")],
        *[({name: "x"}, f"{name} would be a second") for name in ("height", "alt_", "SIZES")],
        ({"class": "a", "class_": "b"}, "media_picture's class_ would be a second 'class'"),
        *[
            ({name: "x"}, f"attribute's name is {name!r}; allowed is letters")
            for name in ("a b", "@click", "x:y", "", "_", 'a"', "a>", "é", "-a", "1")
        ],
    ],
)
def test_refused(values: dict[str, Any], said: str) -> None:
    """A wrong argument is refused by its name, with its value and what is allowed."""
    with pytest.raises(InvalidRequest) as caught:
        media_picture(info(), **{"alt": "", **values})
    assert said in str(caught.value)


@pytest.mark.parametrize("picture", [None, 7, b"a", Undefined(), StrictUndefined(), {"url": "/a"}])
def test_what_is_no_picture(picture: Any) -> None:
    """Another thing than a key or a picture is refused by its name."""
    with pytest.raises(
        InvalidRequest, match=r"media_picture's picture is .*; allowed is an object"
    ):
        media_picture(picture, alt="")


# The placeholder


def test_placeholder() -> None:
    """Colour and likeness are the background until the picture is there."""
    html = media_picture(info(placeholder=LIKENESS, color="#00aaBB"), alt="", style="width: 50%")
    assert read(html).img["style"] == (
        f'background: #00aaBB url("{LIKENESS}") center / cover no-repeat; width: 50%'
    )
    html = media_picture(info(color="#00aabb"), alt="")
    assert read(html).img["style"] == "background: #00aabb"


def test_no_placeholder() -> None:
    """Where there is none or none is wanted there is no style; that of the caller stays."""
    assert "style" not in read(media_picture(info(), alt="")).img
    full = info(placeholder=LIKENESS, color="#00aabb")
    assert "style" not in read(media_picture(full, alt="", placeholder=False)).img
    img = read(media_picture(full, alt="", placeholder=False, style="width: 50%")).img
    assert img["style"] == "width: 50%"


@pytest.mark.parametrize(
    ("placeholder", "color"),
    [
        ('data:image/webp;base64,AAAA"); width: 0', "red; width: 0"),
        ("https://elsewhere.example/pixel.gif", "url(https://elsewhere.example)"),
        ("data:image/webp;base64,AAAA", "#12345"),
        ("data:text/html;base64," + "A" * 80, ""),
        (LIKENESS + "\n", "#ffffff\n"),
    ],
)
def test_what_is_no_placeholder(placeholder: str, color: str) -> None:
    """What could say more than a picture and a colour is left out."""
    assert (
        "style" not in read(media_picture(info(placeholder=placeholder, color=color), alt="")).img
    )


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_transparent_pictures(mode: str) -> None:
    """A transparent picture has no placeholder on the page: it would stay visible through it."""
    image = Image.new(mode, (64, 48), "red")
    if mode == "RGBA":
        image.paste((0, 0, 0, 0), (0, 0, 32, 48))
    data = save(image, ImageFormat.PNG)
    made = preview(Picture(data=data, format=ImageFormat.PNG, width=64, height=48))
    with Image.open(BytesIO(base64.b64decode(made.placeholder.partition(",")[2]))) as likeness:
        assert likeness.mode == mode
    html = media_picture(info(placeholder=made.placeholder, color=made.color), alt="")
    assert ("style" in read(html).img) == (mode == "RGB")


def test_not_yet_made() -> None:
    """A variant that is made when it is asked for is listed."""
    lazy = variant("lazy", 640, 480, "png")
    assert not lazy.is_made
    assert candidates(read(media_picture(info({"lazy": lazy}), alt="")).img)[0].startswith("/files")
