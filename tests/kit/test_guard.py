"""No test pays: real calls are refused, whoever makes them, and whatever catches them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from flask_media import MediaError
from flask_media import NotConfigured
from flask_media import current_media
from flask_media.emulator import GeminiEmulator
from flask_media.testing import StrayCallError
from flask_media.testing import fake as make_fake
from flask_media.testing import prevent_stray

from .conftest import MakeApp


def test_real_model(make_app: MakeApp) -> None:
    """A call to Gemini is refused before it is sent, and the error says how to fake it."""
    said = r"Gemini.*googleapis\.com.*media\.fake\(\)"
    with (
        make_app(GEMINI_BASE_URL=None).app_context(),
        prevent_stray(),
        pytest.raises(StrayCallError, match=said),
    ):
        current_media.generate("A boat")


def test_real_bucket(make_app: MakeApp) -> None:
    """No bucket is written, read or deleted from, and a picture is not paid for in vain."""
    app = make_app(MEDIA_GENERATOR="placeholder")
    with app.app_context(), prevent_stray():
        for call in (
            lambda: current_media.generate_and_upload("A boat", "a.png"),
            lambda: current_media.exists("a.png"),
            lambda: current_media.delete("a.png"),
        ):
            with pytest.raises(StrayCallError, match=r"bucket 'bucket'.*bucket\.invalid"):
                call()
        assert current_media.url("a.png")


def test_no_except_hides_it(make_app: MakeApp) -> None:
    """It is no MediaError, and passes through a view that catches every Exception."""
    app = make_app()

    @app.get("/")
    def view() -> str:
        try:
            return current_media.generate("A boat").content_type
        except Exception:  # noqa: BLE001 - as careless views do
            return "sorry"

    assert not issubclass(StrayCallError, MediaError)
    with prevent_stray(), pytest.raises(StrayCallError):
        app.test_client().get("/")


def test_in_another_thread(make_app: MakeApp) -> None:
    """A call in a thread fails there, and at the end of the block."""
    app = make_app(MEDIA_STORAGE="memory")
    errors: list[BaseException] = []

    def work() -> None:
        try:
            with app.app_context():
                current_media.generate("A boat")
        except BaseException as error:  # noqa: BLE001 - to see which
            errors.append(error)

    def run() -> None:
        with prevent_stray():
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

    with pytest.raises(StrayCallError, match="In another thread"):
        run()
    assert [type(error) for error in errors] == [NotConfigured]


def test_what_costs_nothing(make_app: MakeApp, tmp_path: Path) -> None:
    """Fakes, placeholders, folders and an emulator on the loopback are no strays."""
    with GeminiEmulator() as emulator, prevent_stray():
        app = make_app(GEMINI_BASE_URL=emulator.url, MEDIA_STORAGE="filesystem")
        with app.app_context():
            current_media.generate_and_upload("A boat", "a.png")
        with make_app("drawn", MEDIA_GENERATOR="placeholder").app_context():
            current_media.generate("A boat")
        with make_app("faked").app_context(), make_fake():
            current_media.generate_and_upload("A boat", "a.png")


def test_allowed_hosts(make_app: MakeApp) -> None:
    """A host that is named is called; afterwards every host is."""
    app = make_app(GEMINI_MAX_ATTEMPTS=1)
    with app.app_context():
        with prevent_stray(allow=["gemini.invalid"]), pytest.raises(MediaError):
            current_media.generate("A boat")
        with pytest.raises(MediaError):
            current_media.generate("A boat")


def test_nested(make_app: MakeApp) -> None:
    """The outer block still forbids what the inner one allowed."""
    with (
        make_app().app_context(),
        prevent_stray(),
        prevent_stray(allow=["gemini.invalid"]),
        pytest.raises(StrayCallError),
    ):
        current_media.generate("A boat")
