"""Equal requests with keys of their own, of which one failed and is made again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_media import MediaResult
from flask_media import MediaService
from flask_media import NoImageReturned
from flask_media.emulator import GeminiEmulator

from .conftest import MakeMedia
from .support import Gate
from .support import ask
from .support import record


def _ask(media: MediaService, number: int) -> MediaResult:
    return ask(
        media, object_key=f"goals/{number}.png", idempotency_key=f"order-{number}", reuse=True
    )


@pytest.fixture
def failed(emulator: GeminiEmulator, media: MediaService) -> str:
    """The job of order-1, which got no picture and may be made again."""
    emulator.script("text-only")
    with pytest.raises(NoImageReturned) as caught:
        _ask(media, 1)
    assert caught.value.retryable
    return str(caught.value.job_id)


def test_others_join_a_second_try(
    *,
    failed: str,
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    gate: Gate,
    threads: ThreadPoolExecutor,
) -> None:
    """While a failed job is made again, equal requests that would reuse its picture wait for it."""
    services = [make_media() for _ in range(3)]
    again = threads.submit(_ask, services[0], 1)
    gate.arrived()
    others = [threads.submit(_ask, services[number % 3], number) for number in range(2, 14)]
    for _ in others:
        assert not gate.has_arrived(within=0.1)
    gate.open()
    result = again.result(60)
    assert (result.job_id, result.cached) == (failed, False)
    for other in others:
        joined = other.result(60)
        assert (joined.job_id, joined.url, joined.cached) == (failed, result.url, True)
    assert emulator.calls == 2


def test_a_second_try_is_on_its_own_beside_a_flight(
    *,
    failed: str,
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    gate: Gate,
    threads: ThreadPoolExecutor,
) -> None:
    """Where another job took the flight meanwhile, the failed one is made again beside it."""
    services = [make_media() for _ in range(2)]
    flight = threads.submit(_ask, services[0], 2)
    gate.arrived()
    again = threads.submit(_ask, services[1], 1)
    gate.arrived()
    third = threads.submit(_ask, services[1], 3)
    assert not gate.has_arrived(within=0.5)
    gate.open()
    first, second = again.result(60), flight.result(60)
    assert (first.job_id, first.object_key, first.cached) == (failed, "goals/1.png", False)
    assert (second.object_key, second.cached) == ("goals/2.png", False)
    assert third.result(60).job_id == second.job_id
    assert {record(services[0], one.job_id).state for one in (first, second)} == {"done"}
    assert emulator.calls == 3


def test_many_second_tries_at_once_end(
    *,
    media: MediaService,
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    threads: ThreadPoolExecutor,
) -> None:
    """Of failed jobs that are made again at once one has the flight, and all get a picture."""
    for number in range(6):
        emulator.script("text-only")
        with pytest.raises(NoImageReturned):
            _ask(media, number)
    emulator.latency = 0.2
    services = [make_media() for _ in range(6)]
    tries = [threads.submit(_ask, services[number], number) for number in range(6)]
    results = [one.result(60) for one in tries]
    assert [result.object_key for result in results] == [f"goals/{n}.png" for n in range(6)]
    assert emulator.calls == 12
    reused = _ask(media, 7)
    assert reused.cached
    assert emulator.calls == 12
