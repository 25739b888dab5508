"""A real browser for tests: Debian's Chromium, driven by playwright, which brings none here.

A browser reaches this machine alone. While one is open, its thread has a running event loop: let
the fixture that holds it end with its module.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import shutil
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.serving import make_server

from .servers import missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page

FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
"""What keeps it to itself."""

DEADLINE = 60.0
"""Seconds for the browser to start, and for anything that is waited for on a page; one does on an
idle machine."""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium with an empty profile."""
    program = shutil.which("chromium")
    if program is None:
        missing("chromium", "Debian's package of that name")
    if importlib.util.find_spec("playwright") is None:
        missing("playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=FLAGS, timeout=DEADLINE * 1000
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclasses.dataclass(frozen=True)
class Tab:
    """A page in the browser, and what the browser complained of on it."""

    page: Page
    """Playwright's page, to drive."""
    faults: list[str] = dataclasses.field(default_factory=list)
    """Errors of the console and of scripts, and requests that failed, as they came."""


@contextlib.contextmanager
def tab(
    browser: Browser, *, width: int = 1280, height: int = 800, density: float = 1
) -> Iterator[Tab]:
    """A new page without cookies and cache.

    :param width: of the window, in CSS pixels.
    :param height: of the window, in CSS pixels.
    :param density: device pixels to a CSS pixel.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=density
    )
    context.set_default_timeout(DEADLINE * 1000)
    opened = Tab(context.new_page())
    opened.page.on(
        "console",
        lambda message: opened.faults.append(message.text) if message.type == "error" else None,
    )
    opened.page.on("pageerror", lambda error: opened.faults.append(str(error)))
    opened.page.on("requestfailed", lambda request: opened.faults.append(f"no {request.url}"))
    try:
        yield opened
    finally:
        context.close()


@contextlib.contextmanager
def served(app: Flask) -> Iterator[str]:
    """The app behind a server with threads, on a free port; gives its URL without a slash."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
