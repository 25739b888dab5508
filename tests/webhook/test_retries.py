"""What is not taken is posted again, with the same id, later and later, for a day."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from flask_media.service import MediaService
from flask_media.webhooks import courier as module
from flask_media.webhooks import verify
from tests.journal.support import Gate
from tests.journal.support import ask
from tests.journal.support import sql

from .conftest import SECRET
from .conftest import MakeMedia
from .conftest import courier
from .receiver import Answer
from .receiver import Receiver

Kept = Callable[[], list[Any]]


def _assert_one_message(receiver: Receiver) -> None:
    assert len({post.id for post in receiver.posts}) == 1
    assert len({post.body for post in receiver.posts}) == 1
    for post in receiver.posts:
        verify(post.body, dict(post.headers), SECRET)


@pytest.mark.parametrize(
    "answer", [500, 503, 429, 404, 400, (302, {"Location": "/"}), (308, {"Location": "/"}), 304]
)
def test_another_answer_than_2xx(
    *, media: MediaService, receiver: Receiver, kept: Kept, answer: Answer
) -> None:
    """It is posted again with the same id and body; a redirect is not followed."""
    receiver.script(answer, answer)
    ask(media)
    receiver.wait(3)
    courier(media).close()
    assert [post.method for post in receiver.posts] == ["POST"] * 3
    assert len({post.path for post in receiver.posts}) == 1
    _assert_one_message(receiver)
    assert kept() == []


def test_a_receiver_that_is_down(make_media: MakeMedia, kept: Kept) -> None:
    """What can't be posted waits for the receiver to come back."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    media = make_media(MEDIA_WEBHOOK_URL=f"http://127.0.0.1:{port}/")
    assert ask(media).url
    with Receiver(port) as receiver:
        receiver.wait()
        courier(media).close()
        assert len(receiver.posts) == 1
    assert kept() == []


def test_a_receiver_that_is_slow(
    *, media: MediaService, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that does not come in time is none."""
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    gate = Gate()

    def hang() -> int:
        gate.hold()
        return 204

    receiver.script(hang)
    ask(media)
    receiver.wait(2)
    gate.open()
    courier(media).close()
    assert len(receiver.posts) == 2
    _assert_one_message(receiver)


def test_an_answer_that_drips(
    make_media: MakeMedia, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The time is a total: bytes that come one by one do not prolong it."""
    monkeypatch.setattr(module, "TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        media = make_media(
            MEDIA_WEBHOOK_URL=f"http://127.0.0.1:{port}/", MEDIA_WEBHOOK_RETRY_SECONDS=3600
        )
        ask(media)
        connection, _ = server.accept()
        start = time.monotonic()
        with connection, contextlib.suppress(ConnectionError):
            while time.monotonic() < start + 20:
                connection.sendall(b"H")
                time.sleep(0.05)  # it is the drip
        assert time.monotonic() < start + 10
        courier(media).close()
    assert "the time was up" in caplog.text


def test_gone_is_gone(
    *, media: MediaService, receiver: Receiver, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    """410 says that nobody wants it."""
    receiver.script(410)
    result = ask(media)
    receiver.wait()
    courier(media).close()
    assert len(receiver.posts) == 1
    assert kept() == []
    (given_up,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert result.job_id in given_up.getMessage()


def test_given_up_after_a_day(
    *,
    make_media: MakeMedia,
    receiver: Receiver,
    kept: Kept,
    journal_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After 24 hours it is tried no more, and an error is logged that names the job."""
    receiver.usual = 500
    media = make_media(MEDIA_WEBHOOK_RETRY_SECONDS=3600)
    result = ask(media)
    receiver.wait()
    courier(media).close()
    ((_, attempts, owner, due_at, created_at),) = kept()
    assert (attempts, owner) == (1, None)
    assert not [record for record in caplog.records if record.levelno == logging.ERROR]
    sql(
        journal_url,
        "UPDATE media_webhooks SET due_at = :due, created_at = :made",
        due=due_at - 90_000,
        made=created_at - 90_000,
    )
    other = make_media()
    other.resume_all()  # as any process of the app that starts
    receiver.wait(2)
    courier(other).close()
    _assert_one_message(receiver)
    assert kept() == []
    (given_up,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert result.job_id in given_up.getMessage()


@pytest.mark.parametrize(
    ("before", "least", "most"), [(0, 8, 12), (1, 16, 24), (3, 64, 96), (30, 2880, 4320)]
)
def test_the_delays(
    *,
    make_media: MakeMedia,
    receiver: Receiver,
    kept: Kept,
    journal_url: str,
    before: int,
    least: float,
    most: float,
) -> None:
    """They double from 10 seconds up to an hour, more or less a fifth."""
    gate = Gate()
    receiver.usual = 500

    def hang() -> int:
        gate.hold()
        return 500

    media = make_media(MEDIA_WEBHOOK_RETRY_SECONDS=None)
    if before:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(courier(media)), "start", lambda _: None)  # nobody delivers yet
            ask(media)
        sql(journal_url, "UPDATE media_webhooks SET attempts = :before", before=before)
        receiver.script(hang)
        courier(media).wake()
    else:
        receiver.script(hang)
        ask(media)
    gate.arrived()
    answered = time.time()
    gate.open()
    courier(media).close()
    ((_, attempts, owner, due_at, _),) = kept()
    assert (attempts, owner) == (before + 1, None)
    assert least <= due_at - answered <= most + 5


def test_gc_forgets_what_nobody_delivers(
    *, make_media: MakeMedia, receiver: Receiver, kept: Kept, journal_url: str
) -> None:
    """Letters of a webhook that was configured away do not stay for ever; newer ones stay."""
    receiver.usual = 500
    media = make_media(MEDIA_WEBHOOK_RETRY_SECONDS=3600)
    ask(media)
    receiver.wait()
    courier(media).close()
    media.gc()
    ((_, _, _, _, created_at),) = kept()
    sql(journal_url, "UPDATE media_webhooks SET created_at = :old", old=created_at - 91 * 86_400)
    media.gc()
    assert kept() == []
