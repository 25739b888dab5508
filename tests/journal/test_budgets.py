"""What may be spent in a day, and what was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from decimal import Decimal

import pytest

from flask_media import BudgetExceeded
from flask_media import ContentBlocked
from flask_media import ImageGenerationConfig
from flask_media import InvalidImage
from flask_media import InvalidRequest
from flask_media import MediaError
from flask_media import MediaResult
from flask_media import NoImageReturned
from flask_media import NotConfigured
from flask_media import OutcomeUnknown
from flask_media import ProviderUnavailable
from flask_media.emulator import GeminiEmulator
from flask_media.errors import AnswerError
from flask_media.journal.spend import Spend
from flask_media.service import MediaService

from .conftest import MakeMedia
from .support import Gate
from .support import ask
from .support import record
from .support import sql

TOKENS = Decimal("0.000012")
"""What the tokens of the emulator's answers without a picture cost, at the model's price."""

PRICE = Decimal("0.034")
"""What a call of the default model is expected to cost, and reserved for it."""

FIVE = "0.18"
"""US dollars that five calls fit in, and no sixth, by what they cost and by what is expected."""


def _ledger(url: str) -> dict[str, Decimal]:
    """The running totals of today, by spender."""
    rows = sql(url, "SELECT spender, nano FROM media_spend WHERE day = :day", day=_today())
    return {spender: Decimal(nano) / 10**9 for spender, nano in rows}


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _all(media: MediaService) -> Spend:
    spend = media.usage()
    assert isinstance(spend, Spend)
    return spend


@pytest.mark.parametrize("spender", ["user-7", None])
def test_two_hundred_at_once_and_money_for_five(
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    threads: ThreadPoolExecutor,
    spender: str | None,
) -> None:
    """Exactly five calls; the others learn the limit, what is spent, and when it starts anew."""
    emulator.latency = 0.2
    key = "MEDIA_BUDGET_USD_PER_USER_PER_DAY" if spender else "MEDIA_BUDGET_USD_PER_DAY"
    services = [make_media(**{key: FIVE}) for _ in range(4)]

    def one(number: int) -> MediaResult | MediaError:
        try:
            return ask(
                services[number % 4],
                prompt=f"House {number}",
                object_key=f"{number}.png",
                spender=spender,
            )
        except MediaError as error:
            return error

    outcomes = list(threads.map(one, range(200)))
    errors = [outcome for outcome in outcomes if isinstance(outcome, MediaError)]
    assert emulator.calls == 5
    assert {type(error) for error in errors} == {BudgetExceeded}
    assert len(errors) == 195
    midnight = datetime.fromisoformat(_today()).replace(tzinfo=UTC) + timedelta(days=1)
    for error in errors:
        assert isinstance(error, BudgetExceeded)
        assert error.limit_usd == Decimal(FIVE)
        assert error.spent_usd is not None
        assert Decimal(FIVE) - PRICE < error.spent_usd <= Decimal(FIVE)
        assert error.resets_at == midnight
        assert error.spender == spender
        assert error.retryable
    spend = _all(services[0])
    assert (spend.jobs, spend.pictures, spend.possible_usd) == (5, 5, Decimal(0))


def test_reserved_then_captured(
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    gate: Gate,
    threads: ThreadPoolExecutor,
    journal_url: str,
) -> None:
    """During the call its expected price is taken, after it the price that it had."""
    media = make_media(MEDIA_BUDGET_USD_PER_DAY=1, MEDIA_BUDGET_USD_PER_USER_PER_DAY="0.5")
    asking = threads.submit(ask, media, spender="user-7")
    gate.arrived()
    assert _ledger(journal_url) == {"": PRICE, "user-7": PRICE}
    assert _all(media).possible_usd == PRICE
    gate.open()
    result = asking.result()
    assert result.cost_usd
    assert _ledger(journal_url) == {"": result.cost_usd, "user-7": result.cost_usd}
    assert (_all(media).cost_usd, _all(media).possible_usd) == (result.cost_usd, Decimal(0))


@pytest.mark.parametrize(
    ("mode", "error", "kept"),
    [
        ("503,after=3600", ProviderUnavailable, Decimal(0)),
        ("image-safety", ContentBlocked, TOKENS),
        ("reset", OutcomeUnknown, PRICE),
        ("504", OutcomeUnknown, PRICE),
        ("text-only", NoImageReturned, TOKENS),
        ("bad-base64", InvalidImage, PRICE),
    ],
)
def test_released_or_kept(
    *,
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    journal_url: str,
    mode: str,
    error: type[MediaError],
    kept: Decimal,
) -> None:
    """A refusal gives back what was reserved; what may have been charged stays counted, by the
    tokens of an answer that says them."""
    emulator.script(mode)
    media = make_media(MEDIA_BUDGET_USD_PER_DAY=1)
    with pytest.raises(error) as caught:
        ask(media)
    assert _ledger(journal_url) == {"": kept}
    assert _all(media).possible_usd == kept
    if kept == TOKENS:
        assert isinstance(caught.value, AnswerError)
        assert caught.value.cost_usd == TOKENS
        used = record(media, caught.value.job_id).attempts[-1]["usage"]
        assert used["input_tokens"] == 8


def test_calls_made_again_count_each(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str
) -> None:
    """Each call is reserved for itself: a refused one between gives back its own."""
    emulator.script("503,after=0", "reset")
    media = make_media(MEDIA_BUDGET_USD_PER_DAY="0.08")
    with pytest.raises(OutcomeUnknown):
        ask(media)
    assert _ledger(journal_url) == {"": PRICE}
    result = ask(media)
    assert result.cost_usd
    assert _ledger(journal_url) == {"": PRICE + result.cost_usd}
    with pytest.raises(BudgetExceeded):
        ask(media)
    assert emulator.calls == 3


def test_an_unknown_job_without_money_stays_unknown(
    make_media: MakeMedia, emulator: GeminiEmulator
) -> None:
    """A cut-off call counts for its picture also after an asking that the budget refused."""
    emulator.script("reset")
    with pytest.raises(OutcomeUnknown) as unknown:
        ask(make_media())
    with pytest.raises(BudgetExceeded):
        ask(make_media(MEDIA_BUDGET_USD_PER_DAY="0.05"))
    result = ask(make_media())
    assert (result.job_id, result.attempts) == (unknown.value.job_id, 2)
    assert emulator.calls == 2


def test_a_budget_set_later_counts_what_was_before(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str
) -> None:
    """What the app and a spender spent before there was a budget is spent of it."""
    ask(make_media(), spender="user-7")
    emulator.script("reset")
    with pytest.raises(OutcomeUnknown):
        ask(make_media(), spender="user-8")
    spend = _all(make_media())
    spent = spend.cost_usd + spend.possible_usd
    media = make_media(MEDIA_BUDGET_USD_PER_DAY=spent + PRICE / 2)
    with pytest.raises(BudgetExceeded) as caught:
        ask(media, object_key="goals/8.png")
    assert caught.value.spent_usd == spent
    media = make_media(MEDIA_BUDGET_USD_PER_USER_PER_DAY=PRICE * 3 / 2)
    for spender in ("user-7", "user-8"):
        with pytest.raises(BudgetExceeded) as caught:
            ask(media, object_key="goals/9.png", spender=spender)
        assert caught.value.spender == spender
    assert ask(media, object_key="goals/9.png", spender="user-9").model
    assert emulator.calls == 3


@pytest.mark.parametrize("key", ["MEDIA_BUDGET_USD_PER_DAY", "MEDIA_BUDGET_USD_PER_USER_PER_DAY"])
@pytest.mark.parametrize("spender", ["user-7", None])
@pytest.mark.filterwarnings("ignore:.*not in the table")
def test_no_price_no_budget(
    make_media: MakeMedia, emulator: GeminiEmulator, key: str, spender: str | None
) -> None:
    """With a budget, a model whose price is not known is refused before anything is paid."""
    media = make_media(**{key: 1})
    unknown = ImageGenerationConfig(model="gemini-9-image")
    with pytest.raises(NotConfigured, match="gemini-9-image"):
        ask(media, config=unknown, spender=spender)
    assert emulator.calls == 0
    assert ask(make_media(), config=unknown).cost_usd is None
    assert _all(media).unpriced == 1


def test_the_budget_of_one_is_not_that_of_another(
    make_media: MakeMedia, emulator: GeminiEmulator
) -> None:
    """Spenders don't share a budget, and nobody in particular has none."""
    media = make_media(MEDIA_BUDGET_USD_PER_USER_PER_DAY="0.04")
    ask(media, spender="user-7")
    with pytest.raises(BudgetExceeded):
        ask(media, spender="user-7")
    ask(media, spender="user-8")
    ask(media)
    ask(media)
    assert emulator.calls == 4


@pytest.mark.parametrize(
    ("spender", "words"),
    [
        ("", r"spender is ''; .* as str\(user\.id\)"),
        ("x" * 256, "spender is 'xxx.*1 to 255 characters"),
        (7, r"spender is 7; .* as str\(user\.id\)"),
        ("a\0b", "spender has U\\+0000 at position 1"),
    ],
)
def test_bad_spenders_are_refused(
    media: MediaService, emulator: GeminiEmulator, spender: object, words: str
) -> None:
    """A spender is text of 1 to 255 characters: the value and the fix are named."""
    with pytest.raises(InvalidRequest, match=words):
        ask(media, spender=spender)
    assert emulator.calls == 0


def test_usage_is_what_was_called(make_media: MakeMedia, emulator: GeminiEmulator) -> None:
    """The sums by day, model and spender agree with the calls and the results."""
    media = make_media()
    other = ImageGenerationConfig(model="gemini-3-pro-image")
    started = datetime.now(UTC)
    results = [
        ask(media, spender="user-7"),
        ask(media, spender="user-7", config=other),
        ask(media, config=other),
    ]
    emulator.script("text-only", "403")
    for _ in range(2):
        with pytest.raises(MediaError):
            ask(media, spender="user-8")
    costs = [result.cost_usd or Decimal(0) for result in results]
    total = _all(media)
    assert emulator.calls == total.jobs == 5
    assert (total.pictures, total.unpriced) == (3, 0)
    assert (total.cost_usd, total.possible_usd) == (sum(costs), TOKENS)
    by_day, by_model, by_spender = (media.usage(by=by) for by in ("day", "model", "spender"))
    assert isinstance(by_day, dict)
    assert isinstance(by_model, dict)
    assert isinstance(by_spender, dict)
    assert by_day == {_today(): total}
    assert by_model["gemini-nano-banana-2.1"].cost_usd == costs[0]
    assert by_model["gemini-3-pro-image"].cost_usd == costs[1] + costs[2]
    assert by_spender["user-7"].cost_usd == costs[0] + costs[1]
    assert by_spender["user-8"].possible_usd == TOKENS
    assert by_spender[""].pictures == 1
    assert media.usage(since=started) == total
    empty = media.usage(since=datetime.now(UTC) + timedelta(seconds=1))
    assert isinstance(empty, Spend)
    assert (empty.jobs, empty.cost_usd) == (0, Decimal(0))
    with pytest.raises(InvalidRequest, match="by is"):
        media.usage(by="week")


def test_each_day_has_its_own_money(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str
) -> None:
    """What was spent yesterday is not spent of today's budget, and is summed under its day."""
    media = make_media(MEDIA_BUDGET_USD_PER_DAY="0.04", MEDIA_BUDGET_USD_PER_USER_PER_DAY="0.04")
    ask(media, spender="user-7")
    with pytest.raises(BudgetExceeded):
        ask(media, spender="user-7")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    sql(journal_url, "UPDATE media_spend SET day = :day", day=yesterday)
    sql(
        journal_url,
        "UPDATE media_jobs SET day = :day, created_at = created_at - 86400",
        day=yesterday,
    )
    ask(media, spender="user-7")
    with pytest.raises(BudgetExceeded):
        ask(media, spender="user-7")
    by_day = media.usage(by="day")
    assert isinstance(by_day, dict)
    assert {day: spend.pictures for day, spend in by_day.items()} == {yesterday: 1, _today(): 1}
    today = media.usage(since=datetime.now(UTC).date())
    assert isinstance(today, Spend)
    assert today.pictures == 1
    assert emulator.calls == 2
