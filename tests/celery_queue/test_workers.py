"""Real workers on real brokers: one that is killed, and what two are worth."""

from __future__ import annotations

from typing import Any

import pytest

from flask_media.emulator import GeminiEmulator
from flask_media.jobs.celery import RESUME

from ..journal.support import Gate
from .conftest import MakeShop
from .support import Shop

JOBS = 200
BEFORE = 60
"""Calls before a worker is killed."""


@pytest.mark.parametrize(
    ("broker", "journal_url"),
    [("valkey", "sqlite"), ("rabbitmq", "postgresql")],
    indirect=["journal_url"],
)
def test_a_worker_of_two_is_killed(
    broker: str,
    journal_url: str,
    make_shop: MakeShop,
    emulator: GeminiEmulator,
    request: pytest.FixtureRequest,
) -> None:
    """200 jobs, 2 workers, one killed with -9 within a call: all are done, for one call more."""
    url: str = request.getfixturevalue(broker)
    settings = {"broker_url": url} | ({"result_backend": url} if broker == "valkey" else {})
    shop, gate = make_shop(settings, MEDIA_JOURNAL_URL=journal_url), Gate()
    emulator.handler(lambda ask: gate.hold() if emulator.calls > BEFORE else None)
    workers = [shop.worker() for _ in range(2)]
    jobs = [shop.later(number) for number in range(JOBS)]
    for _ in workers:
        gate.arrived()  # each has a call under way
    workers[0].kill()
    gate.open()
    if broker == "valkey":
        # Redis gives its message to another only after the visibility timeout: an hour.
        assert shop.send(RESUME).get(timeout=60) == {"sent": 1, "told": 0}
    with shop.explained():
        results = [job.result(timeout=60) for job in jobs]
    assert len({result.url for result in results}) == JOBS
    assert emulator.calls == JOBS + 1
    assert sorted(result.attempts for result in results) == [1] * (JOBS - 1) + [2]
    spent = shop.media.usage()
    assert spent.pictures == JOBS
    assert spent.possible_usd > 0


@pytest.mark.alone
def test_two_workers_draw_twice_as_much(
    make_shop: MakeShop, redis_settings: dict[str, Any], emulator: GeminiEmulator
) -> None:
    """At a second a picture, two processes make at least 1.9 times the pictures of one."""
    shop = make_shop(redis_settings)
    emulator.latency = 1.0
    shop.worker().ready()
    _seconds(shop, 1)  # what is loaded with the first picture
    one = 8 / _seconds(shop, 8)
    shop.worker().ready()
    _seconds(shop, 2)
    two = 16 / _seconds(shop, 16)
    print(f"{one:.3f} and {two:.3f} pictures/s: {two / one:.3f}")
    assert two / one >= 1.9


def _seconds(shop: Shop, count: int) -> float:
    """From the first asking to the last picture, by the journal."""
    jobs = [shop.later(number) for number in range(count)]
    with shop.explained():
        for job in jobs:
            job.result(timeout=60)
    first, last = min(job.created_at for job in jobs), max(job.updated_at for job in jobs)
    return (last - first).total_seconds()
