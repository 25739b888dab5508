"""Unfinished work that is ordered again: whose it is then, what it costs, and how it is stored."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from flask_media import BudgetExceeded
from flask_media import MediaError
from flask_media import ObjectExists
from flask_media import OutcomeUnknown
from flask_media import UploadFailed
from flask_media.emulator import GeminiEmulator
from flask_media.journal.spend import Spend
from flask_media.service import MediaService
from flask_media.values import Terms
from flask_media.values import Wanted

from ..journal.conftest import MakeMedia
from ..journal.halting import Halting
from ..journal.support import Gate
from ..journal.support import record
from ..journal.support import sql
from .conftest import Start
from .support import SMALL
from .support import later

TIMEOUT = 30

PRICE = Decimal("0.034")
"""What a call of the default model is expected to cost."""

Blocked = Callable[[], contextlib.AbstractContextManager[None]]

pytestmark = pytest.mark.parametrize("journal_url", ["sqlite"], indirect=True)


def _now(media: MediaService, number: int = 0, **values: Any) -> None:
    arguments: dict[str, Any] = {"prompt": f"House {number}", "config": SMALL}
    media.generate_and_upload(object_key=f"houses/{number}.png", **arguments | values)


def _hold(emulator: GeminiEmulator) -> Gate:
    """Holds back the answers from now on."""
    gate = Gate()
    emulator.handler(lambda _: gate.hold())
    return gate


def _cut_off(media: MediaService, emulator: GeminiEmulator, **values: Any) -> str:
    """The id of a job whose only call was cut off, in a view."""
    emulator.script("reset")
    with pytest.raises(OutcomeUnknown) as caught:
        _now(media, **values)
    return str(caught.value.job_id)


def _not_stored(media: MediaService, blocked: Blocked, **values: Any) -> str:
    """The id of a job whose picture is paid for and could not be stored, in a view."""
    with blocked(), pytest.raises(UploadFailed) as caught:
        _now(media, **values)
    return str(caught.value.job_id)


@pytest.mark.parametrize("step", ["generated", "failed"])
def test_it_waits_as_one_that_has_no_error(
    make_media: MakeMedia, emulator: GeminiEmulator, blocked_storage: Blocked, step: str
) -> None:
    """A job that was let go with an error, and waits in a queue that ends, is the next one's."""
    media, key = make_media(MEDIA_QUEUE_THREADS=1), None
    if step == "generated":
        job_id = _not_stored(media, blocked_storage)
    else:
        key = "one"
        emulator.script(*["503,after=0"] * 3)
        with pytest.raises(MediaError) as caught:
            _now(media, idempotency_key=key)
        job_id = str(caught.value.job_id)
    assert (record(media, job_id).state, record(media, job_id).owner) == (step, None)
    gate = _hold(emulator)
    busy = later(media, 1)
    gate.arrived()
    assert later(media, 0, idempotency_key=key).id == job_id
    assert record(media, job_id).owner is not None
    closing = threading.Thread(target=media.close)
    closing.start()
    assert media.journal.until(job_id, lambda row: row.owner is None, timeout=TIMEOUT)
    assert record(media, job_id).error is None
    gate.open()
    closing.join(TIMEOUT)
    other = make_media()
    other.work()
    assert other.job(job_id).result(TIMEOUT).object_key == "houses/0.png"
    assert other.job(busy.id).status == "done"


def test_joined_to_a_view_it_is_the_queues_too(
    make_media: MakeMedia,
    halting: Callable[..., Halting],
    emulator: GeminiEmulator,
    journal_url: str,
) -> None:
    """A job in the background that joined a view's is finished though the view's process ends."""
    arguments: dict[str, Any] = {"prompt": "House 0", "object_key": "houses/0.png"}
    with halting("generate_and_upload", arguments, at="generation_started") as view:
        view.halted()
        job = make_media().generate_later(**arguments)
        queued = "SELECT queued FROM media_jobs"
        assert (sql(journal_url, queued), emulator.calls) == ([(1,)], 0)
        view.kill()
    other = make_media()
    other.work()
    assert job.result(TIMEOUT).object_key == "houses/0.png"
    assert emulator.calls == 1


@pytest.fixture(params=["unknown", "generated"])
def unfinished(
    request: pytest.FixtureRequest,
    media: MediaService,
    emulator: GeminiEmulator,
    blocked_storage: Blocked,
) -> str:
    """The id of a job that a view left, with and without a picture."""
    if request.param == "unknown":
        return _cut_off(media, emulator, metadata={"house": "old"})
    return _not_stored(media, blocked_storage, metadata={"house": "old"})


def test_new_metadata_and_the_prompt_that_was_sent(
    start: Start,
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    journal_url: str,
    unfinished: str,
) -> None:
    """What it is ordered with is stored with it though the process that ordered is killed; its
    prompt stays the one that may have been paid for."""
    sql(journal_url, "UPDATE media_jobs SET spec = replace(spec, '\"House 0\"', '\"As sent\"')")
    process, gate = start(MEDIA_QUEUE_THREADS=1), _hold(emulator)
    process.ask(do="later", numbers=[1])
    gate.arrived()
    assert process.ask(do="later", numbers=[0], metadata={"house": "new"}) == [unfinished]
    process.kill()
    gate.open()
    other = make_media()
    other.work()
    result = other.job(unfinished).result(TIMEOUT)
    stat = other.stat("houses/0.png")
    assert stat is not None
    assert result.metadata == {"house": "new"}
    assert stat.metadata == {"house": "new"}
    assert result.prompt == "As sent"


def _ledger(url: str) -> Decimal:
    return (
        sum((Decimal(nano) for (nano,) in sql(url, "SELECT nano FROM media_spend")), Decimal())
        / 10**9
    )


def _total(media: MediaService) -> Decimal:
    spend = media.usage()
    assert isinstance(spend, Spend)
    return spend.cost_usd + spend.possible_usd


def test_its_money_must_be_there_at_once(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str
) -> None:
    """A budget that its call does not fit in is said to who orders it, and nothing is reserved."""
    media = make_media(MEDIA_BUDGET_USD_PER_DAY=PRICE * 3 / 2)
    job_id = _cut_off(media, emulator)
    before = record(media, job_id)
    with pytest.raises(BudgetExceeded):
        later(media)
    assert record(media, job_id) == before
    assert (_ledger(journal_url), _total(media), emulator.calls) == (PRICE, PRICE, 1)


@pytest.mark.parametrize("end", ["done", "let go", "cancelled"])
def test_its_money_is_reserved_while_it_waits(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str, end: str
) -> None:
    """What waits again counts in the budget, and in the end the ledger has what was spent."""
    media = make_media(
        MEDIA_QUEUE_THREADS=1,
        MEDIA_BUDGET_USD_PER_DAY=PRICE * 7 / 2,
        MEDIA_ON_UNKNOWN="raise" if end == "let go" else "retry",
    )
    job_id = _cut_off(media, emulator)
    gate = _hold(emulator)
    busy = later(media, 1)
    gate.arrived()
    job = later(media, 0)
    assert job.id == job_id
    assert (_ledger(journal_url), _total(media)) == (PRICE * 3, PRICE * 3)
    with pytest.raises(BudgetExceeded):
        later(media, 2)
    if end == "cancelled":
        assert job.cancel()
        assert _ledger(journal_url) == _total(media) == PRICE * 2
    gate.open()
    cost = busy.result(TIMEOUT).cost_usd or Decimal(0)
    if end == "done":
        cost += job.result(TIMEOUT).cost_usd or Decimal(0)
    elif end == "let go":
        with pytest.raises(OutcomeUnknown):
            job.result(TIMEOUT)
    assert _ledger(journal_url) == _total(media) == PRICE + cost


@pytest.mark.parametrize("is_made", [True, False])
def test_what_another_job_made_meanwhile_is_not_overwritten(
    make_media: MakeMedia, emulator: GeminiEmulator, is_made: bool
) -> None:
    """A failed job that is asked for again under its key finds the object, or who is making it."""
    media = make_media(MEDIA_QUEUE_RETRIES=0)
    wanted = Wanted(prompt="House 0", object_key="houses/0.png", config=SMALL)
    terms = Terms(
        idempotency_key="one", spender="ada", is_queued=True, is_remote=True, overwrite=False
    )
    emulator.script(*["503,after=0"] * 3)
    failed = media.put_in_queue(wanted, terms)
    with pytest.raises(MediaError):
        failed.result(TIMEOUT)
    gate = _hold(emulator)
    other = later(media, 0, prompt="Another house")
    gate.arrived()
    if is_made:
        gate.open()
        other.result(TIMEOUT)
    with pytest.raises(ObjectExists):
        media.put_in_queue(wanted, terms)
    gate.open()
    stored = other.result(TIMEOUT)
    stat = media.stat("houses/0.png")
    assert stat is not None
    assert (stat.sha256, emulator.calls) == (stored.sha256, 4)
    assert failed.refresh().status == "failed"
