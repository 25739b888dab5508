"""Shops whose workers ask the emulator, on Redis and on RabbitMQ."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_media.emulator import GeminiEmulator

from ..journal.conftest import gate
from ..journal.conftest import journal_url
from .support import Shop

__all__ = ["gate", "journal_url"]

MakeShop = Callable[..., Shop]


@pytest.fixture
def emulator() -> Iterator[GeminiEmulator]:
    """A Gemini emulator that answers quickly."""
    with GeminiEmulator(width=64, height=64) as running:
        yield running


@pytest.fixture
def make_shop(emulator: GeminiEmulator, tmp_path: Path) -> Iterator[MakeShop]:
    """Makes shops with one journal; ``celery`` are settings of Celery, keywords config keys."""
    with contextlib.ExitStack() as stack:

        def make(celery: dict[str, Any], **config: Any) -> Shop:
            usual = {
                "GEMINI_API_KEY": "test-key",
                "GEMINI_BASE_URL": emulator.url,
                "MEDIA_STORAGE": "filesystem",
                "MEDIA_FOLDER": str(tmp_path / "media"),
                "MEDIA_FILES_URL": "https://pictures.example",
                "MEDIA_JOURNAL_URL": f"sqlite:///{tmp_path / 'journal.sqlite3'}",
                "MEDIA_QUEUE": "celery",
                "CELERY": {
                    "task_default_queue": uuid.uuid4().hex,
                    "worker_prefetch_multiplier": 1,
                    "broker_connection_retry_on_startup": True,
                }
                | celery,
            }
            shop = Shop(usual | config, tmp_path)
            stack.callback(shop.close)
            return shop

        yield make


@pytest.fixture
def redis_settings(valkey: str) -> dict[str, Any]:
    """Celery's settings with broker and results on Redis."""
    return {"broker_url": valkey, "result_backend": valkey}


@pytest.fixture
def shop(make_shop: MakeShop, redis_settings: dict[str, Any]) -> Shop:
    """A shop on Redis; a job that another process is at is looked at each second."""
    return make_shop(redis_settings, MEDIA_LEASE=1, GEMINI_MAX_ATTEMPTS=1)
