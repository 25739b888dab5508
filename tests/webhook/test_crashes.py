"""A process that ends, killed or by itself, leaves no end of a job untold."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_media.emulator import GeminiEmulator
from flask_media.service import MediaService
from flask_media.webhooks import verify

from .child import COMMITTED
from .child import POSTED
from .child import run
from .conftest import SECRET
from .conftest import MakeMedia
from .conftest import courier
from .receiver import Receiver

Kept = Callable[[], list[Any]]

Run = Callable[..., int | None]

KEY = "goals/7/house.png"


@pytest.fixture
def child(config: dict[str, Any], tmp_path: Path) -> Run:
    """Runs a process of the app to its end; keywords are the task's."""

    def start(**task: Any) -> int | None:
        task = {"object_key": KEY, "kill_at": None} | task
        changes = task.pop("changes", {})
        instance = str(tmp_path / "instance-child")
        return run(task | {"instance": instance, "config": config | changes})

    return start


def _settled(media: MediaService, receiver: Receiver, count: int) -> None:
    receiver.wait(count)
    courier(media).close()
    assert len(receiver.posts) == count


@pytest.mark.parametrize(
    ("mode", "status"),
    [("image", "done"), ("image-safety", "failed"), ("bad-image", "quarantined")],
)
def test_killed_before_the_delivery(
    *,
    make_media: MakeMedia,
    child: Run,
    receiver: Receiver,
    emulator: GeminiEmulator,
    kept: Kept,
    mode: str,
    status: str,
) -> None:
    """Another process delivers what the dead one had committed."""
    emulator.script(mode)
    assert child(kill_at=COMMITTED) == -signal.SIGKILL
    assert receiver.posts == []
    assert len(kept()) == 1
    media = make_media()
    media.resume_all()
    _settled(media, receiver, 1)
    assert receiver.posts[0].job["status"] == status
    assert kept() == []


def test_killed_after_the_post(
    *, make_media: MakeMedia, child: Run, receiver: Receiver, kept: Kept
) -> None:
    """Nobody knows that it arrived, so it comes again: with the same id and body, signed anew."""
    assert child(kill_at=POSTED, changes={"MEDIA_LEASE": 3600}) == -signal.SIGKILL
    assert len(receiver.posts) == 1
    media = make_media()
    media.resume_all()
    _settled(media, receiver, 2)
    first, second = receiver.posts
    assert (first.id, first.body) == (second.id, second.body)
    assert verify(second.body, dict(second.headers), SECRET)
    assert kept() == []


@pytest.mark.parametrize("queue", ["threads", "celery"])
def test_the_first_request_delivers(
    *, make_app: Callable[..., Flask], child: Run, receiver: Receiver, queue: str
) -> None:
    """A web process that serves its first request delivers what dead ones left, also where
    Celery's workers make the pictures."""
    assert child(kill_at=COMMITTED) == -signal.SIGKILL
    app = make_app(MEDIA_QUEUE=queue)
    app.test_client().get("/")
    _settled(app.extensions["media"], receiver, 1)


def test_a_process_that_lives_delivers(
    *, make_media: MakeMedia, child: Run, receiver: Receiver
) -> None:
    """So does one that has been there all the time, now and again."""
    media = make_media(MEDIA_LEASE=0.2)
    media.resume_all()
    assert child(kill_at=COMMITTED) == -signal.SIGKILL
    _settled(media, receiver, 1)


def test_a_process_that_ends_at_once(child: Run, receiver: Receiver, kept: Kept) -> None:
    """A script that asks for one picture and ends has delivered its webhook."""
    assert child() == 0
    assert len(receiver.posts) == 1
    assert kept() == []


def test_a_process_that_forks(child: Run, receiver: Receiver, kept: Kept) -> None:
    """The courier did not come along with the child, which has its own."""
    assert child(forked="boats/1.png") == 0
    assert sorted(post.job["object_key"] for post in receiver.posts) == ["boats/1.png", KEY]
    assert kept() == []


def test_a_receiver_that_hangs_does_not_hold_up_the_end(
    *, make_media: MakeMedia, child: Run, receiver: Receiver
) -> None:
    """A process ends all the same, and another one delivers."""
    open_ = threading.Event()

    def hang() -> int:
        open_.wait(60)
        return 204

    receiver.script(hang)
    assert child() == 0
    open_.set()
    media = make_media()
    media.resume_all()
    _settled(media, receiver, 2)
    assert receiver.posts[0].id == receiver.posts[1].id
