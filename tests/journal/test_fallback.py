"""Another model in the place of one that is overloaded, gone or over its quota."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_media import ContentBlocked
from flask_media import MediaError
from flask_media import NoImageReturned
from flask_media import OutcomeUnknown
from flask_media import ProviderRefused
from flask_media import ProviderUnavailable
from flask_media import RateLimited
from flask_media import signals
from flask_media.emulator import GeminiEmulator

from .conftest import MakeMedia
from .support import ask
from .support import record

FIRST, SECOND, THIRD = MODELS = (
    "gemini-nano-banana-2.1",
    "gemini-3-pro-image",
    "gemini-2.5-flash-image",
)

Answer = Callable[[dict[str, str]], None]


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("503,after=3600", "ProviderUnavailable"),
        ("500", "ProviderUnavailable"),
        ("429", "RateLimited"),
        ("429-day", "RateLimited"),
        ("429-free", "RateLimited"),
        ("404", "ProviderRefused"),
    ],
)
def test_the_next_model_is_asked(
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    answer_by_model: Answer,
    mode: str,
    error: str,
) -> None:
    """In order and at once; result, signal and row say which model answered, and what the others
    did."""
    answer_by_model({FIRST: mode, SECOND: mode, THIRD: "ok"})
    media = make_media(GEMINI_FALLBACK_MODELS=[SECOND, THIRD])
    heard: list[dict[str, Any]] = []
    with signals.generation_finished.connected_to(lambda sender, **values: heard.append(values)):
        result = ask(media)
    assert [request.model for request in emulator.requests] == list(MODELS)
    assert (result.model, result.attempts) == (THIRD, 3)
    assert [values["image"].model for values in heard] == [THIRD]
    row = record(media, result.job_id)
    said = [(one["model"], one["outcome"], one.get("error")) for one in row.attempts]
    assert said == [
        (FIRST, "refused", error),
        (SECOND, "refused", error),
        (THIRD, "generated", None),
    ]
    assert (row.model, row.paid_calls, row.cost_usd) == (THIRD, 1, result.cost_usd)
    spend = media.usage(by="model")
    assert isinstance(spend, dict)
    assert {name: one.pictures for name, one in spend.items()} == {THIRD: 1}


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("image-safety", ContentBlocked),
        ("prompt-blocked", ContentBlocked),
        ("400-safety", ContentBlocked),
        ("400", ProviderRefused),
        ("403", ProviderRefused),
        ("reset", OutcomeUnknown),
        ("truncate", OutcomeUnknown),
        ("504", OutcomeUnknown),
        ("text-only", NoImageReturned),
    ],
)
def test_no_other_model_is_asked(
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    answer_by_model: Answer,
    mode: str,
    error: type[MediaError],
) -> None:
    """What was blocked, refused, cut off or answered is not asked of another model."""
    answer_by_model({FIRST: mode, SECOND: "ok"})
    with pytest.raises(error):
        ask(make_media(GEMINI_FALLBACK_MODELS=[SECOND]))
    assert [request.model for request in emulator.requests] == [FIRST]


def test_a_block_by_the_second_model_ends_it(
    make_media: MakeMedia, emulator: GeminiEmulator, answer_by_model: Answer
) -> None:
    """The rule holds for each model of the list."""
    answer_by_model({FIRST: "503", SECOND: "image-safety", THIRD: "ok"})
    with pytest.raises(ContentBlocked) as caught:
        ask(make_media(GEMINI_FALLBACK_MODELS=[SECOND, THIRD]))
    assert caught.value.model == SECOND
    assert emulator.calls == 2


def test_all_calls_count(
    make_media: MakeMedia, emulator: GeminiEmulator, answer_by_model: Answer
) -> None:
    """GEMINI_MAX_ATTEMPTS bounds the calls over all models; the last model is asked again."""
    answer_by_model({FIRST: "503", SECOND: "429-day", THIRD: "ok"})
    media = make_media(GEMINI_FALLBACK_MODELS=[SECOND, THIRD], GEMINI_MAX_ATTEMPTS=2)
    with pytest.raises(RateLimited):
        ask(media)
    assert [request.model for request in emulator.requests] == [FIRST, SECOND]
    emulator.reset()
    answer_by_model({FIRST: "404", SECOND: "503,after=0"})
    with pytest.raises(ProviderUnavailable):
        ask(make_media(GEMINI_FALLBACK_MODELS=[SECOND], GEMINI_MAX_ATTEMPTS=4))
    assert [request.model for request in emulator.requests] == [FIRST, SECOND, SECOND, SECOND]


def test_the_last_model_gone_is_the_end(
    make_media: MakeMedia, emulator: GeminiEmulator, answer_by_model: Answer
) -> None:
    """With no model left, its own error is raised."""
    answer_by_model({FIRST: "503", SECOND: "404"})
    with pytest.raises(ProviderRefused) as caught:
        ask(make_media(GEMINI_FALLBACK_MODELS=[SECOND]))
    assert (caught.value.model, emulator.calls) == (SECOND, 2)


def test_a_budget_holds_for_the_dearer_model(
    make_media: MakeMedia, emulator: GeminiEmulator, answer_by_model: Answer
) -> None:
    """A model that does not fit in the budget is not asked, and is no attempt."""
    answer_by_model({FIRST: "503", SECOND: "ok"})
    media = make_media(GEMINI_FALLBACK_MODELS=[SECOND], MEDIA_BUDGET_USD_PER_DAY="0.1")
    with pytest.raises(MediaError, match="MEDIA_BUDGET_USD_PER_DAY") as caught:
        ask(media)
    assert emulator.calls == 1
    assert [one["model"] for one in record(media, caught.value.job_id).attempts] == [FIRST]
