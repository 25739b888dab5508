"""Calls that were cut off: reported, counted, and bought again only as it is allowed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from flask_media import ContentBlocked
from flask_media import GeneratedImage
from flask_media import GenerationTimeout
from flask_media import InvalidImage
from flask_media import MediaResult
from flask_media import NotFound
from flask_media import OutcomeUnknown
from flask_media import ProviderUnavailable
from flask_media import RateLimited
from flask_media import UploadFailed
from flask_media import signals
from flask_media.emulator import Ask
from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply
from flask_media.emulator.pictures import make_picture
from flask_media.journal.spend import Spend
from flask_media.service import MediaService

from .conftest import MakeMedia
from .support import Gate
from .support import ask
from .support import record
from .support import sql

Block = Callable[[], contextlib.AbstractContextManager[None]]

PRICE = Decimal("0.034")
"""What one call of the default model is expected to cost."""

UNREADABLE = (
    b'{"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", '
    b'"data": "iVBORw0K@@@"}}]}}], "usageMetadata": {"promptTokenCount": 7}}'
)
"""An answer whose base64 can't be decoded."""


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("reset", OutcomeUnknown),
        ("close", OutcomeUnknown),
        ("truncate", OutcomeUnknown),
        ("bad-json", OutcomeUnknown),
        ("hang", GenerationTimeout),
        ("drip,steps=100,pause=0.1", GenerationTimeout),
        ("504", GenerationTimeout),
    ],
)
def test_what_is_cut_off_is_unknown(
    make_media: MakeMedia, emulator: GeminiEmulator, mode: str, expected: type[OutcomeUnknown]
) -> None:
    """One call, an error that names the job, and a row that says it may have been paid."""
    emulator.script(mode)
    media = make_media(GEMINI_TIMEOUT=0.5 if mode.startswith(("hang", "drip")) else 30)
    with pytest.raises(expected) as caught:
        ask(media)
    assert type(caught.value) is expected
    row = record(media, caught.value.job_id)
    assert (row.state, row.paid_calls, row.risk_usd, row.cost_usd) == ("unknown", 1, PRICE, None)
    (attempt,) = row.attempts
    assert (attempt["outcome"], attempt["error"]) == ("unknown", expected.__name__)
    spend = media.usage()
    assert isinstance(spend, Spend)
    assert (spend.possible_usd, spend.cost_usd) == (PRICE, Decimal(0))
    assert emulator.calls == 1
    assert ask(make_media()).job_id == caught.value.job_id
    assert emulator.calls == 2


def test_charges_are_bounded_over_all_askings(
    make_media: MakeMedia, emulator: GeminiEmulator
) -> None:
    """GEMINI_MAX_ATTEMPTS bounds what may have been paid for a picture, whoever asks for it."""
    emulator.default_mode = "reset"
    jobs = set()
    for number, retryable in enumerate((True, True, False, False, False), start=1):
        with pytest.raises(OutcomeUnknown) as caught:
            ask(make_media())
        assert caught.value.retryable is retryable
        jobs.add(caught.value.job_id)
        assert emulator.calls == min(number, 3)
    assert len(jobs) == 1
    (error,) = make_media().resume_all()
    assert isinstance(error, OutcomeUnknown)
    assert emulator.calls == 3


def test_refused_calls_do_not_count_later(make_media: MakeMedia, emulator: GeminiEmulator) -> None:
    """429 and 503 use up the calls of their asking alone; what was cut off counts for ever."""
    media = make_media(GEMINI_MAX_ATTEMPTS=2)
    script = ("503,after=0", "503,after=0", "503,after=0", "reset", "429,retry=100", "503,after=0")
    emulator.script(*script, "reset")
    expected = [ProviderUnavailable, OutcomeUnknown, RateLimited, ProviderUnavailable]
    for error in expected:
        with pytest.raises(error):
            ask(media)
    with pytest.raises(OutcomeUnknown) as caught:
        ask(media)
    row = record(media, caught.value.job_id)
    outcomes = [attempt["outcome"] for attempt in row.attempts]
    assert outcomes == ["refused", "unknown", "refused", "refused", "unknown"]
    assert row.paid_calls == 2
    with pytest.raises(OutcomeUnknown):
        ask(media)
    assert emulator.calls == len(script) + 1


@pytest.mark.parametrize("key", ["order-1", None])
def test_raise_buys_only_when_told(
    make_media: MakeMedia, emulator: GeminiEmulator, key: str | None
) -> None:
    """With MEDIA_ON_UNKNOWN=raise no asking and no resume buys again, but resume(buy=True) does."""
    emulator.script("reset")
    for _ in range(3):
        with pytest.raises(OutcomeUnknown) as caught:
            ask(make_media(MEDIA_ON_UNKNOWN="raise"), idempotency_key=key)
        assert not caught.value.retryable
    media = make_media(MEDIA_ON_UNKNOWN="raise")
    job_id = caught.value.job_id
    assert job_id
    with pytest.raises(OutcomeUnknown):
        media.resume(job_id)
    assert [type(error) for error in media.resume_all()] == [OutcomeUnknown]
    assert emulator.calls == 1
    result = media.resume(job_id, buy=True)
    assert isinstance(result, MediaResult)
    assert (result.job_id, result.attempts, emulator.calls) == (job_id, 2, 2)
    row = record(media, job_id)
    assert (row.state, row.paid_calls, row.risk_usd) == ("done", 2, PRICE)


def test_buy_is_one_more_call(make_media: MakeMedia, emulator: GeminiEmulator) -> None:
    """Each resume(buy=True) allows one charge beyond the bound."""
    emulator.default_mode = "reset"
    media = make_media(GEMINI_MAX_ATTEMPTS=1)
    with pytest.raises(OutcomeUnknown) as caught:
        ask(media)
    for calls in (2, 3):
        with pytest.raises(OutcomeUnknown):
            media.resume(caught.value.job_id or "", buy=True)
        assert emulator.calls == calls
    emulator.default_mode = "ok"
    with pytest.raises(OutcomeUnknown):
        ask(media)
    assert emulator.calls == 3


def test_resume_of_each_state(
    make_media: MakeMedia, emulator: GeminiEmulator, blocked_storage: Block, journal_url: str
) -> None:
    """resume() goes on where the job stands, and says what became of it if it is finished."""
    media = make_media()
    with pytest.raises(NotFound):
        media.resume("0" * 32)

    with blocked_storage(), pytest.raises(UploadFailed) as failed:
        ask(media)
    generated = failed.value.job_id or ""
    assert record(media, generated).state == "generated"
    done = media.resume(generated)
    assert isinstance(done, MediaResult)
    assert media.exists(done.object_key)
    assert not done.cached

    again = media.resume(generated)
    assert isinstance(again, MediaResult)
    assert again.cached
    assert again.url == done.url
    assert emulator.calls == 1

    # Its process ended before the last signal: that is sent, and nothing else done.
    sql(journal_url, "UPDATE media_jobs SET state = 'uploaded', owner = 'x 1 1', lease_until = 0")
    heard = []
    with signals.upload_finished.connected_to(lambda sender, **values: heard.append(values)):
        told = media.resume(generated)
    assert [values["job_id"] for values in heard] == [generated]
    assert isinstance(told, MediaResult)
    assert told.url == done.url
    assert record(media, generated).state == "done"

    # Its process ended before the call that it was about to make again.
    sql(journal_url, "UPDATE media_jobs SET state = 'requested', owner = NULL")
    assert isinstance(media.resume(generated), MediaResult)
    assert emulator.calls == 2

    for mode, error in (("image-safety", ContentBlocked), ("bad-image", InvalidImage)):
        emulator.script(mode)
        with pytest.raises(error) as refused:
            ask(media)
        for buy in (False, True):
            with pytest.raises(error) as same:
                media.resume(refused.value.job_id or "", buy=buy)
            assert str(same.value) == str(refused.value)
    assert emulator.calls == 4

    emulator.script("text-only")
    with pytest.raises(Exception, match="sent no picture") as passing:
        ask(media)
    assert isinstance(media.resume(passing.value.job_id), MediaResult)  # type: ignore[attr-defined]
    assert emulator.calls == 6


def test_generate_can_be_resumed(media: MediaService, emulator: GeminiEmulator) -> None:
    """A cut-off generate() is asked again by its job, not by the next equal one."""
    emulator.script("reset")
    with pytest.raises(OutcomeUnknown) as caught:
        media.generate("A house")
    assert media.generate("A house").job_id != caught.value.job_id
    image = media.resume(caught.value.job_id or "")
    assert isinstance(image, GeneratedImage)
    assert image.job_id == caught.value.job_id
    assert media.journal.picture(image.job_id) is None
    with pytest.raises(NotFound, match="handed out"):
        media.resume(image.job_id)
    assert emulator.calls == 3


def test_resume_all_reports_each_job(
    make_media: MakeMedia, emulator: GeminiEmulator, blocked_storage: Block
) -> None:
    """resume_all() gives a result or an error for each unfinished job, and raises for none."""
    media = make_media(MEDIA_ON_UNKNOWN="raise")
    jobs = []
    with blocked_storage(), pytest.raises(UploadFailed) as failed:
        ask(media, object_key="goals/1.png")
    jobs.append(failed.value.job_id)
    emulator.script("reset", "reset", "bad-image", "403")
    with pytest.raises(OutcomeUnknown) as unknown:
        ask(media, object_key="goals/2.png")
    jobs.append(unknown.value.job_id)
    with pytest.raises(OutcomeUnknown) as returned:
        media.generate("A house")
    jobs.append(returned.value.job_id)
    for number in (3, 4):
        with pytest.raises(Exception, match=r"gemini|no known picture"):
            ask(media, object_key=f"goals/{number}.png")
    ask(media, object_key="goals/5.png")
    outcomes = media.resume_all()
    assert [outcome.job_id for outcome in outcomes] == jobs
    assert [type(outcome) for outcome in outcomes] == [MediaResult, OutcomeUnknown, OutcomeUnknown]
    assert emulator.calls == 6
    with blocked_storage(), pytest.raises(UploadFailed):
        ask(media, object_key="goals/6.png")
    emulator.default_mode = "403"
    outcomes = media.resume_all()
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown, MediaResult]
    assert emulator.calls == 7


def test_many_may_resume_all_at_once(
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    blocked_storage: Block,
    gate: Gate,
    threads: ThreadPoolExecutor,
) -> None:
    """Services that resume at the same time finish each job once."""
    media = make_media()
    with blocked_storage():
        keys = [f"goals/{number}.png" for number in range(16)]
        askings = [threads.submit(ask, media, prompt=key, object_key=key) for key in keys]
        for _ in keys:
            gate.arrived()
        gate.open()
        assert all(isinstance(asking.exception(), UploadFailed) for asking in askings)
    services = [make_media() for _ in range(4)]
    stored = []
    with signals.upload_finished.connected_to(lambda sender, **values: stored.append(values)):
        outcomes = [
            outcome
            for results in threads.map(MediaService.resume_all, services)
            for outcome in results
        ]
    assert all(isinstance(outcome, MediaResult) for outcome in outcomes)
    assert sorted(values["object_key"] for values in stored) == sorted(keys)
    assert all(media.exists(key) for key in keys)
    assert emulator.calls == 16


@pytest.mark.parametrize("mode", ["half-image", "bad-image", "bad-base64"])
def test_what_is_no_picture_is_kept(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str, mode: str
) -> None:
    """An answer that can't be used stays in the journal byte for byte, and is not asked again."""
    whole = make_picture("image/png", 1024, 1024, 0)
    kept = {
        "half-image": whole[: len(whole) // 2],
        "bad-image": b"not a png",
        "bad-base64": UNREADABLE,
    }[mode]
    if mode == "bad-base64":

        @emulator.handler
        def unreadable(_: Ask) -> Reply:
            return Reply(raw=UNREADABLE)

    emulator.default_mode = mode
    media = make_media()
    with pytest.raises(InvalidImage) as caught:
        ask(media, idempotency_key="order-1")
    job_id = caught.value.job_id
    assert job_id
    row = record(media, job_id)
    assert (row.state, row.paid_calls) == ("quarantined", 1)
    assert len(row.attempts) == 1
    assert "outcome" in row.attempts[0]
    assert make_media().journal.picture(job_id) == kept
    with pytest.raises(InvalidImage) as again:
        ask(make_media(), idempotency_key="order-1")
    assert str(again.value) == str(caught.value)
    assert again.value.job_id == job_id
    assert again.value.usage == caught.value.usage
    assert media.resume_all() == []
    assert emulator.calls == 1
    reserved = sql(journal_url, "SELECT reserved_nano FROM media_jobs")
    assert [nano for (nano,) in reserved] == [0]
