"""The same request is one job: by its key, or while it is unfinished."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flask_media import ContentBlocked
from flask_media import IdempotencyConflict
from flask_media import ImageGenerationConfig
from flask_media import InProgress
from flask_media import InvalidRequest
from flask_media import MediaError
from flask_media import NoImageReturned
from flask_media import ProviderRefused
from flask_media import ProviderUnavailable
from flask_media import UploadFailed
from flask_media.emulator import GeminiEmulator
from flask_media.service import MediaService

from .conftest import MakeMedia
from .support import Gate
from .support import ask
from .support import png
from .support import record
from .support import run_callers
from .support import sql

Block = Callable[[], contextlib.AbstractContextManager[None]]

RED, BLUE = png("red"), png("blue")

CONFIG = ImageGenerationConfig(
    size=(640, 480),
    quality="high",  # type: ignore[arg-type]
    theme="illustration",  # type: ignore[arg-type]
    brand_colors=["#0066CC", "#00AA66"],
    style_notes="soft light",
    negative="people",
    format="webp",  # type: ignore[arg-type]
    compression=80,
    enhance_prompt=True,
    model="gemini-nano-banana-2.1",
)

REQUEST: dict[str, Any] = {
    "prompt": "A sea house",
    "object_key": "goals/7/house",
    "metadata": {"goal_id": "7", "user_id": 12, "name": "Être libre"},
    "config": CONFIG,
    "reference_images": [RED, BLUE],
    "idempotency_key": "order-1",
}


def _config(**values: Any) -> dict[str, Any]:
    return {"config": dataclasses.replace(CONFIG, **values)}


def _metadata(**values: Any) -> dict[str, Any]:
    return {"metadata": REQUEST["metadata"] | values}


CHANGES: dict[str, dict[str, Any]] = {
    "prompt": {"prompt": "A sea house."},
    "object_key": {"object_key": "goals/7/house2"},
    "metadata goal_id": _metadata(goal_id="8"),
    "metadata user_id": _metadata(user_id=13),
    "metadata name": _metadata(name="Etre libre"),
    "metadata more": _metadata(more="x"),
    "metadata none": {"metadata": None},
    "size": _config(size=(640, 481)),
    "quality": _config(quality="low"),
    "theme": _config(theme="abstract"),
    "brand_colors": _config(brand_colors=["#0066CC", "#00AA67"]),
    "brand_colors turned": _config(brand_colors=["#00AA66", "#0066CC"]),
    "style_notes": _config(style_notes="hard light"),
    "negative": _config(negative=None),
    "format": _config(format="jpeg"),
    "compression": _config(compression=81),
    "enhance_prompt": _config(enhance_prompt=False),
    "model": _config(model="gemini-3-pro-image"),
    "model none": _config(model=None),
    "config none": {"config": None},
    "references other": {"reference_images": [RED, RED]},
    "references turned": {"reference_images": [BLUE, RED]},
    "references less": {"reference_images": [RED]},
    "references none": {"reference_images": []},
}


def _refused(media: MediaService, request: dict[str, Any]) -> MediaError | None:
    try:
        media.generate_and_upload(**request)
    except MediaError as error:
        return error
    return None


def test_the_same_request_gives_the_stored_result(
    make_media: MakeMedia, emulator: GeminiEmulator
) -> None:
    """A key and its request asked again, in another process too, cost nothing and say so."""
    first = make_media().generate_and_upload(**REQUEST)
    for media in (make_media(), make_media()):
        again = media.generate_and_upload(**REQUEST)
        assert again.cached
        assert dataclasses.replace(again, cached=False) == first
    assert not first.cached
    assert emulator.calls == 1


def test_every_other_request_conflicts(media: MediaService, emulator: GeminiEmulator) -> None:
    """Under the same key, a request with one value changed is refused and costs nothing."""
    assert {field.name for field in dataclasses.fields(CONFIG)} <= CHANGES.keys()
    first = media.generate_and_upload(**REQUEST)
    for name, change in CHANGES.items():
        error = _refused(media, REQUEST | change)
        assert isinstance(error, IdempotencyConflict), name
        assert error.job_id == first.job_id
        assert not error.retryable
    assert emulator.calls == 1


def test_two_hundred_callers_pay_once(
    emulator: GeminiEmulator, journal_url: str, tmp_path: Path
) -> None:
    """4 processes with 50 threads each and one key: one call, one result for all."""
    emulator.latency = 0.5
    config = {
        "GEMINI_API_KEY": "test-key",
        "GEMINI_BASE_URL": emulator.url,
        "MEDIA_STORAGE": "filesystem",
        "MEDIA_FOLDER": str(tmp_path / "media"),
        "MEDIA_JOURNAL_URL": journal_url,
    }
    request = {"prompt": "A house", "object_key": "house.png", "idempotency_key": "order-1"}
    arguments = {"folder": str(tmp_path), "config": config, "request": request, "threads": 50}
    results = run_callers(arguments, processes=4)
    assert [result["error"] for result in results if "error" in result] == []
    assert len(results) == 200
    assert emulator.calls == 1
    assert len([result for result in results if not result["cached"]]) == 1
    assert len({(result["job_id"], result["url"], result["sha256"]) for result in results}) == 1


@pytest.mark.parametrize("key", ["order-1", None])
def test_who_need_not_wait_is_told(
    media: MediaService,
    emulator: GeminiEmulator,
    gate: Gate,
    threads: ThreadPoolExecutor,
    waiting: Callable[[int], None],
    *,
    key: str | None,
) -> None:
    """wait=False raises InProgress with the job while another is at it; waiting joins it."""
    first = threads.submit(ask, media, idempotency_key=key)
    gate.arrived()
    with pytest.raises(InProgress) as caught:
        ask(media, idempotency_key=key, wait=False)
    second = threads.submit(ask, media, idempotency_key=key)
    waiting(2)
    gate.open()
    assert first.result().job_id == second.result().job_id == caught.value.job_id
    assert caught.value.retryable
    assert (first.result().cached, second.result().cached) == (False, True)
    assert emulator.calls == 1


def test_what_can_pass_runs_again(make_media: MakeMedia, emulator: GeminiEmulator) -> None:
    """After a failure that can pass, the key's request is made again, and is the same job."""
    emulator.script("503,after=3600", "no-image")
    for expected in (ProviderUnavailable, NoImageReturned):
        with pytest.raises(expected) as caught:
            ask(make_media(), idempotency_key="order-1")
        assert caught.value.retryable
    result = ask(make_media(), idempotency_key="order-1")
    assert result.job_id == caught.value.job_id
    assert (result.attempts, emulator.calls) == (3, 3)


def test_what_was_paid_in_vain_is_bounded(make_media: MakeMedia, emulator: GeminiEmulator) -> None:
    """A model that never sends a picture is paid GEMINI_MAX_ATTEMPTS times, and that is it."""
    emulator.default_mode = "text-only"
    for retryable in (True, False, False):
        with pytest.raises(NoImageReturned) as caught:
            ask(make_media(GEMINI_MAX_ATTEMPTS=2), idempotency_key="order-1")
        assert caught.value.retryable is retryable
    assert emulator.calls == 2


def test_an_answer_without_a_picture_is_not_unknown(
    make_media: MakeMedia, emulator: GeminiEmulator
) -> None:
    """MEDIA_ON_UNKNOWN is not about calls that were answered."""
    emulator.script("text-only")
    media = make_media(MEDIA_ON_UNKNOWN="raise")
    with pytest.raises(NoImageReturned):
        ask(media, idempotency_key="order-1")
    assert ask(media, idempotency_key="order-1").attempts == 2


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("image-safety", ContentBlocked),
        ("prompt-blocked", ContentBlocked),
        ("400-safety", ContentBlocked),
        ("400", ProviderRefused),
        ("403", ProviderRefused),
    ],
)
def test_what_is_final_stays(
    make_media: MakeMedia, emulator: GeminiEmulator, mode: str, expected: type[MediaError]
) -> None:
    """After a final failure the key raises the same error, attributes and all, without a call."""
    emulator.script(mode)
    with pytest.raises(expected) as caught:
        ask(make_media(), idempotency_key="order-1")
    with pytest.raises(expected) as again:
        ask(make_media(), idempotency_key="order-1")
    assert type(again.value) is type(caught.value) is expected
    assert str(again.value) == str(caught.value)
    for name, value in caught.value.__dict__.items():
        assert getattr(again.value, name) == value
    assert not again.value.retryable
    assert emulator.calls == 1


def test_keys_belong_to_a_storage(
    make_media: MakeMedia, emulator: GeminiEmulator, tmp_path: Path
) -> None:
    """In another folder or bucket the same key is another key."""
    first = ask(make_media(), idempotency_key="order-1")
    elsewhere = make_media(MEDIA_FOLDER=str(tmp_path / "elsewhere"))
    second = ask(elsewhere, prompt="A boat", idempotency_key="order-1")
    assert first.job_id != second.job_id
    assert emulator.calls == 2


@pytest.mark.parametrize("key", ["", "x" * 256, 7, b"order", "a\0b", "a\ud800"])
def test_bad_keys_are_refused(media: MediaService, emulator: GeminiEmulator, key: Any) -> None:
    """A key that is no text of 1 to 255 characters costs nothing and is named."""
    with pytest.raises(InvalidRequest, match="idempotency_key") as caught:
        ask(media, idempotency_key=key)
    assert "user" not in str(caught.value)  # a key per user would be one picture per user
    assert emulator.calls == 0


def test_any_text_is_a_key(media: MediaService, emulator: GeminiEmulator) -> None:
    """Keys are compared to the letter, whatever they hold."""
    keys = ["a", "A", "ä", "a ", " a", "a\n", "'; DROP TABLE media_jobs; --", "%", "x" * 255, "🏠"]
    assert len({ask(media, idempotency_key=key).job_id for key in keys}) == len(keys)
    assert all(ask(media, idempotency_key=key).cached for key in keys)
    assert emulator.calls == len(keys)


def test_unfinished_work_is_joined(
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    gate: Gate,
    threads: ThreadPoolExecutor,
    waiting: Callable[[int], None],
) -> None:
    """Without a key, the same work under way is waited for; its metadata need not be the same."""
    askings = [
        threads.submit(ask, make_media(), metadata={"number": number}) for number in range(3)
    ]
    gate.arrived()
    waiting(2)
    gate.open()
    assert len({asking.result().job_id for asking in askings}) == 1
    assert sum(asking.result().cached for asking in askings) == 2
    assert emulator.calls == 1


def test_a_key_may_join_what_has_none(
    media: MediaService,
    emulator: GeminiEmulator,
    gate: Gate,
    threads: ThreadPoolExecutor,
    waiting: Callable[[int], None],
) -> None:
    """A key's request that joined work with other metadata stays that key's request."""
    first = threads.submit(ask, media, metadata={"number": 1})
    gate.arrived()
    values = {"metadata": {"number": 2}, "idempotency_key": "order-1"}
    second = threads.submit(ask, media, **values)
    waiting(1)
    gate.open()
    assert first.result().job_id == second.result().job_id == ask(media, **values).job_id
    with pytest.raises(IdempotencyConflict):
        ask(media, metadata={"number": 1}, idempotency_key="order-1")
    assert emulator.calls == 1


def test_two_keys_are_two_pictures(
    media: MediaService, emulator: GeminiEmulator, gate: Gate, threads: ThreadPoolExecutor
) -> None:
    """Equal work under two keys at the same time is not one job."""
    askings = [threads.submit(ask, media, idempotency_key=key) for key in ("a", "b")]
    gate.arrived()
    gate.arrived()
    gate.open()
    assert len({asking.result().job_id for asking in askings}) == 2
    assert emulator.calls == 2


@pytest.mark.parametrize("key", ["order-1", None])
def test_a_failed_upload_is_resumed(
    make_media: MakeMedia, emulator: GeminiEmulator, blocked_storage: Block, key: str | None
) -> None:
    """A picture that could not be stored is stored by the next asking, not bought again."""
    with blocked_storage(), pytest.raises(UploadFailed) as caught:
        ask(make_media(), idempotency_key=key)
    media = make_media()
    assert media.journal.picture(caught.value.job_id or "") is not None
    result = ask(media, idempotency_key=key)
    assert result.job_id == caught.value.job_id
    assert media.exists(result.object_key)
    assert media.journal.picture(result.job_id) is None
    assert emulator.calls == 1


def test_fifty_uploads_wait_for_the_storage(
    media: MediaService,
    emulator: GeminiEmulator,
    blocked_storage: Block,
    gate: Gate,
    threads: ThreadPoolExecutor,
) -> None:
    """With the storage down for 50 jobs and then back, all are stored without a new call."""
    keys = [f"goals/{number}.png" for number in range(50)]
    with blocked_storage():
        askings = [threads.submit(ask, media, prompt=key, object_key=key) for key in keys]
        for _ in keys:
            gate.arrived()
        gate.open()
        assert all(isinstance(asking.exception(), UploadFailed) for asking in askings)
    results = media.resume_all()
    assert {result.object_key for result in results} == set(keys)  # type: ignore[union-attr]
    assert all(media.exists(key) for key in keys)
    assert emulator.calls == 50


def test_finished_work_is_not_joined(media: MediaService, emulator: GeminiEmulator) -> None:
    """Without a key, asking for a finished picture again is asking for a new one."""
    first, second = ask(media), ask(media)
    assert first.job_id != second.job_id
    assert not second.cached
    assert emulator.calls == 2


def test_generate_is_never_joined(
    media: MediaService,
    emulator: GeminiEmulator,
    gate: Gate,
    threads: ThreadPoolExecutor,
    journal_url: str,
) -> None:
    """Two equal generate() at once are two pictures, whose bytes the journal then lets go."""
    askings = [threads.submit(media.generate, "A house") for _ in range(2)]
    gate.arrived()
    gate.arrived()
    gate.open()
    first, second = (asking.result() for asking in askings)
    assert first.job_id != second.job_id
    assert emulator.calls == 2
    assert [record(media, job.job_id).state for job in (first, second)] == ["done", "done"]
    assert sql(journal_url, "SELECT * FROM media_pictures") == []
