"""Variants that Celery workers make after their picture."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flask_media import MediaResult
from flask_media import StoredVariant
from flask_media.emulator import GeminiEmulator
from flask_media.jobs.celery import MAKE_VARIANTS
from flask_media.jobs.celery import RESUME
from flask_media.jobs.messages import LOST_AFTER

from ..faults import fault_server
from ..faults import forward
from ..faults import hang_up
from ..journal.support import sql
from ..servers import S3Server
from .conftest import MakeShop
from .support import SMALL
from .support import Shop

KEY = "houses/0.png"

VARIANTS = {"card": 32, "thumb": 16}

NOTHING = {"sent": 0, "told": 0}


@pytest.fixture
def make(make_shop: MakeShop) -> Callable[..., Shop]:
    """Makes shops whose workers make variants, with settings of Celery and config keys."""

    def make(celery: dict[str, Any], **config: Any) -> Shop:
        usual = {"MEDIA_VARIANTS_WHEN": "later", "MEDIA_QUEUE_RETRY_SECONDS": 0.1}
        return make_shop(celery, **usual | config)

    return make


@pytest.fixture
def shop(make: Callable[..., Shop], redis_settings: dict[str, Any]) -> Shop:
    """A shop on Redis."""
    return make(redis_settings)


def ask(shop: Shop) -> MediaResult:
    """Have a picture made, here."""
    with shop.app.app_context():
        return shop.media.generate_and_upload("A house", KEY, config=SMALL, variants=VARIANTS)


def variants(shop: Shop, key: str = KEY) -> list[StoredVariant]:
    """The variants as they are listed."""
    return list(shop.media.info(key).variants.values())


def made(shop: Shop, key: str = KEY) -> bool:
    """Whether all variants are listed as made."""
    return all(one.is_made for one in variants(shop, key))


def until(shop: Shop, condition: Callable[[], bool]) -> None:
    """Wait until it is so; a message of this task has no id that could be asked for."""
    end = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < end, shop.logs()
        threading.Event().wait(0.05)


def resumed(shop: Shop) -> None:
    """Have a worker look for what was left, an hour later."""
    assert shop.send(RESUME).get(timeout=40) == NOTHING  # it may be in the queue yet
    url = shop.config["MEDIA_JOURNAL_URL"]
    sql(url, "UPDATE media_derivatives SET updated_at = updated_at - :age", age=LOST_AFTER + 1)
    assert shop.send(RESUME).get(timeout=40) == NOTHING


def left(shop: Shop) -> bool:
    """Whether the queue is to make variants yet."""
    return shop.media.journal.catalog.has_left(shop.media.storage.location, 0)


def check(shop: Shop, folder: Path, emulator: GeminiEmulator) -> None:
    """All is made, stored as it is listed, and of one call."""
    until(shop, lambda: made(shop))
    for one in variants(shop):
        assert (folder / "media" / one.object_key).stat().st_size == one.size_bytes
    assert not left(shop)
    assert emulator.calls == 1


def test_made_by_a_worker(shop: Shop, tmp_path: Path, emulator: GeminiEmulator) -> None:
    """Whoever asks has the picture at once; a worker makes the variants, also of a picture that a
    worker made, and a message that comes twice does nothing."""
    result = ask(shop)
    assert {one.is_made for one in result.variants.values()} == {False}
    shop.worker()
    check(shop, tmp_path, emulator)
    before = shop.media.info(KEY)
    assert shop.send(MAKE_VARIANTS, KEY).get(timeout=40) is None
    assert shop.media.info(KEY) == before

    job = shop.later(1, variants=VARIANTS)
    with shop.explained():
        result = job.result(timeout=40)
    until(shop, lambda: made(shop, result.object_key))


def test_a_worker_is_killed(shop: Shop, tmp_path: Path, emulator: GeminiEmulator) -> None:
    """A worker is killed with -9 between two variants; flask_media.resume has another one make
    them."""
    ask(shop)
    dying = shop.worker("dying_worker")
    assert dying.ended() == -9
    assert not any(one.is_made for one in variants(shop))
    assert (tmp_path / "media/houses/0.card.webp").exists()
    shop.worker()
    resumed(shop)
    check(shop, tmp_path, emulator)


def test_the_broker_was_away(
    *,
    make: Callable[..., Shop],
    redis_settings: dict[str, Any],
    tmp_path: Path,
    emulator: GeminiEmulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A picture is stored while the broker is away; its variants are made when it is back."""
    caplog.set_level(logging.WARNING, "flask_media")
    result = ask(make({"broker_url": "redis://127.0.0.1:9/0"}))
    assert result.url
    assert any("broker" in record.getMessage() for record in caplog.records)
    shop = make(redis_settings)
    shop.worker()
    resumed(shop)
    check(shop, tmp_path, emulator)


def test_the_storage_is_away(
    make: Callable[..., Shop], redis_settings: dict[str, Any], moto: S3Server
) -> None:
    """While the storage is away the task is tried again; once it is back, it makes them."""
    with fault_server() as way:
        way.play(forward(moto.endpoint_url))
        shop = make(
            redis_settings,
            MEDIA_STORAGE="spaces",
            SPACES_PROVIDER="minio",
            SPACES_ENDPOINT_URL=way.url,
            SPACES_BUCKET=moto.bucket,
            SPACES_KEY=moto.key,
            SPACES_SECRET=moto.secret,
        )
        ask(shop)
        way.play(hang_up)
        worker = shop.worker()
        until(shop, lambda: worker.log.read_text().count("Retry in") >= 2)
        assert not any(one.is_made for one in variants(shop))
        way.play(forward(moto.endpoint_url))
        until(shop, lambda: made(shop))
        assert all(shop.media.exists(one.object_key) for one in variants(shop))


def test_a_picture_that_is_gone(shop: Shop) -> None:
    """Variants of a picture that is gone are not tried again and again."""
    ask(shop)
    shop.media.storage.delete(KEY)
    worker = shop.worker().ready()
    until(shop, lambda: "NotFound" in worker.log.read_text())
    until(shop, lambda: not left(shop))
    assert "Retry in" not in worker.log.read_text()
