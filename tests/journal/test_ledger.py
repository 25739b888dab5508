"""The ledger of a day agrees with the jobs, whatever becomes of budgets and prices."""

from __future__ import annotations

from decimal import Decimal

import pytest

from flask_media import BudgetExceeded
from flask_media import ImageGenerationConfig
from flask_media import MediaService
from flask_media import OutcomeUnknown
from flask_media.emulator import MODES
from flask_media.emulator import Ask
from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply
from flask_media.journal.spend import Spend

from .conftest import MakeMedia
from .support import ask
from .support import record
from .support import sql

PRICE = Decimal("0.034")
"""What a call of the default model is expected to cost."""

APP, SPENDER = "MEDIA_BUDGET_USD_PER_DAY", "MEDIA_BUDGET_USD_PER_USER_PER_DAY"


def _ledger(url: str) -> dict[str, Decimal]:
    rows = sql(url, "SELECT spender, nano FROM media_spend")
    return {spender: Decimal(nano) / 10**9 for spender, nano in rows}


def _total(media: MediaService) -> Decimal:
    spend = media.usage()
    assert isinstance(spend, Spend)
    return spend.cost_usd + spend.possible_usd


@pytest.mark.parametrize(("key", "whose"), [(APP, ""), (SPENDER, "ada")])
def test_what_was_spent_without_the_budget_counts_when_it_is_set_again(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str, key: str, whose: str
) -> None:
    """A budget that was unset for a while has no stale total: all of the day is spent of it."""
    ask(make_media(**{key: 1}), object_key="goals/1.png", spender="ada")
    between = make_media()
    ask(between, object_key="goals/2.png", spender="ada")
    emulator.script("reset")
    with pytest.raises(OutcomeUnknown):
        ask(between, object_key="goals/3.png", spender="ada")
    spent = _total(between)
    with pytest.raises(BudgetExceeded) as caught:
        ask(make_media(**{key: spent + PRICE / 2}), object_key="goals/4.png", spender="ada")
    assert caught.value.spent_usd == spent
    media = make_media(**{key: spent + PRICE})
    result = ask(media, object_key="goals/4.png", spender="ada")
    assert result.cost_usd
    assert _ledger(journal_url) == {whose: spent + result.cost_usd}
    assert _total(media) == spent + result.cost_usd
    assert emulator.calls == 4


def test_a_budget_that_stays_keeps_its_total(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str
) -> None:
    """Unsetting one of the two budgets forgets the totals of that one alone."""
    ask(make_media(**{APP: 1, SPENDER: 1}), object_key="goals/1.png", spender="ada")
    assert set(_ledger(journal_url)) == {"", "ada"}
    media = make_media(**{APP: 1})
    ask(media, object_key="goals/2.png", spender="ada")
    assert _ledger(journal_url) == {"": _total(media)}
    media = make_media(**{SPENDER: 1})
    ask(media, object_key="goals/3.png", spender="ada")
    assert _ledger(journal_url) == {"ada": _total(media)}
    assert emulator.calls == 3


def _without_usage(counts: dict[str, object]) -> None:
    counts.clear()


def _without_split(counts: dict[str, object]) -> None:
    del counts["candidatesTokensDetails"]


@pytest.mark.parametrize("cut", [_without_usage, _without_split])
def test_a_picture_without_a_cost_counts_as_expected(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str, cut: object
) -> None:
    """Where the answer does not say what it used, the expected price stays counted, in both."""

    @emulator.handler
    def unpriced(request: Ask) -> Reply:
        reply = MODES["ok"](request)
        assert callable(cut)
        cut(reply.body["usageMetadata"])
        return reply

    media = make_media(**{APP: PRICE * 3 / 2, SPENDER: 1})
    result = ask(media, spender="ada")
    assert result.cost_usd is None
    spend = media.usage()
    assert (spend.pictures, spend.unpriced, spend.cost_usd) == (1, 1, Decimal(0))
    assert spend.possible_usd == PRICE
    assert record(media, result.job_id).risk_usd == PRICE
    assert _ledger(journal_url) == {"": PRICE, "ada": PRICE}
    with pytest.raises(BudgetExceeded) as caught:
        ask(media, object_key="goals/8.png")
    assert caught.value.spent_usd == PRICE
    assert emulator.calls == 1


def test_a_budget_set_later_counts_pictures_without_a_cost(
    make_media: MakeMedia, emulator: GeminiEmulator
) -> None:
    """What was expected of them is on their rows, also where no budget was set at the time."""

    @emulator.handler
    def unpriced(request: Ask) -> Reply:
        reply = MODES["ok"](request)
        del reply.body["usageMetadata"]
        return reply

    ask(make_media())
    with pytest.raises(BudgetExceeded) as caught:
        ask(make_media(**{APP: PRICE * 3 / 2}), object_key="goals/8.png")
    assert caught.value.spent_usd == PRICE


def test_a_job_that_is_asked_again_another_day_counts_on_that_day(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str
) -> None:
    """All that a job came to is of the day of its last call, in usage by day."""
    emulator.script("reset")
    media = make_media()
    with pytest.raises(OutcomeUnknown):
        ask(media)
    sql(journal_url, "UPDATE media_jobs SET day = '2026-01-01'")
    assert set(media.usage(by="day")) == {"2026-01-01"}
    result = ask(media)
    assert result.cost_usd
    ((day, spend),) = media.usage(by="day").items()
    assert day != "2026-01-01"
    assert (spend.cost_usd, spend.possible_usd) == (result.cost_usd, PRICE)


def test_a_model_of_another_price_is_counted_at_its_own(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str
) -> None:
    """Each picture is in the ledger with what it cost, whichever model drew it."""
    media = make_media(**{APP: 5})
    other = ImageGenerationConfig(model="gemini-3-pro-image")
    costs = [ask(media).cost_usd, ask(media, config=other, object_key="goals/8.png").cost_usd]
    assert costs[0] != costs[1]
    assert _ledger(journal_url) == {"": sum(cost for cost in costs if cost)}


def test_usage_of_one_spender_counts_nobody_elses(make_media: MakeMedia) -> None:
    """Each spender's sums hold their own pictures alone, in all and by day."""
    media = make_media()
    mine = ask(media, object_key="goals/1.png", spender="ada")
    ask(media, object_key="goals/2.png", spender="bob")
    ask(media, object_key="goals/3.png")
    spend = media.usage(spender="ada")
    assert (spend.pictures, spend.cost_usd) == (1, mine.cost_usd)
    assert list(media.usage(by="day", spender="ada").values()) == [spend]
    assert media.usage().pictures == 3
    assert media.usage(spender="carol").jobs == 0
    assert media.usage(by="day", spender="carol") == {}
