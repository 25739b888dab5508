"""What becomes of a job in a worker, and of a message that comes twice."""

from __future__ import annotations

import time
from typing import Any

import pytest

from flask_media import ContentBlocked
from flask_media import JobCancelled
from flask_media import MediaError
from flask_media import MediaResult
from flask_media import QueueUnavailable
from flask_media.emulator import GeminiEmulator
from flask_media.jobs.celery import GENERATE
from flask_media.jobs.celery import RESUME

from ..journal.support import Gate
from ..journal.support import sql
from .conftest import MakeShop
from .support import Shop


def test_results_and_errors(shop: Shop, emulator: GeminiEmulator) -> None:
    """Results are JSON; errors that can pass are tried again, others are final; nothing that is
    over is done again when its message comes once more."""
    asked: list[float] = []
    emulator.handler(lambda ask: asked.append(time.monotonic()))
    emulator.script("429,retry=2", "image-safety", "ok")
    late, blocked = shop.later(0), shop.later(1)
    cancelled = shop.later(2)
    assert cancelled.cancel()
    shop.worker()

    # The provider's own time is kept.
    with shop.explained():
        result = late.result(timeout=60)
    assert asked[-1] - asked[0] >= 2
    stored = shop.outcome(late).get(timeout=10)
    assert MediaResult.from_dict(stored) == result

    # A final error is the job's and the task's.
    with pytest.raises(ContentBlocked) as caught:
        blocked.result(timeout=60)
    with pytest.raises(ContentBlocked) as kept:
        shop.outcome(blocked).get(timeout=10)
    assert str(kept.value) == str(caught.value)
    assert emulator.calls == 3

    # Each message once more.
    assert shop.send(GENERATE, late.id).get(timeout=10) == stored
    for job, error in ((blocked, ContentBlocked), (cancelled, JobCancelled)):
        with pytest.raises(error):
            shop.send(GENERATE, job.id).get(timeout=10)
    assert emulator.calls == 3

    # One that comes before its time waits for it.
    due = time.time() + 2
    shop.send(GENERATE, late.id, 1, due).get(timeout=60)
    assert time.time() >= due

    # Asked for again, what was blocked is another picture.
    again = shop.later(1)
    assert again.id != blocked.id
    assert again.result(timeout=60).attempts == 1
    assert "Traceback" not in shop.logs()


def test_a_broker_that_gives_up_early(
    make_shop: MakeShop,
    redis_settings: dict[str, Any],
    emulator: GeminiEmulator,
    gate: Gate,
) -> None:
    """A message that Redis gives to a second worker during the call waits for the first one; the
    app's own router says which comes first."""
    options = {
        "broker_transport_options": {"visibility_timeout": 1},
        "task_routes": ["tests.celery_queue.shop.by_spender"],
    }
    shop = make_shop(redis_settings | options, MEDIA_LEASE=1)
    shop.worker()
    job = shop.later()
    gate.arrived()
    shop.worker()
    shop.until_state(job, "RETRY")
    others = [shop.later(number) for number in range(1, 8)]
    gate.arrived()  # both are busy
    paying = shop.later(8, spender="paying")
    gate.open()
    with shop.explained():
        result = job.result(timeout=60)
        for one in [*others, paying]:
            one.result(timeout=60)
    shop.until_state(job, "SUCCESS")
    assert MediaResult.from_dict(shop.outcome(job).get()) == result
    assert emulator.calls == 9
    paid = paying.refresh().updated_at
    assert sum(one.updated_at < paid for one in others) <= 3


def test_what_was_left(shop: Shop, emulator: GeminiEmulator) -> None:
    """``flask_media.resume`` sends jobs anew whose message was lost, and those only once."""
    jobs = [shop.later(number) for number in range(3)]
    shop.celery.control.purge()
    url = shop.config["MEDIA_JOURNAL_URL"]
    sql(url, "UPDATE media_jobs SET lease_until = 0 WHERE id != :id", id=jobs[2].id)
    resumed = [shop.send(RESUME) for _ in range(3)]
    workers = [shop.worker() for _ in range(2)]
    with shop.explained():
        for job in jobs[:2]:
            job.result(timeout=60)
    assert sum(outcome.get(timeout=60)["sent"] for outcome in resumed) == 2
    assert jobs[2].refresh().status == "requested"
    assert emulator.calls == 2
    assert len(workers) == 2


def test_what_can_not_be_sent_anew(make_shop: MakeShop, redis_settings: dict[str, Any]) -> None:
    """A job that can't be read, that the journal does not give or that the app's router refuses
    stops none of those after it."""
    options = {"task_routes": ["tests.celery_queue.shop.refuses"]}
    shop = make_shop(redis_settings | options, GEMINI_MAX_ATTEMPTS=1)
    unreadable, locked, refused, *others = [shop.later(number) for number in range(5)]
    shop.celery.control.purge()
    url = shop.config["MEDIA_JOURNAL_URL"]
    sql(url, "UPDATE media_jobs SET lease_until = 0")
    sql(url, "UPDATE media_jobs SET spec = '{}' WHERE id = :id", id=unreadable.id)
    sql(url, "UPDATE media_jobs SET spender = 'refused' WHERE id = :id", id=refused.id)
    sql(
        url,
        "CREATE TRIGGER locked BEFORE UPDATE ON media_jobs "
        f"WHEN OLD.id = '{locked.id}' BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    for _ in range(2):
        with pytest.raises(QueueUnavailable, match="no queue for it"):
            shop.celery.tasks[RESUME].apply().get()
    shop.worker()
    with shop.explained():
        for job in others:
            job.result(timeout=60)
        with pytest.raises(MediaError, match="KeyError"):
            unreadable.result(timeout=60)
    assert [job.refresh().status for job in (locked, refused)] == ["requested", "requested"]
    sql(url, "DROP TRIGGER locked")
    sql(url, "UPDATE media_jobs SET spender = '' WHERE id = :id", id=refused.id)
    assert shop.send(RESUME).get(timeout=60) == {"sent": 2, "told": 0}
    with shop.explained():
        for job in (locked, refused):
            job.result(timeout=60)
