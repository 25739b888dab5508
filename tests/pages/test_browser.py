"""A real browser on a real page: which file it asks for, and what moves meanwhile."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING
from typing import Any

import pytest
from PIL import Image

from ..browser import tab
from .conftest import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page

NAME = "goals/7/house, by the sea"

RELAXED = "default-src 'self'; img-src 'self' data:; style-src-attr 'unsafe-inline'"

BOX = "JSON.stringify(document.querySelector('img').getBoundingClientRect())"


def _wait(page: Page) -> None:
    # A function, not an expression: the page's policy forbids eval.
    page.evaluate("() => document.querySelector('img').decode()")


def _colors(page: Page, *points: tuple[int, int]) -> list[tuple[int, ...]]:
    """The page's colours at these CSS pixels, as the screen shows them."""
    with Image.open(BytesIO(page.screenshot(scale="css"))) as shot:
        pixels = shot.convert("RGB")
    return [pixels.getpixel(point) for point in points]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("screen", "arguments", "asked"),
    [
        ((320, 1), {}, "w320-avif.avif"),
        ((320, 2), {}, "w640-avif.avif"),
        ((640, 1), {}, "w640-avif.avif"),
        ((640, 2), {}, "w1280-avif.avif"),
        ((1280, 1), {}, "w1280-avif.avif"),
        ((1280, 1), {"sizes": "25vw"}, "w320-avif.avif"),
        ((1280, 2), {"sizes": "(min-width: 1000px) 320px, 100vw"}, "w640-avif.avif"),
        ((640, 1), {"sizes": "(min-width: 1000px) 320px, 100vw"}, "w640-avif.avif"),
        ((800, 1), {"variant": "card", "sizes": "400px"}, "card-avif.avif"),
        ((320, 1), {"sizes": "auto"}, "w320-avif.avif"),
    ],
)
def test_the_right_file(
    browser: Browser, site: Site, screen: tuple[int, float], arguments: dict[str, Any], asked: str
) -> None:
    """The browser asks for one file: AVIF, of the width that its window and screen need."""
    width, density = screen
    with tab(browser, width=width, density=density) as opened:
        opened.page.goto(site.show(placeholder=False, **arguments))
        _wait(opened.page)
        assert site.asked == [f"{NAME}.{asked}"]
        assert opened.faults == []
        current = opened.page.evaluate("() => document.querySelector('img').currentSrc")
        assert current.endswith(f"/house,%20by%20the%20sea.{asked}")


@pytest.mark.parametrize(
    ("arguments", "box"), [({}, (600, 337.5)), ({"variant": "card"}, (400, 500))]
)
def test_nothing_moves(
    browser: Browser, site: Site, arguments: dict[str, Any], box: tuple[float, float]
) -> None:
    """The picture has its place before it comes, and nothing moves when it is there."""
    with tab(browser, width=600) as opened:
        url = site.show(is_open=False, placeholder=False, **arguments)
        opened.page.goto(url, wait_until="domcontentloaded")
        before = opened.page.evaluate(BOX)
        assert not opened.page.evaluate("() => document.querySelector('img').complete")
        site.gate.set()
        _wait(opened.page)
        opened.page.wait_for_load_state("load")
        # Two frames: what moved is told with the one after it.
        opened.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        assert opened.page.evaluate(BOX) == before
        assert f'"width":{box[0]:g},"height":{box[1]:g}' in before
        assert opened.page.evaluate("() => window.shifts") == 0
        assert opened.faults == []


def test_the_measure_sees_what_moves(browser: Browser, site: Site) -> None:
    """Without its width and height the picture would move what is below: so the test would tell."""
    with tab(browser, width=600) as opened:
        opened.page.goto(site.show(is_open=False, placeholder=False), wait_until="domcontentloaded")
        opened.page.evaluate(
            "() => ['width', 'height'].forEach("
            "name => document.querySelector('img').removeAttribute(name))"
        )
        opened.page.evaluate(BOX)
        opened.page.screenshot()  # a frame without the picture
        site.gate.set()
        _wait(opened.page)
        opened.page.wait_for_function("() => window.shifts > 0")


def test_lazy_and_eager(browser: Browser, site: Site) -> None:
    """A lazy picture far below is asked for when it comes near; an eager one at once."""
    far: dict[str, Any] = {"style": "margin-top: 9000px", "placeholder": False, "policy": RELAXED}
    with tab(browser, width=320) as opened:
        opened.page.goto(site.show(**far))
        assert site.asked == []
        opened.page.locator("p").scroll_into_view_if_needed()
        _wait(opened.page)
        assert site.asked == [f"{NAME}.w320-avif.avif"]
    with tab(browser, width=320) as opened:
        opened.page.goto(site.show(loading="eager", **far))
        assert site.asked == [f"{NAME}.w320-avif.avif"]


def test_placeholder(browser: Browser, site: Site) -> None:
    """Until the picture is there, its likeness is in its place, where the policy lets it."""
    with tab(browser, width=640) as opened:
        opened.page.goto(site.show(policy=RELAXED, is_open=False), wait_until="domcontentloaded")
        # Beside the sun, in it, and in the sea.
        points = (30, 100), (320, 140), (320, 330)
        likeness = _colors(opened.page, *points)
        site.gate.set()
        _wait(opened.page)
        picture = _colors(opened.page, *points)
        assert opened.faults == []
        assert site.asked == [f"{NAME}.w640-avif.avif"]
    for there, here in zip(picture, likeness, strict=True):
        assert max(abs(one - other) for one, other in zip(there, here, strict=True)) < 40
    assert max(abs(one - other) for one, other in zip(*picture[1:], strict=True)) > 100


def test_strict_policy(browser: Browser, site: Site) -> None:
    """A policy without inline styles drops the placeholder, and no more: the picture comes."""
    with tab(browser, width=640) as opened:
        opened.page.goto(site.show())
        _wait(opened.page)
        assert site.asked == [f"{NAME}.w640-avif.avif"]
        (told,) = opened.faults
        assert "inline style" in told
        background = "() => getComputedStyle(document.querySelector('img')).backgroundImage"
        assert opened.page.evaluate(background) == "none"
