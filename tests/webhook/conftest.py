"""Apps with a webhook, and who receives it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_media import FlaskMedia
from flask_media.service import MediaService
from flask_media.webhooks.courier import Courier
from tests.journal.conftest import config as plain_config
from tests.journal.conftest import emulator
from tests.journal.conftest import gate
from tests.journal.conftest import journal_url
from tests.journal.support import sql

from .receiver import Receiver

__all__ = ["emulator", "gate", "journal_url", "plain_config"]

SECRET = "a-secret-of-the-tests-7f3a"

MakeMedia = Callable[..., MediaService]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Who receives."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def config(plain_config: dict[str, Any], receiver: Receiver) -> dict[str, Any]:
    """The config of an app that tells the receiver, and tries again soon."""
    return plain_config | {
        "MEDIA_WEBHOOK_URL": receiver.url,
        "MEDIA_WEBHOOK_SECRET": SECRET,
        "MEDIA_WEBHOOK_RETRY_SECONDS": 0.05,
    }


@pytest.fixture
def make_app(config: dict[str, Any], tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Makes apps with one journal and one folder; keywords are config keys."""
    made: list[MediaService] = []
    numbers = itertools.count()
    usual = config

    def make(**config: Any) -> Flask:
        app = Flask("shop", instance_path=str(tmp_path / f"instance-{next(numbers)}"))
        app.config.update(usual)
        app.config.update(config)
        FlaskMedia(app)
        made.append(app.extensions["media"])
        return app

    yield make
    for service in made:
        service.close()


@pytest.fixture
def make_media(make_app: Callable[..., Flask]) -> MakeMedia:
    """Makes services of such apps."""

    def make(**config: Any) -> MediaService:
        service: MediaService = make_app(**config).extensions["media"]
        return service

    return make


@pytest.fixture
def media(make_media: MakeMedia) -> MediaService:
    """A service with the usual config."""
    return make_media()


@pytest.fixture
def kept(journal_url: str) -> Callable[[], list[Any]]:
    """The letters in the journal: id, attempts, owner, due_at, created_at."""
    columns = "id, attempts, owner, due_at, created_at"
    return lambda: sql(journal_url, f"SELECT {columns} FROM media_webhooks ORDER BY due_at")


def courier(media: MediaService) -> Courier:
    """What delivers for the service."""
    assert media.journal.outbox is not None
    assert media._parts._courier is not None
    return media._parts._courier
