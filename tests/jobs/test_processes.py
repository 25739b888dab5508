"""Queues of threads in many processes: ends, kills, and who goes on."""

from __future__ import annotations

import pytest

from flask_media import OutcomeUnknown
from flask_media.emulator import GeminiEmulator
from flask_media.service import MediaService

from ..journal.conftest import MakeMedia
from ..journal.support import Gate
from ..journal.support import sql
from .conftest import Start
from .support import SMALL
from .support import heard
from .support import later

TIMEOUT = 60


def test_killed_and_restarted(start: Start, emulator: GeminiEmulator, gate: Gate) -> None:
    """A process killed with 30 jobs queued and 5 running: the next one ends all at its first
    request, as authorised: once more for each call that was cut off."""
    first = start(MEDIA_QUEUE_THREADS=5)
    ids = first.ask(do="later", numbers=list(range(35)))
    for _ in range(5):
        gate.arrived()
    first.kill()
    gate.open()
    second = start(MEDIA_QUEUE_THREADS=5)
    assert second.ask(do="request") == "hello"
    assert second.ask(do="results", ids=ids) == [f"houses/{number}.png" for number in range(35)]
    assert emulator.calls == 35 + 5
    assert second.end() == 0


def test_drained_at_exit(
    start: Start, emulator: GeminiEmulator, gate: Gate, make_media: MakeMedia, journal_url: str
) -> None:
    """A process that ends finishes what runs and leaves what waits to the next, without a loss."""
    process = start(MEDIA_QUEUE_THREADS=2)
    ids = process.ask(do="later", numbers=list(range(5)))
    for _ in range(2):
        gate.arrived()
    process.begin_to_end()
    left = "SELECT count(*) FROM media_jobs WHERE state = 'requested' AND owner IS NULL"
    media = make_media()
    assert media.journal.until(ids[4], lambda row: row.owner is None, timeout=TIMEOUT)
    gate.open()
    assert process.end() == 0
    assert sql(journal_url, left) == [(3,)]
    assert [media.job(job_id).status for job_id in ids[:2]] == ["done", "done"]
    assert emulator.calls == 2
    later(media, 9).result(TIMEOUT)  # the next process that has a queue
    assert [media.job(job_id).result(TIMEOUT).object_key for job_id in ids] == [
        f"houses/{number}.png" for number in range(5)
    ]
    assert emulator.calls == 6


def test_a_retry_is_left_at_exit(
    start: Start, emulator: GeminiEmulator, media: MediaService
) -> None:
    """A job that waits for its next try when its process ends is gone on with by another."""
    emulator.script("text-only")
    process = start(MEDIA_QUEUE_RETRY_SECONDS=600)
    (job_id,) = process.ask(do="later", numbers=[0])
    assert media.journal.until(job_id, lambda row: row.paid_calls == 1, timeout=TIMEOUT)
    assert media.journal.until(job_id, lambda row: row.state == "requested", timeout=TIMEOUT)
    assert process.end() == 0
    later(media, 9)
    assert media.job(job_id).result(TIMEOUT).attempts == 2


def test_noticed_while_others_live(
    start: Start, make_media: MakeMedia, emulator: GeminiEmulator, gate: Gate
) -> None:
    """A process that has a queue looks for what others leave, without being asked."""
    media = make_media(MEDIA_LEASE=0.5)
    process = start(MEDIA_LEASE=0.5, MEDIA_QUEUE_THREADS=1)
    ids = process.ask(do="later", numbers=[0, 1])
    gate.arrived()
    mine = later(media, 2)
    gate.arrived()
    process.kill()
    gate.open()
    mine.result(TIMEOUT)
    assert [media.job(job_id).result(TIMEOUT).object_key for job_id in ids] == [
        "houses/0.png",
        "houses/1.png",
    ]
    assert emulator.calls == 4


def test_each_job_runs_once_among_many(start: Start, emulator: GeminiEmulator, gate: Gate) -> None:
    """Four processes start at once over what a fifth left: each job is worked on by one."""
    first = start(MEDIA_QUEUE_THREADS=1)
    ids = first.ask(do="later", numbers=list(range(20)))
    gate.arrived()
    first.kill()
    gate.open()
    others = [start() for _ in range(4)]
    for process in others:
        process.send({"do": "request"})
    assert [process.answer() for process in others] == ["hello"] * 4
    assert set(others[0].ask(do="results", ids=ids)) == {f"houses/{n}.png" for n in range(20)}
    assert emulator.calls == 20 + 1


def test_what_is_paid_is_finished_too(
    start: Start, make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str
) -> None:
    """A picture that a view paid for and could not store is stored by the next process's queue;
    what would cost again is left to whoever asks."""
    media = make_media()
    stored = media.generate_and_upload("House 0", "houses/0.png")
    dead = "UPDATE media_jobs SET owner = 'gone', lease_until = 0"
    lost = media.generate_and_upload("House 1", "houses/1.png")
    sql(journal_url, f"{dead}, state = 'uploaded' WHERE id = :id", id=stored.job_id)
    sql(journal_url, f"{dead}, state = 'unknown' WHERE id = :id", id=lost.job_id)
    with heard() as said:
        later(media, 2).result(TIMEOUT)
        found = media.journal.until(stored.job_id, lambda row: row.state == "done", timeout=TIMEOUT)
    assert found
    assert said.by_job[stored.job_id] == ["upload_finished"]
    assert (media.job(lost.job_id).status, emulator.calls) == ("unknown", 3)


def test_after_a_fork(start: Start, emulator: GeminiEmulator, gate: Gate) -> None:
    """A child has a queue of its own, and the parent's jobs stay the parent's."""
    process = start(MEDIA_QUEUE_THREADS=1)
    ids = process.ask(do="later", numbers=[0, 2])
    gate.arrived()
    process.send({"do": "fork"})
    gate.arrived()
    gate.open()
    assert process.answer() == "houses/1.png"
    assert process.ask(do="results", ids=ids) == ["houses/0.png", "houses/2.png"]
    assert emulator.calls == 3


def test_unfinished_work_that_is_ordered_again_is_the_queues(
    start: Start, make_media: MakeMedia, emulator: GeminiEmulator
) -> None:
    """A job that a view left, and that waits in a queue then, is not lost with its process."""
    view, process, gate = make_media(), start(MEDIA_QUEUE_THREADS=1), Gate()
    emulator.script("reset")
    with pytest.raises(OutcomeUnknown) as caught:
        view.generate_and_upload("House 0", "houses/0.png", config=SMALL)
    emulator.handler(lambda ask: gate.hold())
    process.ask(do="later", numbers=[1])
    gate.arrived()
    assert process.ask(do="later", numbers=[0]) == [caught.value.job_id]
    process.kill()
    gate.open()
    later(make_media(), 2).result(TIMEOUT)
    assert caught.value.job_id
    assert view.job(caught.value.job_id).result(TIMEOUT).attempts == 2
