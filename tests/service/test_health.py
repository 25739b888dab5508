"""``health``: what a load balancer asks."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_media import Health
from flask_media import ImageGenerationConfig
from flask_media import current_media
from flask_media.emulator import GeminiEmulator
from flask_media.testing import fake

from ..celery_queue.conftest import make_shop
from ..celery_queue.conftest import redis_settings
from ..servers import S3Server
from .conftest import SECRETS
from .conftest import MakeApp

__all__ = ["make_shop", "redis_settings"]


@pytest.fixture
def hanging() -> Iterator[str]:
    """The URL of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def bad(health: Health) -> dict[str, str]:
    """Why each part that is not well is not."""
    return {name: str(check.reason) for name, check in health.checks.items() if not check.ok}


def bucket(url: str, **config: Any) -> dict[str, Any]:
    """The config of a bucket."""
    return {
        "MEDIA_STORAGE": "spaces",
        "SPACES_PROVIDER": "minio",
        "SPACES_ENDPOINT_URL": url,
        "SPACES_KEY": SECRETS["SPACES_KEY"],
        "SPACES_SECRET": SECRETS["SPACES_SECRET"],
        "SPACES_REGION": "us-east-1",
        "SPACES_BUCKET": "media",
    } | config


def test_well(app: Flask, emulator: GeminiEmulator) -> None:
    """A service that works says so of each part, as JSON too, and asks no model."""
    health = current_media.health()
    assert health.ok
    assert list(health.checks) == ["config", "journal", "storage", "queue"]
    values = json.loads(json.dumps(health.to_dict()))
    assert values["ok"] is True
    assert values["checks"]["journal"]["reason"] is None
    assert 0 <= values["checks"]["journal"]["seconds"] < 3
    assert not emulator.requests
    with fake(app):
        assert current_media.health().ok


def test_a_view(app: Flask) -> None:
    """The view of the documentation says 503 when something is wrong."""

    @app.get("/health")
    def health() -> tuple[dict[str, Any], int]:
        state = current_media.health()
        return state.to_dict(), 200 if state.ok else 503

    client = app.test_client()
    assert client.get("/health").status_code == 200
    current_media._parts.reconfigure(unset={"gemini_api_key": None})
    answer = client.get("/health")
    assert answer.status_code == 503
    assert "GEMINI_API_KEY" in answer.get_json()["checks"]["config"]["reason"]


def test_a_journal_that_cannot_be_opened(make_app: MakeApp, tmp_path: Path) -> None:
    """A journal that can't be opened is named; the other parts are well."""
    (tmp_path / "file").write_text("no folder")
    app = make_app(MEDIA_JOURNAL_URL=f"sqlite:///{tmp_path / 'file' / 'media.sqlite3'}")
    with app.app_context():
        health = current_media.health()
    assert "MEDIA_JOURNAL_URL" in bad(health)["journal"]
    assert health.checks["storage"].ok


@pytest.mark.alone  # each check has three seconds, the SDK's import included
def test_a_bucket(make_app: MakeApp, moto: S3Server) -> None:
    """A bucket that is there is well; one that is not is named, and nothing is written."""
    with make_app(**bucket(moto.endpoint_url, SPACES_BUCKET=moto.bucket)).app_context():
        assert bad(current_media.health()) == {}
    with make_app(**bucket(moto.endpoint_url, SPACES_BUCKET="no-such-bucket")).app_context():
        assert "'no-such-bucket'" in bad(current_media.health())["storage"]


def test_a_store_that_hangs(make_app: MakeApp, hanging: str) -> None:
    """It takes no longer than it may, however often it is asked, and sends one thread after it."""
    with make_app(**bucket(hanging)).app_context():
        current_media.health(timeout=2)  # imports boto3
        started = time.monotonic()
        for _ in range(3):
            health = current_media.health(timeout=0.2)
            assert bad(health)["storage"] == "It gave no answer in 0.2 s."
        assert time.monotonic() - started < 3
        names = [thread.name for thread in threading.enumerate()]
        assert names.count("flask-media-health-storage") == 1
        assert SECRETS["SPACES_SECRET"] not in json.dumps(health.to_dict())


def test_a_queue_that_is_full(make_app: MakeApp, emulator: GeminiEmulator) -> None:
    """A process whose queue takes no more jobs is not well until it does."""
    small = ImageGenerationConfig(size=(64, 64))
    with make_app(MEDIA_QUEUE_THREADS=1, MEDIA_QUEUE_SIZE=1).app_context():
        emulator.latency = 0.4
        first = current_media.generate_later("A house", "houses/1.png", config=small)
        while first.refresh().status == "requested":
            time.sleep(0.01)
        second = current_media.generate_later("A house", "houses/2.png", config=small)
        assert "MEDIA_QUEUE_SIZE" in bad(current_media.health())["queue"]
        second.result(20)
        assert current_media.health().ok


def test_celery(make_shop: Any, redis_settings: dict[str, Any]) -> None:
    """A broker that answers is well; one out of reach is named without its password."""
    with make_shop(redis_settings).app.app_context():
        assert current_media.health().checks["queue"].ok
    away = {"broker_url": "redis://user:secret-password@127.0.0.1:9/0"}
    with make_shop(away).app.app_context():
        reason = bad(current_media.health())["queue"]
    assert "127.0.0.1:9" in reason
    assert "secret-password" not in reason
