"""Variants that the queue makes after their picture."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from flask_media import signals

from .conftest import MakeSite
from .site import KEY
from .site import Site
from .site import keys
from .site import on_both


@pytest.fixture
def later(make_site: MakeSite) -> Site:
    """An app whose queue makes variants."""
    return make_site(MEDIA_VARIANTS_WHEN="later", MEDIA_LEASE=1)


def made(site: Site, key: str = KEY) -> None:
    """Wait until all variants of a picture are made."""
    pause = threading.Event()
    for _ in range(600):
        if all(one.is_made for one in site.media.info(key).variants.values()):
            return
        pause.wait(0.05)
    raise AssertionError("nobody makes them")


@on_both
def test_after_the_picture(later: Site) -> None:
    """The result comes first; the queue makes the variants."""
    result = later.ask()
    assert not result.variants["thumb"].is_made
    made(later)
    assert later.files == keys("thumb.webp", "card.webp")


def test_asked_for_before(later: Site) -> None:
    """Whoever asks for one before the queue made it gets it all the same."""
    later.media.close()
    with later.app.app_context():
        response = later.get(later.ask().variants["thumb"].url)
    assert response.status_code == 200


def test_of_a_job_in_the_background(later: Site) -> None:
    """A picture that the queue made has its variants made too."""
    with later.app.app_context():
        later.media.generate_later("A sea house", KEY, variants={"thumb": 64}).result(30)
    made(later)
    assert later.files == keys("thumb.webp")


@on_both
def test_left_by_another_process(make_site: MakeSite) -> None:
    """What a process left that ended is made by the next one that serves a request."""
    site = make_site(MEDIA_VARIANTS_WHEN="later", MEDIA_LEASE=1)

    def end(sender: object, **_: object) -> None:
        site.media.queue.close()  # as at the end of a process: what waits stays in the journal

    with signals.upload_finished.connected_to(end):
        site.ask()
    assert site.files == keys()
    other = make_site(MEDIA_VARIANTS_WHEN="later", MEDIA_LEASE=1)
    other.get("/")
    made(other)
    assert other.files == keys("thumb.webp", "card.webp")


@on_both
def test_what_cannot_be_made_is_given_up(later: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A picture that is gone is not tried again and again."""
    calls: list[Callable[[], Any]] = []

    def gone(sender: object, **_: object) -> None:
        calls.append(lambda: None)
        later.media.storage.delete(KEY)

    with signals.upload_finished.connected_to(gone):
        later.ask()
    catalog, scope = later.media.journal.catalog, later.media.storage.location
    pause = threading.Event()
    for _ in range(200):
        if not catalog.has_left(scope, 0) and caplog.records:
            break
        pause.wait(0.05)
    assert not catalog.has_left(scope, 0)
    assert sum("can't be made" in record.getMessage() for record in caplog.records) == 1
