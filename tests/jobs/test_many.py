"""Many pictures in one call."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from flask import current_app

from flask_media import ContentBlocked
from flask_media import InvalidRequest
from flask_media import MediaResult
from flask_media import signals
from flask_media.emulator import GeminiEmulator
from flask_media.service import MediaService

from .support import SMALL


def _requests(count: int) -> list[dict[str, Any]]:
    return [
        {"prompt": f"House {number}", "object_key": f"houses/{number}.png", "config": SMALL}
        for number in range(count)
    ]


def test_results_in_order(media: MediaService, emulator: GeminiEmulator) -> None:
    """As many at once as asked for, and each result in its place."""
    emulator.latency = 0.05
    results = media.generate_many(_requests(9), concurrency=3)
    assert [result.object_key for result in results if isinstance(result, MediaResult)] == [
        f"houses/{number}.png" for number in range(9)
    ]
    assert (emulator.calls, emulator.max_inflight) == (9, 3)
    assert media.generate_many([]) == []


def test_each_has_its_own_error(media: MediaService, emulator: GeminiEmulator) -> None:
    """One that is blocked and one that is wrong cost the others nothing."""
    requests = _requests(4)
    requests[1]["prompt"] += " [stub:image-safety]"
    requests[2]["object_key"] = "/wrong"
    emulator.script("ok", "image-safety", "ok")
    results = media.generate_many(requests, concurrency=1)
    assert [type(result) for result in results] == [
        MediaResult,
        ContentBlocked,
        InvalidRequest,
        MediaResult,
    ]
    assert media.exists("houses/3.png")


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ([{"prompt": "x"}], r"requests\[0\]: missing .*object_key"),
        ([*_requests(1), {"promt": "x", "object_key": "y.png"}], r"requests\[1\]: "),
        (["a house"], r"requests\[0\] is a str; it must be a dict"),
    ],
)
def test_wrong_requests(
    media: MediaService, emulator: GeminiEmulator, requests: Any, message: str
) -> None:
    """A request that is none is found before the first is begun."""
    with pytest.raises(InvalidRequest, match=message):
        media.generate_many(requests)
    assert emulator.calls == 0


@pytest.mark.parametrize("concurrency", [0, 257, 2.0, True, "4"])
def test_wrong_concurrency(media: MediaService, concurrency: Any) -> None:
    """It is a number of threads."""
    with pytest.raises(InvalidRequest, match="concurrency is"):
        media.generate_many(_requests(1), concurrency=concurrency)


def test_receivers_find_the_app(media: MediaService) -> None:
    """Each runs in a context of the app of its own."""
    contexts: set[int] = set()

    def receive(sender: object, **_: object) -> None:
        contexts.add(id(current_app._get_current_object()))  # type: ignore[attr-defined]

    with signals.upload_finished.connected_to(receive):
        media.generate_many(_requests(4), concurrency=2)
    assert len(contexts) == 1


def test_within_a_celery_task(media: MediaService, emulator: GeminiEmulator) -> None:
    """The pictures of a task that is delivered again are the same jobs, in threads too."""
    app = Celery("tasks")

    @app.task(shared=False)  # type: ignore[untyped-decorator]
    def draw() -> list[str]:
        results = media.generate_many(_requests(5), concurrency=2)
        return [result.job_id for result in results if result.job_id]

    first = draw.apply(task_id="task-1").get()
    again = draw.apply(task_id="task-1").get()
    other = draw.apply(task_id="task-2").get()
    assert first == again
    assert not set(first) & set(other)
    assert emulator.calls == 10


def test_the_same_request_twice_in_a_list(media: MediaService) -> None:
    """Under one key it is one picture."""
    request = _requests(1)[0] | {"idempotency_key": "one"}
    first, second = media.generate_many([request, request], concurrency=2)
    assert first.job_id == second.job_id
