"""``flask media check`` on Celery: the broker, and the workers."""

from __future__ import annotations

import json
import uuid
from typing import Any

from click.testing import Result

from ..celery_queue.conftest import make_shop
from ..celery_queue.conftest import redis_settings
from ..celery_queue.support import Shop

__all__ = ["make_shop", "redis_settings"]


def _queue(shop: Shop) -> dict[str, Any]:
    result: Result = shop.app.test_cli_runner().invoke(args=["media", "check", "--json"])
    assert "secret-password" not in result.output + result.stderr
    (found,) = [one for one in json.loads(result.stdout)["checks"] if one["name"] == "queue"]
    assert (found["status"] == "fail") is (result.exit_code == 1)
    return dict(found)


def test_workers(make_shop: Any, redis_settings: dict[str, Any]) -> None:
    """A broker without workers is pointed out; one with workers is well, and names them."""
    shop = make_shop(redis_settings, MEDIA_FILES_URL="/pictures")
    found = _queue(shop)
    assert (found["status"], "no worker answered" in found["message"]) == ("warn", True)
    shop.worker().ready()
    found = _queue(shop)
    assert found["status"] == "ok", found
    assert "w0@shop" in found["message"]


def test_a_broker_that_is_away(make_shop: Any) -> None:
    """A broker out of reach is named, without its password."""
    url = f"redis://user:secret-password@127.0.0.1:9/{uuid.uuid4().int % 10}"
    found = _queue(make_shop({"broker_url": url}, MEDIA_FILES_URL="/pictures"))
    assert found["status"] == "fail"
    assert "127.0.0.1:9" in found["message"]
    assert "broker_url" in found["advice"]


def test_no_celery_app(make_shop: Any, redis_settings: dict[str, Any]) -> None:
    """An app without a Celery app is told where to store it."""
    shop = make_shop(redis_settings, MEDIA_FILES_URL="/pictures")
    celery = shop.app.extensions.pop("celery")
    found = _queue(shop)
    shop.app.extensions["celery"] = celery
    assert found["status"] == "fail"
    assert 'app.extensions["celery"]' in found["message"]
