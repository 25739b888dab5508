"""Each end of a job is posted, signed, once; and nothing else is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from flask_media import ContentBlocked
from flask_media import InvalidImage
from flask_media import MediaError
from flask_media import OutcomeUnknown
from flask_media import RateLimited
from flask_media import UploadFailed
from flask_media import signals
from flask_media.emulator import GeminiEmulator
from flask_media.service import MediaService
from flask_media.webhooks import verify
from tests.journal.support import Gate
from tests.journal.support import ask
from tests.journal.support import png
from tests.journal.support import sql

from .conftest import SECRET
from .conftest import MakeMedia
from .conftest import courier
from .receiver import PATH
from .receiver import Receiver

Kept = Callable[[], list[Any]]


def _settled(media: MediaService, receiver: Receiver, count: int) -> list[dict[str, Any]]:
    """The jobs that were told of, once the courier has ended: no more will come."""
    receiver.wait(count)
    courier(media).close()
    assert len(receiver.posts) == count
    return [post.job for post in receiver.posts]


def test_a_finished_job_is_told(*, media: MediaService, receiver: Receiver, kept: Kept) -> None:
    """One signed POST says what the caller got, and the journal forgets the letter."""
    before = time.time()
    result = ask(media, spender="ada", metadata={"goal": "7"})
    (job,) = _settled(media, receiver, 1)
    (post,) = receiver.posts
    assert (post.method, post.path) == ("POST", PATH)
    assert post.event["type"] == "media.job.done"
    assert verify(post.body, dict(post.headers), SECRET) == post.event
    assert job["result"] == result.to_dict()
    assert job | {"result": None} == {
        "id": result.job_id,
        "status": "done",
        "object_key": "goals/7/house.png",
        "spender": "ada",
        "prompt": result.prompt,
        "created_at": job["created_at"],
        "updated_at": job["updated_at"],
        "result": None,
        "error": None,
    }
    made, ended = (datetime.fromisoformat(job[name]) for name in ("created_at", "updated_at"))
    assert before <= made.timestamp() <= ended.timestamp() <= time.time()
    assert kept() == []


def test_who_listens_besides_changes_nothing(media: MediaService, receiver: Receiver) -> None:
    """It is one letter too where ``upload_finished`` has a receiver, which has the job end twice:
    stored, then told."""
    heard: list[str] = []

    def receive(_sender: object, *, job_id: str, **_: object) -> None:
        heard.append(job_id)

    with signals.upload_finished.connected_to(receive):
        result = ask(media)
    (job,) = _settled(media, receiver, 1)
    assert (job["status"], heard) == ("done", [job["id"]])
    assert job["result"] == result.to_dict()


def test_the_signature(media: MediaService, receiver: Receiver) -> None:
    """It is the one of the Standard Webhooks specification, computed here anew."""
    ask(media)
    (post,) = receiver.wait()
    headers = dict(post.headers)
    assert headers["Content-Type"] == "application/json"
    assert abs(time.time() - int(headers["webhook-timestamp"])) < 60
    assert "." not in post.id
    signed = f"{post.id}.{headers['webhook-timestamp']}.".encode() + post.body
    mac = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"


@pytest.mark.parametrize(
    ("mode", "expected", "status"),
    [
        ("image-safety", ContentBlocked, "failed"),
        ("bad-image", InvalidImage, "quarantined"),
        ("bad-base64", InvalidImage, "quarantined"),
    ],
)
def test_a_failed_job_is_told(
    *,
    media: MediaService,
    receiver: Receiver,
    emulator: GeminiEmulator,
    mode: str,
    expected: type[MediaError],
    status: str,
) -> None:
    """The error is told as its caller got it."""
    emulator.script(mode)
    with pytest.raises(expected) as caught:
        ask(media)
    (job,) = _settled(media, receiver, 1)
    assert receiver.posts[0].event["type"] == "media.job.failed"
    assert (job["id"], job["status"], job["result"]) == (caught.value.job_id, status, None)
    assert job["error"] == {
        "type": expected.__name__,
        "message": str(caught.value),
        "retryable": caught.value.retryable,
    }


@pytest.mark.parametrize(
    ("mode", "status"),
    [("image", "done"), ("image-safety", "failed"), ("bad-image", "quarantined")],
)
def test_a_job_in_the_background_is_told(
    *, media: MediaService, receiver: Receiver, emulator: GeminiEmulator, mode: str, status: str
) -> None:
    """So is the end of what a queue works on."""
    emulator.script(mode)
    job = media.generate_later("A sea house", "goals/7/house.png")
    (told,) = _settled(media, receiver, 1)
    assert (told["id"], told["status"]) == (job.id, status)
    assert (told["result"] is None) == (status != "done")


def test_a_try_that_is_repeated_is_not_told(
    *, make_media: MakeMedia, receiver: Receiver, emulator: GeminiEmulator
) -> None:
    """While the queue tries again by itself, the job has not ended."""
    media = make_media(MEDIA_QUEUE_RETRY_SECONDS=0.05, GEMINI_MAX_ATTEMPTS=1)
    emulator.script("429-bare", "503")
    media.generate_later("A sea house", "goals/7/house.png").result(60)
    (told,) = _settled(media, receiver, 1)
    assert told["status"] == "done"


def test_each_end_is_told(
    *, make_media: MakeMedia, receiver: Receiver, emulator: GeminiEmulator
) -> None:
    """A job that failed and is asked for again has two ends, with an id each."""
    media = make_media(GEMINI_MAX_ATTEMPTS=1)
    emulator.script("429-bare")
    with pytest.raises(RateLimited):
        ask(media, idempotency_key="order-9")
    ask(media, idempotency_key="order-9")
    ask(media, idempotency_key="order-9")  # what is finished already has no further end
    first, second = _settled(media, receiver, 2)
    assert first["id"] == second["id"]
    assert [first["status"], second["status"]] == ["failed", "done"]
    assert receiver.posts[0].id != receiver.posts[1].id


def test_a_job_that_is_given_up_is_told(
    *, media: MediaService, receiver: Receiver, tmp_path: Path
) -> None:
    """A picture that can't be stored is the end as far as its asker sees; resume makes another."""
    folder = tmp_path / "media"

    def break_it(*_: object, **_values: object) -> None:
        folder.rmdir()
        folder.touch()

    with signals.upload_started.connected_to(break_it), pytest.raises(UploadFailed) as caught:
        ask(media)
    folder.unlink()
    media.resume(caught.value.job_id or "")
    first, second = _settled(media, receiver, 2)
    assert (first["status"], first["error"]["type"]) == ("generated", "UploadFailed")
    assert (second["status"], second["id"]) == ("done", first["id"])


def test_what_stays_unknown_is_told_once(
    *, make_media: MakeMedia, receiver: Receiver, emulator: GeminiEmulator
) -> None:
    """That nobody decides about a call that was cut off is no news each time it is looked at."""
    media = make_media(MEDIA_ON_UNKNOWN="raise")
    emulator.script("reset")
    with pytest.raises(OutcomeUnknown) as caught:
        ask(media)
    assert [type(one) for one in media.resume_all()] == [OutcomeUnknown]
    emulator.script("reset")
    with pytest.raises(OutcomeUnknown):  # this is another call
        media.resume(caught.value.job_id or "", buy=True)
    jobs = _settled(media, receiver, 2)
    assert [job["status"] for job in jobs] == ["unknown", "unknown"]


def test_what_has_no_end_of_a_job(
    *, media: MediaService, receiver: Receiver, kept: Kept, emulator: GeminiEmulator
) -> None:
    """generate() gives its picture to its caller, and upload() is no job: neither is told."""
    media.generate("A sea house")
    emulator.script("image-safety")
    with pytest.raises(ContentBlocked):
        media.generate("A sea house")
    media.upload(png("red"), "red.png")
    assert kept() == []
    ask(media)
    _settled(media, receiver, 1)


def test_nothing_is_written_without_a_webhook(*, make_media: MakeMedia, kept: Kept) -> None:
    """Where none is configured, no statement is about webhooks and no thread runs for them."""
    threads = sum(thread.name == "flask-media-webhooks" for thread in threading.enumerate())
    media = make_media(MEDIA_WEBHOOK_URL=None)
    assert media.journal.left("") == []  # its tables are there now
    statements: list[str] = []

    def executed(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    engine = media.journal._db._live_engine()
    sa.event.listen(engine, "before_cursor_execute", executed)
    ask(media)
    media.generate_later("A boat", "boats/1.png").result(60)
    media.resume_all()
    assert len(statements) > 10
    assert not [statement for statement in statements if "media_webhooks" in statement]
    assert kept() == []
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("flask-media-webhooks") == threads


def test_a_receiver_that_hangs_holds_up_no_job(media: MediaService, receiver: Receiver) -> None:
    """Pictures are made while a delivery waits for its answer."""
    gate = Gate()

    def hang() -> int:
        gate.hold()
        return 204

    receiver.script(hang)
    ask(media)
    gate.arrived()
    for number in range(3):
        ask(media, object_key=f"boats/{number}.png")
    assert media.generate_later("A ship", "ships/1.png").result(60)
    assert len(receiver.posts) == 1
    gate.open()
    _settled(media, receiver, 5)


def test_many_processes_deliver_each_once(
    *, make_media: MakeMedia, receiver: Receiver, kept: Kept
) -> None:
    """However many couriers look for letters, each goes out once."""
    services = [make_media(MEDIA_LEASE=0.2) for _ in range(4)]
    for service in services:
        service.resume_all()  # their couriers run, and look often
    jobs = [
        service.generate_later(f"Boat {number}", f"boats/{index}-{number}.png").id
        for index, service in enumerate(services)
        for number in range(6)
    ]
    receiver.wait(len(jobs))
    for service in services:
        courier(service).close()
    assert sorted(post.job["id"] for post in receiver.posts) == sorted(jobs)
    assert kept() == []


def test_other_storages_are_left_to_their_apps(
    *, make_media: MakeMedia, receiver: Receiver, tmp_path: Path, journal_url: str
) -> None:
    """An app that shares the journal, and not the storage, has a receiver of its own."""
    media = make_media()
    media.generate_later("A sea house", "goals/7/house.png").result(60)
    _settled(media, receiver, 1)
    sql(
        journal_url,
        "INSERT INTO media_webhooks (id, job_id, scope, body, attempts, due_at, created_at) "
        "SELECT 'msg_1', id, scope, '{}', 0, 0, 0 FROM media_jobs",
    )
    with Receiver() as theirs:
        other = make_media(MEDIA_FOLDER=str(tmp_path / "theirs"), MEDIA_WEBHOOK_URL=theirs.url)
        ask(other, object_key="boats/1.png")
        (job,) = _settled(other, theirs, 1)
    assert job["object_key"] == "boats/1.png"
    assert len(receiver.posts) == 1


def test_a_job_of_the_storage_before_is_told(
    *, media: MediaService, receiver: Receiver, emulator: GeminiEmulator, gate: Gate, kept: Kept
) -> None:
    """A job that ends after configure_storage() is told of, though its picture went elsewhere."""
    emulator.handler(lambda _: gate.hold())
    job = media.generate_later("A sea house", "goals/7/house.png")
    gate.arrived()
    media.configure_storage("memory")
    gate.open()
    job.result(60)
    ask(media, object_key="boats/1.png")
    told = _settled(media, receiver, 2)
    assert [one["object_key"] for one in told] == ["goals/7/house.png", "boats/1.png"]
    assert kept() == []


def test_logs_show_neither_secret_nor_path(
    *, media: MediaService, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Delivered, tried again or given up: the host is all that is logged of the URL."""
    receiver.script(500, 410)
    with caplog.at_level(logging.DEBUG):
        ask(media)
        ask(media, object_key="boats/1.png")
        _settled(media, receiver, 3)
    assert "webhook" in caplog.text
    assert "127.0.0.1" in caplog.text
    shown = caplog.text + repr(media.config) + repr(vars(courier(media)))
    assert SECRET not in shown
    assert "t0ken" not in shown


def test_a_service_that_is_closed(media: MediaService, receiver: Receiver) -> None:
    """It has told of all that its queue finished; used again, it tells again."""
    jobs = [media.generate_later(f"Boat {number}", f"boats/{number}.png") for number in range(3)]
    for job in jobs:
        job.result(60)
    media.close()
    assert sorted(post.job["id"] for post in receiver.posts) == sorted(job.id for job in jobs)
    ask(media)
    _settled(media, receiver, 4)
