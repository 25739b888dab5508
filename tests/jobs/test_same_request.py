"""Which job a request is: under a full queue, another model, another's name, and cancelled."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from flask_media import ContentBlocked
from flask_media import IdempotencyConflict
from flask_media import InProgress
from flask_media import JobCancelled
from flask_media import MediaJob
from flask_media import QueueUnavailable
from flask_media import signals
from flask_media.emulator import GeminiEmulator
from flask_media.service import MediaService
from flask_media.values import Terms
from flask_media.values import Wanted

from ..journal.conftest import MakeMedia
from ..journal.support import Gate
from .support import SMALL
from .support import heard
from .support import later

TIMEOUT = 30

pytestmark = pytest.mark.parametrize("journal_url", ["sqlite"], indirect=True)


def test_a_full_queue_knows_what_was_asked_before(
    make_media: MakeMedia, emulator: GeminiEmulator
) -> None:
    """A key is answered with what it stands for; only what is new finds no place."""
    media = make_media(MEDIA_QUEUE_THREADS=1, MEDIA_QUEUE_SIZE=1)
    done = later(media, 0, idempotency_key="done").result(TIMEOUT)
    emulator.script("image-safety")
    with pytest.raises(ContentBlocked):
        later(media, 4, idempotency_key="blocked").result(TIMEOUT)
    gate = Gate()
    emulator.handler(lambda _: gate.hold())
    busy = later(media, 1, idempotency_key="busy")
    gate.arrived()
    waiting = later(media, 2)
    again = later(media, 0, idempotency_key="done", wait=False).result(0)
    assert (again.job_id, again.cached) == (done.job_id, True)
    with pytest.raises(IdempotencyConflict):
        later(media, 3, idempotency_key="done")
    with pytest.raises(InProgress) as caught:
        later(media, 1, idempotency_key="busy", wait=False)
    assert caught.value.job_id == busy.id
    assert later(media, 1, idempotency_key="busy").id == busy.id
    with pytest.raises(ContentBlocked):
        later(media, 4, idempotency_key="blocked").result(0)
    for key in ("new", None):
        with pytest.raises(QueueUnavailable):
            later(media, 3, idempotency_key=key)
    gate.open()
    waiting.result(TIMEOUT)
    assert emulator.calls == 4


def test_a_key_outlives_another_model(make_media: MakeMedia, emulator: GeminiEmulator) -> None:
    """With the key it is the stored picture, whatever model is configured by now; without, the
    other model's is another picture."""
    first = later(make_media(), idempotency_key="one").result(TIMEOUT)
    media = make_media(GEMINI_MODEL="gemini-2.5-flash-image")
    again = later(media, idempotency_key="one").result(TIMEOUT)
    assert (again.job_id, again.model) == (first.job_id, first.model)
    assert (
        media.generate_and_upload(
            "House 0", "houses/0.png", config=SMALL, idempotency_key="one"
        ).job_id
        == first.job_id
    )
    other = later(media, reuse=True).result(TIMEOUT)
    assert (other.job_id != first.job_id, other.cached) == (True, False)
    assert emulator.calls == 2


def _remote(media: MediaService, spender: str) -> MediaJob:
    wanted = Wanted(prompt="House 0", object_key="houses/0.png", config=SMALL)
    return media.put_in_queue(wanted, Terms(spender=spender, is_queued=True, is_remote=True))


def test_over_http_each_has_jobs_of_their_own(
    media: MediaService, gate: Gate, emulator: GeminiEmulator
) -> None:
    """Equal requests of two spenders are two jobs, and those of one spender are one."""
    ada, bob = _remote(media, "ada"), _remote(media, "bob")
    gate.arrived()
    gate.arrived()
    assert (ada.spender, bob.spender, ada.id != bob.id) == ("ada", "bob", True)
    assert _remote(media, "bob").id == bob.id
    gate.open()
    assert ada.result(TIMEOUT).job_id != bob.result(TIMEOUT).job_id
    assert emulator.calls == 2


def test_a_flight_that_is_joined_costs_nothing(
    media: MediaService, gate: Gate, emulator: GeminiEmulator
) -> None:
    """With ``reuse`` an equal picture that is being made is another's: cached, and free."""
    first = later(media, reuse=True)
    gate.arrived()
    second = later(media, object_key="houses/other.png", reuse=True)
    assert second.id == first.id
    gate.open()
    made, found = first.result(TIMEOUT), second.result(TIMEOUT)
    assert (made.cached, made.cost_usd != Decimal(0)) == (False, True)
    assert (found.object_key, found.cached, found.cost_usd) == ("houses/0.png", True, Decimal(0))
    assert emulator.calls == 1


def test_cancelled_by_many_at_once(make_media: MakeMedia, gate: Gate) -> None:
    """One of them cancelled it, the others hear that they did not, and it is told once."""
    media = make_media(MEDIA_QUEUE_THREADS=1)
    busy = later(media, 0)
    gate.arrived()
    with heard() as said, ThreadPoolExecutor(3) as threads:
        for number in range(1, 13):
            job, barrier = later(media, number), threading.Barrier(3)

            def cancel(_: int, job: MediaJob = job, barrier: threading.Barrier = barrier) -> bool:
                handle = media.job(job.id)
                barrier.wait(TIMEOUT)
                return handle.cancel()

            assert sorted(threads.map(cancel, range(3))) == [False, False, True]
            with pytest.raises(JobCancelled):
                job.result(TIMEOUT)
            assert said.of(job) == ["generation_failed"]
    gate.open()
    busy.result(TIMEOUT)


def test_a_picture_for_the_caller_is_cancelled_between_two_calls(
    media: MediaService, emulator: GeminiEmulator
) -> None:
    """Who waits in ``generate`` hears that the job was cancelled by its id."""
    emulator.script("429,retry=0.3")
    ids: queue.SimpleQueue[str] = queue.SimpleQueue()

    def began(sender: object, *, job_id: str, **_: object) -> None:
        ids.put(job_id)

    with signals.generation_started.connected_to(began), ThreadPoolExecutor(1) as threads:
        asked = threads.submit(media.generate, "House 0", config=SMALL)
        job_id = ids.get(timeout=TIMEOUT)
        assert media.journal.until(job_id, lambda row: row.state == "requested", timeout=TIMEOUT)
        assert media.job(job_id).cancel()
        with pytest.raises(JobCancelled):
            asked.result(TIMEOUT)
    assert emulator.calls == 1
