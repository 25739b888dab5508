"""The stored picture of an equal request in the place of a new one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flask_media import ImageGenerationConfig
from flask_media import MediaResult
from flask_media.emulator import GeminiEmulator
from flask_media.service import MediaService

from .conftest import MakeMedia
from .support import Gate
from .support import ask
from .support import png

SLOWEST = 0.015
"""Seconds that a hit may take on a busy machine; it takes well under 3 ms on an idle one."""


@pytest.mark.parametrize("by_config", [False, True])
def test_a_stored_picture_is_the_result(
    make_media: MakeMedia, emulator: GeminiEmulator, by_config: bool
) -> None:
    """Its own URL and key, no call, no cost; the key asked for is not written."""
    first = ask(make_media(), object_key="goals/1.png")
    media = make_media(MEDIA_REUSE=by_config)
    again = ask(media, object_key="goals/2.png", metadata={"goal": "2"}, reuse=not by_config)
    assert (again.url, again.object_key) == (first.url, "goals/1.png")
    assert (again.cached, again.job_id) == (True, first.job_id)
    assert again.cost_usd == 0
    assert not media.exists("goals/2.png")
    assert media.stat("goals/1.png").metadata == {}
    assert emulator.calls == 1


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "Another house"},
        {"config": ImageGenerationConfig(model="gemini-3-pro-image")},
        {"config": ImageGenerationConfig(size=(640, 480))},
        {"config": ImageGenerationConfig(negative="people")},
        {"reference_images": [png("red")]},
        {"object_key": "goals/1.webp"},
    ],
)
def test_another_picture_is_not(
    media: MediaService, emulator: GeminiEmulator, other: dict[str, Any]
) -> None:
    """A request for another picture or format is not equal."""
    ask(media, object_key="goals/1.png", reuse=True)
    assert not ask(media, **{"object_key": "goals/2.png", "reuse": True} | other).cached
    assert emulator.calls == 2


def _delete(media: MediaService) -> None:
    media.delete("goals/1.png")


def _upload(media: MediaService) -> None:
    media.upload(png("red"), "goals/1.png")


def _generate(media: MediaService) -> None:
    ask(media, prompt="A boat", object_key="goals/1.png")


@pytest.mark.parametrize("change", [_delete, _upload, _generate])
@pytest.mark.parametrize("key", ["order-2", None])
def test_what_is_gone_is_not_reused(
    media: MediaService,
    emulator: GeminiEmulator,
    change: Callable[[MediaService], None],
    key: str | None,
) -> None:
    """A deleted or overwritten object is not the picture any more: it is made anew."""
    first = ask(media, object_key="goals/1.png", reuse=True)
    change(media)
    calls = emulator.calls
    second = ask(media, object_key="goals/2.png", reuse=True, idempotency_key=key)
    assert not second.cached
    assert second.object_key == "goals/2.png"
    assert second.job_id != first.job_id
    assert ask(media, object_key="goals/3.png", reuse=True).object_key == "goals/2.png"
    assert emulator.calls == calls + 1


def test_an_older_picture_will_do(media: MediaService, emulator: GeminiEmulator) -> None:
    """Where the newest of equal pictures is gone, the one before it is taken."""
    ask(media, object_key="goals/1.png")
    ask(media, object_key="goals/2.png")
    media.delete("goals/2.png")
    assert ask(media, object_key="goals/3.png", reuse=True).object_key == "goals/1.png"
    assert emulator.calls == 2


def test_a_key_keeps_what_it_got(media: MediaService, emulator: GeminiEmulator) -> None:
    """A key whose request was answered with a stored picture gives the same again."""
    ask(media, object_key="goals/1.png")
    values: dict[str, Any] = {"object_key": "goals/2.png", "idempotency_key": "a", "reuse": True}
    first, second = ask(media, **values), ask(media, **values)
    assert first == second
    assert first.object_key == "goals/1.png"
    media.delete("goals/1.png")
    assert ask(media, **values) == first
    assert emulator.calls == 1


@pytest.mark.parametrize("with_keys", [False, True])
def test_one_flight_for_many(
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    gate: Gate,
    threads: ThreadPoolExecutor,
    with_keys: bool,
) -> None:
    """Equal requests for different keys at the same time make one call."""
    services = [make_media() for _ in range(4)]

    def one(number: int) -> MediaResult:
        key = f"order-{number}" if with_keys else None
        values = {"object_key": f"goals/{number}.png", "idempotency_key": key, "reuse": True}
        return ask(services[number % 4], **values)

    askings = [threads.submit(one, number) for number in range(40)]
    gate.arrived()
    gate.open()
    results = [asking.result() for asking in askings]
    assert len({(result.job_id, result.url) for result in results}) == 1
    assert sorted(result.cached for result in results) == [False] + [True] * 39
    assert emulator.calls == 1


@pytest.mark.alone
def test_a_hit_is_quick(
    media: MediaService, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A reuse hit costs milliseconds."""
    ask(media, reuse=True)
    taken = []
    for number in range(200):
        start = time.perf_counter()
        ask(media, object_key=f"goals/{number}.png", reuse=True)
        taken.append(time.perf_counter() - start)
    median = statistics.median(taken)
    record_property("reuse_hit_ms", round(median * 1000, 2))
    print(f"a reuse hit: {median * 1000:.2f} ms, best {min(taken) * 1000:.2f} ms")
    assert median < SLOWEST
