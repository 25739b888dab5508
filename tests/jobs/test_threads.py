"""The queue of threads: what waits, what runs, and what is refused."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from flask import current_app

from flask_media import BudgetExceeded
from flask_media import ContentBlocked
from flask_media import IdempotencyConflict
from flask_media import InProgress
from flask_media import InvalidRequest
from flask_media import JobCancelled
from flask_media import NotFound
from flask_media import QueueUnavailable
from flask_media import signals
from flask_media.emulator import GeminiEmulator
from flask_media.service import MediaService

from ..journal.conftest import MakeMedia
from ..journal.support import Gate
from ..journal.support import sql
from .support import heard
from .support import later

TIMEOUT = 30


def test_it_returns_at_once(media: MediaService, gate: Gate) -> None:
    """The caller goes on while the picture is made, and the handle says how it stands."""
    with heard() as said:
        job = later(media, metadata={"house": 7})
        gate.arrived()
        assert (job.refresh().status, job.progress, job.has_ended) == ("generating", 0.2, False)
        assert (job.stored, job.error) == (None, None)
        with pytest.raises(TimeoutError, match=r"is generating after 0\.01 s"):
            job.result(0.01)
        gate.open()
        result = job.result(TIMEOUT)
    assert (job.status, job.progress, job.has_ended) == ("done", 1.0, True)
    assert (result.object_key, result.metadata, result.cached) == (
        "houses/0.png",
        {"house": "7"},
        False,
    )
    assert result.job_id == job.id
    assert job.stored == result
    with media.open("houses/0.png") as file:
        assert len(file.read()) == result.size_bytes
    assert said.of(job) == [
        "generation_started",
        "generation_finished",
        "upload_started",
        "upload_finished",
    ]
    assert job.updated_at >= job.created_at
    assert repr(job) == f"<MediaJob {job.id} done>"


def test_found_again_by_its_id(make_media: MakeMedia) -> None:
    """Another process finds the job and its result by the id, and says so where there is none."""
    job = later(make_media(), spender="user-7")
    other = make_media().job(job.id)
    assert other.result(TIMEOUT) == job.result(TIMEOUT)
    assert (other.object_key, other.spender) == ("houses/0.png", "user-7")
    with pytest.raises(NotFound, match="no job 'lost'"):
        make_media().job("lost")


def test_wrong_arguments_are_refused_at_once(media: MediaService, emulator: GeminiEmulator) -> None:
    """What can't succeed is no job."""
    for values in ({"prompt": ""}, {"object_key": "../x.png"}, {"metadata": {"a": object()}}):
        with pytest.raises(InvalidRequest):
            later(media, **values)
    assert media.usage().jobs == emulator.calls == 0


def test_threads_are_bounded(make_media: MakeMedia, emulator: GeminiEmulator) -> None:
    """No more jobs run at once than there are threads."""
    emulator.latency = 0.05
    media = make_media(MEDIA_QUEUE_THREADS=2)
    jobs = [later(media, number) for number in range(8)]
    assert {job.result(TIMEOUT).object_key for job in jobs} == {
        f"houses/{number}.png" for number in range(8)
    }
    assert emulator.max_inflight == 2


def test_a_full_queue_refuses(make_media: MakeMedia, gate: Gate, emulator: GeminiEmulator) -> None:
    """A job too many is refused in clear words and leaves no trace; later there is room again."""
    media = make_media(MEDIA_QUEUE_THREADS=1, MEDIA_QUEUE_SIZE=2)
    jobs = [later(media, 0)]
    gate.arrived()
    jobs += [later(media, 1), later(media, 2)]
    with pytest.raises(QueueUnavailable, match=r"2 jobs wait already.*QUEUE_SIZE") as caught:
        later(media, 3)
    assert caught.value.retryable
    assert caught.value.retry_after
    assert media.usage().jobs == 3
    gate.open()
    for job in jobs:
        job.result(TIMEOUT)
    assert later(media, 3).result(TIMEOUT).object_key == "houses/3.png"
    with pytest.raises(InvalidRequest):
        later(media, prompt="")  # a place that was not used is given back
    assert [later(media, number).result(TIMEOUT).cached for number in (4, 5)] == [False, False]
    assert emulator.calls == 6


def test_the_same_request_is_the_same_job(
    media: MediaService, gate: Gate, emulator: GeminiEmulator
) -> None:
    """While it is unfinished, or under its key, it is joined; with ``wait=False`` that is said."""
    first = later(media, idempotency_key="one")
    assert later(media, idempotency_key="one").id == first.id
    with pytest.raises(InProgress, match=first.id) as caught:
        later(media, idempotency_key="one", wait=False)
    assert caught.value.job_id == first.id
    with pytest.raises(IdempotencyConflict):
        later(media, 2, idempotency_key="one")
    gate.open()
    result = first.result(TIMEOUT)
    again = later(media, idempotency_key="one", wait=False)
    assert (again.id, again.status) == (first.id, "done")
    assert again.result(0) == again.stored
    assert again.result(0).cached
    assert again.result(0).cost_usd == result.cost_usd
    assert emulator.calls == 1


def test_reuse(media: MediaService, emulator: GeminiEmulator) -> None:
    """An equal picture is found under its own key, for nothing; a deleted one is made again."""
    later(media, 1).result(TIMEOUT)
    found = later(media, prompt="House 1", object_key="other.png", reuse=True)
    result = found.result(0)
    assert (result.object_key, result.cached, result.cost_usd) == ("houses/1.png", True, Decimal(0))
    media.delete("houses/1.png")
    made = later(media, prompt="House 1", object_key="other.png", reuse=True).result(TIMEOUT)
    assert (made.object_key, made.cached, emulator.calls) == ("other.png", False, 2)


def test_money_is_reserved_while_it_waits(
    make_media: MakeMedia, gate: Gate, emulator: GeminiEmulator, journal_url: str
) -> None:
    """What waits counts in the budget; a job too many is refused at once, a cancelled one gives
    back its money, and in the end the ledger has what was paid."""
    media = make_media(MEDIA_QUEUE_THREADS=1, MEDIA_BUDGET_USD_PER_DAY="0.11")
    jobs = [later(media, number) for number in range(3)]
    gate.arrived()
    with pytest.raises(BudgetExceeded):
        later(media, 3)
    assert jobs[2].cancel()
    jobs[2] = later(media, 3)
    gate.open()
    costs = [job.result(TIMEOUT).cost_usd or Decimal(0) for job in jobs]
    ((nano,),) = sql(journal_url, "SELECT nano FROM media_spend WHERE spender = ''")
    assert Decimal(nano) / 1_000_000_000 == sum(costs)
    assert emulator.calls == 3


def test_cancel(media: MediaService, gate: Gate, emulator: GeminiEmulator) -> None:
    """A job that waits is cancelled for nothing; one whose model is asked, or was, is not."""
    with heard() as said:
        running = [later(media, number) for number in range(4)]
        for _ in running:
            gate.arrived()
        waiting = later(media, 4)
        assert not running[0].cancel()
        assert media.job(waiting.id).cancel()
        with pytest.raises(JobCancelled) as caught:
            waiting.result(TIMEOUT)
        assert caught.value.job_id == waiting.id
        assert not caught.value.retryable
        assert (waiting.status, type(waiting.error)) == ("failed", JobCancelled)
        assert not waiting.cancel()
        gate.open()
        for job in running:
            job.result(TIMEOUT)
        assert not running[0].cancel()
        # The thread that comes to it finds nothing to do.
        assert later(media, 5).result(TIMEOUT).cached is False
    assert said.of(waiting) == ["generation_failed"]
    assert emulator.calls == 5


def test_cancelled_by_another_process(
    make_media: MakeMedia, gate: Gate, emulator: GeminiEmulator
) -> None:
    """Whoever may read the journal can cancel; the same request is then another job."""
    media = make_media(MEDIA_QUEUE_THREADS=1)
    first, second = later(media, 0), later(media, 1)
    gate.arrived()
    assert make_media().job(second.id).cancel()
    other = later(media, 1)
    assert other.id != second.id
    gate.open()
    first.result(TIMEOUT)
    other.result(TIMEOUT)
    assert emulator.calls == 2


def test_within_the_context_of_the_app(media: MediaService) -> None:
    """Receivers find the app, in the thread too."""
    names: list[str] = []

    def receive(sender: object, **_: object) -> None:
        names.append(current_app.name)

    with signals.upload_finished.connected_to(receive):
        later(media).result(TIMEOUT)
    assert names == ["shop"]


def test_what_is_recorded_shows_no_secret(media: MediaService, journal_url: str) -> None:
    """A job that waits is text without a key."""
    job = later(media)
    job.result(TIMEOUT)
    rows = sql(journal_url, "SELECT * FROM media_jobs")
    assert "test-key" not in json.dumps([list(map(str, row)) for row in rows])


def test_blocked_is_final(media: MediaService, emulator: GeminiEmulator) -> None:
    """What the model refuses is not asked again, and the result raises it."""
    emulator.script("image-safety")
    with heard() as said:
        job = later(media)
        with pytest.raises(ContentBlocked):
            job.result(TIMEOUT)
    assert (job.status, said.of(job)[-1], emulator.calls) == ("failed", "generation_failed", 1)
