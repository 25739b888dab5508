"""Tasks that are delivered twice, retried, or whose worker is killed: a real worker and broker."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from flask_media.emulator import GeminiEmulator

from ..programs import ROOT
from .support import Gate

REQUEST = {"prompt": "A sea house", "object_key": "goals/7/house.png"}
OTHER = {"prompt": "A sea house", "object_key": "goals/8/house.png"}

VISIBILITY = 1
"""Seconds until a broker gives a message of a dead worker to another."""


class Shop:
    """A queue, its workers, and what they say."""

    def __init__(self, broker: str, flask: dict[str, Any], folder: Path) -> None:
        self.config = {
            "broker": broker,
            "queue": uuid.uuid4().hex,
            "visibility_timeout": VISIBILITY,
            "folder": str(folder),
            "flask": flask,
        }
        self._folder = folder
        self._client = redis.Redis.from_url(broker, socket_timeout=60)
        self._celery = Celery("shop", broker=broker)
        self._workers: list[subprocess.Popen[bytes]] = []

    def worker(self) -> subprocess.Popen[bytes]:
        """Start a worker."""
        number = len(self._workers)
        with (self._folder / f"worker-{number}.log").open("wb") as log:
            command = [sys.executable, "-m", "celery", "-A", "tests.journal.celery_app", "worker"]
            options = ["--pool=solo", "--without-gossip", "--without-mingle", f"-nw{number}@shop"]
            process = subprocess.Popen(
                [*command, *options],
                cwd=ROOT,
                env=os.environ | {"TEST_CONFIG": json.dumps(self.config)},
                stdout=log,
                stderr=log,
            )
        self._workers.append(process)
        return process

    def send(self, *requests: dict[str, Any], task_id: str) -> None:
        """Put a task into the queue."""
        self._celery.send_task(
            "draw", args=requests, task_id=task_id, queue=self.config["queue"], ignore_result=True
        )

    def outcome(self) -> dict[str, Any]:
        """Wait for what the workers say next."""
        heard = self._client.blpop([f"{self.config['queue']}-outcomes"], timeout=30)
        if heard is None:
            logs = [log.read_text()[-3000:] for log in self._folder.glob("worker-*.log")]
            pytest.fail("\n".join(logs))
        outcome: dict[str, Any] = json.loads(heard[1])
        return outcome

    def close(self) -> None:
        """Stop what is left."""
        for worker in self._workers:
            worker.kill()
            worker.wait()
        self._client.close()
        self._celery.close()


@pytest.fixture
def make_shop(
    valkey: str, emulator: GeminiEmulator, journal_url: str, tmp_path: Path
) -> Iterator[Callable[..., Shop]]:
    """Makes a shop whose tasks ask the emulator; keywords are config keys."""
    with contextlib.ExitStack() as stack:

        def make(**config: Any) -> Shop:
            flask = {
                "GEMINI_API_KEY": "test-key",
                "GEMINI_BASE_URL": emulator.url,
                "MEDIA_STORAGE": "filesystem",
                "MEDIA_FOLDER": str(tmp_path / "media"),
                "MEDIA_FILES_URL": "https://pictures.example",
                "MEDIA_JOURNAL_URL": journal_url,
            }
            shop = Shop(valkey, flask | config, tmp_path)
            stack.callback(shop.close)
            return shop

        yield make


def test_a_task_asks_once(
    make_shop: Callable[..., Shop], emulator: GeminiEmulator, tmp_path: Path
) -> None:
    """Delivered twice it is the same job; its requests are apart; retried it buys nothing more."""
    shop = make_shop()
    shop.worker()

    # Delivered twice, with two requests, one of which differs in its metadata alone.
    tagged = REQUEST | {"metadata": {"goal": "7"}}
    for _ in range(2):
        shop.send(REQUEST, OTHER, tagged, task_id="twice")
    first, second = ([shop.outcome() for _ in range(3)] for _ in range(2))
    assert [outcome["cached"] for outcome in first + second] == [False] * 3 + [True] * 3
    assert [outcome["url"] for outcome in first] == [outcome["url"] for outcome in second]
    assert len({outcome["job_id"] for outcome in first}) == 3
    assert emulator.calls == 3

    # Another task is another asking.
    shop.send(REQUEST, task_id="another")
    assert not shop.outcome()["cached"]
    assert emulator.calls == 4

    # A final error is the same error, without a call.
    emulator.script("image-safety")
    for _ in range(2):
        shop.send(OTHER, task_id="blocked")
    blocked = [shop.outcome() for _ in range(2)]
    assert blocked[0] == blocked[1]
    assert blocked[0]["error"] == "ContentBlocked"
    assert emulator.calls == 5

    # The storage goes down during the call, and comes back while the task is retried.
    folder, away, gate = tmp_path / "media", tmp_path / "away", Gate()
    emulator.handler(lambda ask: gate.hold())
    shop.send(REQUEST, task_id="retried")
    gate.arrived()
    folder.rename(away)
    folder.touch()
    gate.open()
    failed = shop.outcome()
    assert failed["error"] == "UploadFailed"
    folder.unlink()
    away.rename(folder)
    while (outcome := shop.outcome()).get("error"):
        pass
    assert outcome["job_id"] == failed["job_id"]
    assert emulator.calls == 6


@pytest.mark.parametrize(
    ("journal_url", "on_unknown"),
    [("sqlite", "retry"), ("postgresql", "retry"), ("sqlite", "raise")],
    indirect=["journal_url"],
)
def test_a_worker_is_killed_in_the_middle(
    make_shop: Callable[..., Shop], emulator: GeminiEmulator, on_unknown: str
) -> None:
    """The redelivered task buys once more where that is allowed, and reports it where not."""
    shop, gate = make_shop(MEDIA_ON_UNKNOWN=on_unknown), Gate()
    emulator.handler(lambda ask: gate.hold())
    shop.send(REQUEST, task_id="killed")
    worker = shop.worker()
    gate.arrived()
    worker.kill()
    worker.wait()
    gate.open()
    shop.worker()
    outcome = shop.outcome()
    shop.send(REQUEST, task_id="killed")
    again = shop.outcome()
    assert outcome["job_id"] == again["job_id"]
    if on_unknown == "retry":
        assert (again["url"], again["cached"]) == (outcome["url"], True)
        assert outcome["attempts"] == 2
        assert emulator.calls == 2
    else:
        assert outcome["error"] == again["error"] == "OutcomeUnknown"
        assert emulator.calls == 1
