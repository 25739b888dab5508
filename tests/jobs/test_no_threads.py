"""A system that starts no thread, services that are configured anew, and apps that go."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_media import FlaskMedia
from flask_media.emulator import GeminiEmulator
from flask_media.service import MediaService

from ..journal.conftest import MakeMedia
from .support import drop
from .support import later

TIMEOUT = 30

pytestmark = pytest.mark.parametrize("journal_url", ["sqlite"], indirect=True)

Refuse = Callable[[Callable[[threading.Thread], bool]], list[str]]


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Has the system refuse, once, to start a thread of that kind; gives the names refused."""
    start = threading.Thread.start

    def once(is_it: Callable[[threading.Thread], bool]) -> list[str]:
        refused: list[str] = []

        def refusing(thread: threading.Thread) -> None:
            if not refused and is_it(thread):
                refused.append(thread.name)
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", refusing)
        return refused

    return once


@pytest.mark.parametrize("name", ["flask-media-0", "flask-media-sweeper"])
def test_a_job_is_done_by_the_next_thread(media: MediaService, refuse: Refuse, name: str) -> None:
    """Where a thread of the queue can't be started once, the job is taken, and ends."""
    refused = refuse(lambda thread: thread.name == name)
    assert later(media).result(TIMEOUT).object_key == "houses/0.png"
    assert refused == [name]
    assert later(media, 1).result(TIMEOUT).object_key == "houses/1.png"


def test_a_retry_without_a_timer_is_left_to_a_sweep(
    make_media: MakeMedia, emulator: GeminiEmulator, refuse: Refuse
) -> None:
    """A job that is to be tried again later, and has no thread to wait in, is let go of."""
    media = make_media(MEDIA_QUEUE_RETRY_SECONDS=0.01)
    refused = refuse(lambda thread: isinstance(thread, threading.Timer))
    emulator.script("text-only")
    job = later(media)
    assert media.journal.until(job.id, lambda row: row.owner is None, timeout=TIMEOUT)
    assert len(refused) == 1
    assert (job.refresh().status, job.has_ended) == ("requested", False)
    other = make_media()
    other.work()
    assert job.result(TIMEOUT).attempts == 2


def _app(config: dict[str, Any], path: str) -> Flask:
    app = Flask("shop", instance_path=path)
    app.config.update(config)
    FlaskMedia(app)
    app.add_url_rule("/", view_func=lambda: "hello")
    return app


def test_a_request_is_answered_all_the_same(
    config: dict[str, Any], make_media: MakeMedia, refuse: Refuse
) -> None:
    """A request whose thread can't be started is answered; the next one looks for jobs left."""
    media = make_media()
    job = media.job(drop(media, 0))
    app = _app(config, str(config["MEDIA_FOLDER"]))
    refused = refuse(lambda thread: thread.name == "flask-media-start")
    assert app.test_client().get("/").status_code == 200
    assert refused == ["flask-media-start"]
    app.extensions["media"].close()
    assert app.test_client().get("/").status_code == 200
    assert job.result(TIMEOUT).object_key == "houses/0.png"
    app.extensions["media"].close()


def _of_queues() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if one.name.startswith("flask-media")}


def test_configured_anew_it_leaves_no_threads(media: MediaService) -> None:
    """The queues of all configurations end with the service."""
    before = _of_queues()
    for number in range(5):
        media.configure_gemini(f"key-{number}")
        later(media, number).result(TIMEOUT)
    assert _of_queues() - before
    media.close()
    left = _of_queues() - before
    assert {thread.name for thread in left} <= {"flask-media-leases"}  # ends by itself when idle


@pytest.mark.parametrize("use", ["nothing", "request", "job"])
def test_an_app_that_nobody_has_any_more_is_freed(config: dict[str, Any], use: str) -> None:
    """Nothing of the extension keeps an app alive that is closed, or began nothing."""
    app = _app(config, str(config["MEDIA_FOLDER"]))
    if use != "nothing":
        assert app.test_client().get("/").text == "hello"
    if use == "job":
        later(app.extensions["media"]).result(TIMEOUT)
        app.extensions["media"].close()
    seen = weakref.ref(app)
    starter = app.extensions["media"]._parts._starter
    if starter is not None:
        starter.join()
    del app, starter
    gc.collect()
    assert seen() is None
