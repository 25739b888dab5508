"""The app in a real browser, from the door to the picture on the page."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import Any

import pytest

from example_app import create_app
from flask_media import responsive
from flask_media.emulator import GeminiEmulator

from ..browser import Tab
from ..browser import chromium
from ..browser import served
from ..browser import tab
from .conftest import PASSWORD
from .conftest import close
from .conftest import config_of
from .conftest import forget_environment
from .conftest import held

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page

numbers = itertools.count()

PICTURE = "#picture .frame img"

IS_SHOWN = """async () => {
    const image = document.querySelector("#picture .frame img");
    await image.decode();
    return image.naturalWidth > 0 && image.getBoundingClientRect().width > 200;
}"""


@contextmanager
def site_of(factory: pytest.TempPathFactory, **config: Any) -> Iterator[str]:
    """The app behind a server, with pictures for small windows alone, to be quick."""
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        quick = {"MEDIA_VARIANTS": responsive([640])}
        app = create_app(config_of(factory.mktemp("site")) | quick | config)
    with served(app) as url:
        yield url
    close(app)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, gemini_config: dict[str, Any]) -> Iterator[str]:
    """The app with a key."""
    with site_of(tmp_path_factory, **gemini_config) as url:
        yield url


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app without a key."""
    with site_of(tmp_path_factory) as url:
        yield url


@pytest.fixture(scope="module")
def browser(site: str, offline: str) -> Iterator[Browser]:
    """A browser; the apps are made before it, and closed after it."""
    with chromium() as browser:
        yield browser


def join(page: Page, url: str) -> str:
    """Make an account, from wherever that leads; gives its name."""
    name = f"Ada {next(numbers)}"
    page.emulate_media(reduced_motion="reduce")  # a shimmer keeps a processor busy
    page.goto(url)
    page.get_by_role("link", name="Make an account").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Start saving").click()
    page.get_by_role("heading", name=f"What are you saving for, {name}?").wait_for()
    return name


def add(page: Page, name: str) -> None:
    """Add a goal with the form that is open."""
    page.get_by_label("Your goal").fill(name)
    page.get_by_label("It costs, in dollars").fill("80,000")
    page.get_by_label("Style").select_option("watercolor")
    page.get_by_role("button", name="Add goal").click()
    page.get_by_role("heading", name=name, level=1).wait_for()


def shows_its_picture(opened: Tab) -> None:
    """Wait for the picture, and see that the browser can show it."""
    opened.page.locator(PICTURE).wait_for()
    assert opened.page.evaluate(IS_SHOWN)
    assert opened.page.locator("[data-events]").count() == 0
    # A stream that the page closes, and what a click leaves behind, count as requests that failed.
    assert [fault for fault in opened.faults if not fault.startswith("no http")] == []


def test_from_the_door_to_the_picture(
    browser: Browser, site: str, emulator: GeminiEmulator
) -> None:
    """Somebody makes an account and a goal, sees how its picture goes on, and then the picture,
    without a reload; it is there still when they sign in again."""
    with tab(browser) as opened:
        page = opened.page
        name = join(page, site)
        with held(emulator) as asked:
            add(page, "A house by the sea")
            page.evaluate("() => { window.isSamePage = true; }")
            assert asked.wait(60)
            page.get_by_text("The picture is being drawn").wait_for()
            page.wait_for_function(
                "() => document.querySelector('#picture progress').value === 0.2"
            )
            assert page.locator(PICTURE).count() == 0
        shows_its_picture(opened)
        assert page.evaluate("() => window.isSamePage")
        assert page.locator(PICTURE).evaluate("image => image.currentSrc").endswith("-avif.avif")
        page.get_by_role("button", name="Sign out").click()
        page.goto(f"{site}/gallery")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Gallery").wait_for()
        page.get_by_role("img", name="A house by the sea").click()
        shows_its_picture(opened)
    assert emulator.calls == 1


def test_a_refusal_and_other_words(browser: Browser, site: str, emulator: GeminiEmulator) -> None:
    """A picture that the model declines is told of on the open page, which leads to the words."""
    with tab(browser, width=390) as opened:
        page = opened.page
        join(page, site)
        emulator.script("image-safety")
        add(page, "A film star")
        page.get_by_text("declines to draw this").wait_for()
        page.get_by_role("link", name="Choose other words").click()
        page.get_by_label("What it shows").fill("A boat on the sea")
        page.get_by_text("Portrait").click()
        page.get_by_role("button", name="Draw it").click()
        shows_its_picture(opened)
        assert page.get_by_text("declines").count() == 0


def test_trying_again(browser: Browser, site: str, emulator: GeminiEmulator) -> None:
    """A picture that did not come is a button away; the one from before stays meanwhile."""
    with tab(browser) as opened:
        page = opened.page
        join(page, site)
        emulator.script("ok", "503")
        add(page, "A boat")
        shows_its_picture(opened)
        page.get_by_label("What it shows").fill("A boat at night")
        page.get_by_role("button", name="Draw it").click()
        page.get_by_text("The picture did not come this time").wait_for()
        assert page.get_by_role("img", name="Generated picture: A boat").is_visible()
        page.get_by_role("button", name="Try again").click()
        page.get_by_role("img", name="Generated picture: A boat at night").wait_for()
        page.get_by_role("heading", name="Earlier versions").wait_for()
        shows_its_picture(opened)
    assert emulator.calls == 3


def test_offline_on_a_narrow_phone(browser: Browser, offline: str) -> None:
    """Without a key and a network the placeholder comes, and no page is wider than the phone."""
    with tab(browser, width=360, height=640) as opened:
        page = opened.page
        paths = ["/sign-in", "/register"]
        join(page, offline)
        add(page, "A house by the sea")
        shows_its_picture(opened)
        page.get_by_text("The pictures here are placeholders").wait_for()
        for path in (*paths, "/goals/1", "/", "/goals/new", "/gallery", "/spending", "/nope"):
            page.goto(offline + path)
            width = page.evaluate("() => document.documentElement.scrollWidth")
            assert width <= 360, path


def test_without_scripts(browser: Browser, site: str, emulator: GeminiEmulator) -> None:
    """With scripts switched off the page reloads itself until the picture is there."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    join(page, site)
    with held(emulator) as asked:
        add(page, "A boat")
        assert asked.wait(60)
        assert page.locator(PICTURE).count() == 0
    page.locator(PICTURE).wait_for(timeout=60_000)
    context.close()


def test_signed_out_meanwhile(browser: Browser, site: str, emulator: GeminiEmulator) -> None:
    """A page whose session ended in another tab leads to the door when its picture is there."""
    with tab(browser) as opened:
        page = opened.page
        join(page, site)
        with held(emulator) as asked:
            add(page, "A boat")
            assert asked.wait(60)
            page.get_by_text("The picture is being drawn").wait_for()
            page.context.clear_cookies()
        page.get_by_role("heading", name="Welcome back").wait_for()


def test_events_that_are_refused(browser: Browser, site: str, emulator: GeminiEmulator) -> None:
    """Where no stream can be had, the page asks for itself again after some seconds."""
    with tab(browser) as opened:
        page = opened.page
        page.clock.install()
        page.route("**/events", lambda route: route.fulfill(status=503))
        join(page, site)
        with held(emulator) as asked:
            with page.expect_response("**/events"):
                add(page, "A boat")
            assert asked.wait(60)
            goal = page.url
            for _ in range(2):  # the first time it is not there yet, and the next is asked for
                with page.expect_response(goal), page.expect_response("**/events"):
                    page.clock.run_for(5000)
        page.unroute("**/events")
        with page.expect_response("**/events"):
            page.clock.run_for(5000)
        page.locator(PICTURE).wait_for()
        assert page.evaluate(IS_SHOWN)
