"""A fake fails, waits and answers as it is told, at the stage and the call that it is told."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from flask_media import ContentBlocked
from flask_media import GenerationTimeout
from flask_media import InvalidImage
from flask_media import MediaError
from flask_media import NoImageReturned
from flask_media import OutcomeUnknown
from flask_media import ProviderRefused
from flask_media import RateLimited
from flask_media import StorageError
from flask_media import UploadFailed
from flask_media import current_media
from flask_media import signals
from flask_media.testing import Fake
from flask_media.testing import StrayCallError
from flask_media.testing import draw_picture
from flask_media.testing import fake as make_fake

from .conftest import MakeApp


@pytest.mark.parametrize(
    "error", [ContentBlocked, NoImageReturned, ProviderRefused, OutcomeUnknown, GenerationTimeout]
)
def test_generation_fails_once(fake: Fake, error: type[MediaError]) -> None:
    """The call raises that error, of the job, and the next one gives a picture."""
    fake.fail_generation(error)
    with pytest.raises(error) as caught:
        current_media.generate_and_upload("A boat", "a.png")
    assert caught.value.job_id
    current_media.generate_and_upload("A boat", "a.png")
    assert [type(call.error) for call in fake.calls] == [error, type(None)]


def test_errors_of_ones_own(fake: Fake) -> None:
    """An error is raised with its own values, and as a new one each time."""
    told = ContentBlocked("No boats.", reason="PROHIBITED")
    fake.fail_generation(told, times=2)
    caught = []
    for key in ("a.png", "b.png"):
        with pytest.raises(ContentBlocked, match=r"No boats\.") as one:
            current_media.generate_and_upload("A boat", key)
        caught.append(one.value)
    assert caught[0] is not caught[1]
    assert {error.reason for error in caught} == {"PROHIBITED"}
    assert told.job_id is None


def test_the_service_gives_up(fake: Fake) -> None:
    """What always fails is asked GEMINI_MAX_ATTEMPTS times, in no time."""
    fake.fail_generation(RateLimited("Later.", retry_after=15), times=None)
    with pytest.raises(RateLimited) as caught:
        current_media.generate_and_upload("A boat", "a.png")
    assert caught.value.retry_after == 15
    assert len(fake.calls) == 3
    assert fake.elapsed == 30


def test_the_next_model_takes_over(make_app: MakeApp) -> None:
    """A model that fails gives way to the fallback, as a real one."""
    app = make_app(GEMINI_FALLBACK_MODELS=["gemini-3-pro-image"])
    with app.app_context(), make_fake() as fake:
        fake.fail_generation(RateLimited)
        assert current_media.generate("A boat").model == "gemini-3-pro-image"


@pytest.mark.parametrize(
    "prompt", ["A cat", re.compile("cat"), lambda call: call.prompt.endswith("cat")]
)
def test_by_prompt(fake: Fake, prompt: str) -> None:
    """Only the calls of that prompt fail."""
    fake.fail_generation(ContentBlocked, prompt=prompt, times=None)
    current_media.generate("A boat")
    for _ in range(2):
        with pytest.raises(ContentBlocked):
            current_media.generate("A cat")


def test_by_number(fake: Fake) -> None:
    """Only the n-th call fails."""
    fake.fail_generation(ContentBlocked, on_call=3)
    requests = [{"prompt": f"{n}", "object_key": f"{n}.png"} for n in range(4)]
    results = current_media.generate_many(requests, concurrency=1)
    assert [isinstance(one, ContentBlocked) for one in results] == [False, False, True, False]


def test_in_order(fake: Fake) -> None:
    """Failures happen in the order they were told in."""
    fake.fail_generation(ContentBlocked)
    fake.fail_generation(NoImageReturned)
    for error in (ContentBlocked, NoImageReturned):
        with pytest.raises(error):
            current_media.generate("A boat")
    current_media.generate("A boat")


@pytest.mark.parametrize("damage", ["truncated", "too-large", "not-a-picture"])
def test_processing_fails(fake: Fake, damage: str) -> None:
    """A damaged picture is refused by the real inspection, and was paid for."""
    fake.fail_processing(damage)
    with pytest.raises(InvalidImage) as caught:
        current_media.generate_and_upload("A boat", "a.png")
    assert caught.value.usage is not None
    assert current_media.usage().cost_usd == fake.spent_usd > 0
    fake.assert_nothing_uploaded()


@pytest.mark.parametrize(
    "error", [StorageError, StorageError("Full.", retryable=True), UploadFailed]
)
def test_upload_fails(fake: Fake, error: type[MediaError]) -> None:
    """A failed upload says its job, and resume stores the picture that was paid for."""
    fake.fail_upload(error, key="a.png")
    with pytest.raises(UploadFailed) as caught:
        current_media.generate_and_upload("A boat", "a.png")
    assert caught.value.retryable
    fake.assert_nothing_uploaded()
    current_media.resume(caught.value.job_id or "")
    fake.assert_generated(times=1)
    fake.assert_uploaded("a.png")


def test_a_variant_fails(fake: Fake) -> None:
    """A failure may be of one object of many, by a pattern or the n-th."""
    fake.fail_upload(key=re.compile("small"))
    with pytest.raises(UploadFailed):
        current_media.generate_and_upload("A boat", "a.png", variants={"small": 64})
    fake.assert_uploaded(times=1)
    fake.fail_upload(on_call=2)
    with pytest.raises(UploadFailed):
        current_media.generate_and_upload("A cat", "b.png", variants={"tiny": 16})


def test_what_cannot_happen(fake: Fake) -> None:
    """An error that a stage never raises, or a number that no call has, is refused at once."""
    with pytest.raises(TypeError, match=r"fail_generation got .*UploadFailed"):
        fake.fail_generation(UploadFailed)
    with pytest.raises(TypeError, match="fail_upload got"):
        fake.fail_upload(ContentBlocked)
    with pytest.raises(TypeError, match="fail_generation got"):
        fake.fail_generation(ValueError)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="on_call"):
        fake.fail_generation(ContentBlocked, on_call=0)
    with pytest.raises(ValueError, match="truncated"):
        fake.fail_processing("bad")
    with pytest.raises(TypeError, match="prompt must be"):
        fake.fail_generation(ContentBlocked, prompt=7)  # type: ignore[arg-type]


def test_pictures_of_ones_own(fake: Fake, tmp_path: Path) -> None:
    """The model answers with the test's pictures: for all calls, or for the n-th."""
    mine = draw_picture(40, 30, "mine")
    (tmp_path / "other.png").write_bytes(draw_picture(20, 10))
    fake.answer_with(mine)
    fake.answer_with(tmp_path / "other.png", on_call=2)
    fake.answer_with(io.BytesIO(draw_picture(8, 8)), prompt="A dot")
    current_media.generate("A boat")
    current_media.generate("A boat")
    current_media.generate("A dot")
    current_media.generate("A boat")
    sizes = [Image.open(io.BytesIO(call.data or b"")).size for call in fake.calls]
    assert sizes == [(40, 30), (20, 10), (8, 8), (40, 30)]


def test_latency(make_app: MakeApp) -> None:
    """A slow model makes nobody wait; one that is too slow is a time-out."""
    app = make_app(GEMINI_TIMEOUT=60)
    with app.app_context(), make_fake() as fake:
        fake.latency = 40
        current_media.generate("A boat")
        assert fake.elapsed == 40
        fake.latency = 61
        with pytest.raises(GenerationTimeout):
            current_media.generate("A boat")
        assert fake.elapsed == 100


def test_hold(fake: Fake) -> None:
    """A held job is under way until it is released."""
    with fake.hold("A boat") as held:
        job = current_media.generate_later("A boat", "a.png")
        held.wait()
        assert (job.refresh().status, held.waiting) == ("generating", 1)
        current_media.generate("A cat")
        assert [call.prompt for call in fake.calls] == ["A cat"]
    assert job.result(10).object_key == "a.png"
    assert [call.number for call in fake.calls] == [1, 2]


def test_hold_ends_with_the_fake(make_app: MakeApp) -> None:
    """A hold that is never released keeps no test from ending."""
    with make_app().app_context(), make_fake() as fake:
        held = fake.hold()
        current_media.generate_later("A boat", "a.png")
        held.wait()
    fake.assert_generated(times=1)


def test_hold_of_ones_own_call(fake: Fake) -> None:
    """A test that would wait for itself is told so."""
    with fake.hold(), pytest.raises(AssertionError, match="generate_later"):
        current_media.generate("A boat")
    with fake.hold() as held, pytest.raises(AssertionError, match="0 of 1 calls"):
        held.wait(timeout=0.01)


def test_background_retries(fake: Fake) -> None:
    """A job in the background is tried again at once, however long that would take."""
    fake.fail_generation(RateLimited("Later.", retry_after=3000), times=2)
    assert current_media.generate_later("A boat", "a.png").result(10).object_key == "a.png"
    assert fake.elapsed == 6000


def test_stray(fake: Fake) -> None:
    """After prevent_stray only what was scripted may be asked for, and no except hides it."""
    fake.prevent_stray()
    fake.answer_with(prompt="A boat")

    def swallows() -> None:
        try:
            current_media.generate("A cat")
        except Exception:  # noqa: BLE001 - as careless code does
            pytest.fail("it was swallowed")

    current_media.generate("A boat")
    with pytest.raises(StrayCallError, match="'A cat'"):
        swallows()
    fake.assert_generated(times=1)


def test_stray_in_a_thread(make_app: MakeApp) -> None:
    """In a thread the job fails, and the end of the fake says why."""

    def work() -> None:
        with make_app().app_context(), make_fake() as fake:
            fake.prevent_stray()
            (error,) = current_media.generate_many([{"prompt": "A cat", "object_key": "a.png"}])
            assert "Nothing was scripted" in str(error)

    with pytest.raises(StrayCallError, match="In another thread"):
        work()


def test_signals_of_failures(fake: Fake) -> None:
    """Receivers hear of each failure once, with the error that is raised."""
    heard: list[MediaError] = []

    def receive(sender: object, error: MediaError, **_: object) -> None:
        heard.append(error)

    with signals.generation_failed.connected_to(receive):
        fake.fail_generation(ContentBlocked)
        with pytest.raises(ContentBlocked):
            current_media.generate_and_upload("A boat", "a.png")
    assert [type(error) for error in heard] == [ContentBlocked]
