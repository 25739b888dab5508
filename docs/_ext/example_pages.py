"""The screenshots of the tutorial: pages of the example app in a headless Chromium.

``python docs/_ext/example_pages.py`` takes them anew, with the emulator in the place of Gemini. It
needs the ``test`` dependency group and Debian's packages ``chromium`` and ``fonts-inter``.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa  # noqa: TID253 (a script)
from PIL import Image  # noqa: TID253 (a script)
from playwright.sync_api import Browser
from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # for the example and the tests' browser, which are not installed

from example_app import create_app  # noqa: E402
from flask_media.emulator import GeminiEmulator  # noqa: E402
from tests.browser import chromium  # noqa: E402
from tests.browser import served  # noqa: E402

FOLDER = ROOT / "docs" / "_static"
DESKTOP, PHONE = (1200, 800), (390, 780)
PASSWORD = "correct horse"  # noqa: S105 (of nobody)

GOALS = [
    ("A cargo bike for the school run", "3,200", 3200, "illustration"),
    ("Six weeks in Japan", "9,500", 4150, "watercolor"),
    ("A house by the sea", "80,000", 12400, "watercolor"),
]


class Tour:
    """A user's way through the app.

    :param browser: to go it with.
    :param url: where the app is.
    :param folder: where the pictures go.
    """

    def __init__(self, browser: Browser, url: str, folder: Path) -> None:
        self._browser, self._url, self._folder = browser, url, folder
        self._state: str | None = None
        self._page: Page

    @contextlib.contextmanager
    def screen(self, size: tuple[int, int], *, dark: bool = False) -> Iterator[Page]:
        """A window, with the user signed in if they were."""
        context = self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            device_scale_factor=1.5 if size == DESKTOP else 2,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            storage_state=self._state,  # type: ignore[arg-type]  # None is allowed
        )
        self._page = context.new_page()
        yield self._page
        self._state = context.storage_state()  # type: ignore[assignment]
        context.close()

    def open(self, path: str) -> None:
        """Open a page of the app, and wait for what is on it."""
        self._page.goto(self._url + path)

    def shoot(self, name: str, *, whole: bool = False) -> None:
        """Take a picture of the window, or of the whole page."""
        self._page.evaluate(
            "() => Promise.all([...document.images].map("
            "image => { image.loading = 'eager'; return image.decode(); }))"
        )
        shot = Image.open(io.BytesIO(self._page.screenshot(full_page=whole)))
        file = self._folder / f"example-{name}.webp"
        shot.convert("RGB").save(file, quality=72, method=6)
        print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB, {shot.width} x {shot.height}")

    def press(self, name: str) -> None:
        """Press a button."""
        self._page.get_by_role("button", name=name, exact=True).click()

    def fill(self, **fields: str) -> None:
        """Fill in a form."""
        for name, value in fields.items():
            self._page.locator(f"#{name}").fill(value)

    def drawn(self) -> None:
        """Wait until a picture is there or there will be none."""
        self._page.locator("[data-events]").first.wait_for(state="detached")


def take(tour: Tour, emulator: GeminiEmulator, journal: str) -> None:
    """Go through the app, and take a picture of each page."""
    with tour.screen(DESKTOP) as page:
        tour.open("/sign-in")
        tour.shoot("sign-in")
        tour.open("/register")
        tour.fill(name="Ada", password=PASSWORD)
        tour.press("Start saving")
        for name, target, saved, theme in GOALS:
            tour.open("/goals/new")
            tour.fill(name=name, target=target)
            page.locator("#theme").select_option(theme)
            tour.press("Add goal")
            tour.drawn()
            tour.fill(amount=str(saved))
            tour.press("Add")
        tour.open("/")
        tour.shoot("goals")
        tour.open("/goals/3")
        with held(emulator):
            tour.fill(scene="A house by the sea, at dusk, with light in its windows")
            tour.press("Draw it")
            page.get_by_text("is being drawn").wait_for()
            tour.shoot("drawing")
        tour.drawn()
    with tour.screen(PHONE):
        tour.open("/goals/3")
        emulator.script("image-safety")
        tour.fill(scene="A famous film star at the door of the house")
        tour.press("Draw it")
        tour.drawn()
        tour.shoot("refused")
    some_days_ago(journal)
    with tour.screen(DESKTOP):
        tour.open("/spending")
        tour.shoot("spending")
    with tour.screen(DESKTOP, dark=True):
        tour.open("/gallery")
        tour.shoot("gallery")


@contextlib.contextmanager
def held(emulator: GeminiEmulator) -> Iterator[None]:
    """Keep the emulator from answering."""
    go = threading.Event()

    @emulator.handler
    def wait(_ask: object) -> None:
        go.wait(60)

    yield
    go.set()


def some_days_ago(journal: str) -> None:
    """Have the first pictures been drawn on days before."""
    engine = sa.create_engine(journal)
    with engine.begin() as connection:
        jobs = connection.execute(sa.text("SELECT id, created_at FROM media_jobs ORDER BY 2")).all()
        for days, job in zip((9, 4, 1), jobs, strict=False):
            at = job.created_at - days * 86_400
            connection.execute(
                sa.text("UPDATE media_jobs SET day = :day, created_at = :at WHERE id = :id"),
                {"day": f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}", "at": at, "id": job.id},
            )
    engine.dispose()


def main(folder: Path) -> None:
    """Take all of them."""
    with (
        tempfile.TemporaryDirectory() as data,
        GeminiEmulator(vary=True, honour_image_config=True) as emulator,
    ):
        app = create_app(
            {
                "SECRET_KEY": "of the screenshots",
                "DATABASE_URL": f"sqlite:///{data}/goals.sqlite",
                "MEDIA_FOLDER": f"{data}/media",
                "MEDIA_JOURNAL_URL": f"sqlite:///{data}/media.sqlite3",
                "MEDIA_GENERATOR": "gemini",
                "GEMINI_API_KEY": "of-the-screenshots",
                "GEMINI_BASE_URL": emulator.url,
                "GEMINI_MAX_ATTEMPTS": 1,
                "MEDIA_QUEUE_RETRIES": 0,
            }
        )
        with served(app) as url, chromium() as browser:
            take(Tour(browser, url, folder), emulator, app.config["MEDIA_JOURNAL_URL"])
        app.extensions["media"].close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
