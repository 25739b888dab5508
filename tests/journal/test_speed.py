"""Taking a job costs the same in a long journal as in an empty one."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from flask_media.journal.journal import Journal
from flask_media.journal.records import Asking
from flask_media.journal.records import Claim
from flask_media.journal.schema import jobs
from flask_media.journal.schema import keys
from flask_media.journal.spend import Budgets

ROWS = 100_000
"""Finished jobs in the long journal."""

FACTOR = 3.0
"""Most times that a claim may take in the long journal, on a busy machine; 2 is the promise."""


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _asking(number: int, *, key: str | None = None) -> Asking:
    return Asking(
        job_id=_hash("id", number)[:32],
        scope="file:///media",
        object_key=f"goals/{number}.png",
        fingerprint=_hash("work", number),
        request_hash=_hash("request", number),
        reuse_hash=_hash("picture", number),
        reuse=False,
        flight=f"f:{_hash('work', number)}",
        joinable=True,
        key=key,
        task=None,
        spender="",
        spec="{}",
        references=(),
    )


def _journal(path: Path) -> Journal:
    return Journal(f"sqlite:///{path}", lease=30, budgets=Budgets())


def _fill(journal: Journal) -> None:
    rows = [
        {
            "id": _hash(number)[:32],
            "state": "done" if number % 10 else "failed",
            "scope": "file:///media",
            "object_key": f"old/{number}.png",
            "fingerprint": _hash("old work", number),
            "request_hash": _hash("old request", number),
            "reuse_hash": _hash("old picture", number),
            "flight": None,
            "spec": "{}" * 200,
            "day": "2026-01-01",
            "created_at": float(number),
            "updated_at": float(number),
        }
        for number in range(ROWS)
    ]
    names = [
        {
            "scope": "file:///media",
            "key": f"key:{number}",
            "job_id": rows[number]["id"],
            "request_hash": rows[number]["request_hash"],
        }
        for number in range(ROWS)
    ]
    with journal._db.write() as connection:
        connection.execute(jobs.insert(), rows)
        connection.execute(keys.insert(), names)


def _claims(journal: Journal, numbers: range) -> list[float]:
    taken = []
    for number in numbers:
        asking = _asking(number, key=f"key:new-{number}")
        start = time.perf_counter()
        claim = journal.begin(asking, model="m", estimate=None)
        taken.append(time.perf_counter() - start)
        assert isinstance(claim, Claim)
        journal.release(claim)
    return taken


@pytest.mark.alone
def test_a_claim_in_a_long_journal(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """With 100,000 finished jobs a claim takes about what it takes with none."""
    empty, full = _journal(tmp_path / "empty.sqlite3"), _journal(tmp_path / "full.sqlite3")
    _fill(full)
    short: list[float] = []
    long: list[float] = []
    for turn in range(6):  # in turns, so that what else the machine does is the same for both
        numbers = range(turn * 25, turn * 25 + 25)
        first = _claims(empty, numbers), _claims(full, numbers)
        if turn:
            short += first[0]
            long += first[1]
    ratio = statistics.median(long) / statistics.median(short)
    record_property("claim_ratio", round(ratio, 2))
    print(
        f"a claim: {statistics.median(short) * 1000:.2f} ms in an empty journal, "
        f"{statistics.median(long) * 1000:.2f} ms in one of {ROWS:,} jobs: {ratio:.2f} times"
    )
    assert ratio < FACTOR


def test_every_question_has_an_index(tmp_path: Path) -> None:
    """No query on the way to a picture reads the whole table of jobs."""
    journal = _journal(tmp_path / "journal.sqlite3")
    assert journal.left("file:///media") == []
    asked = _heard(journal)
    claim = journal.begin(_asking(1, key="a"), model="m", estimate=None)
    assert isinstance(claim, Claim)
    journal.begin(_asking(1), model="m", estimate=None)
    reuse = {**_asking(2).__dict__, "reuse": True, "flight": "r:2"}
    assert isinstance(journal.begin(Asking(**reuse), model="m", estimate=None), Claim)
    journal.release(claim)
    journal.claim(claim.id)
    journal.record(claim.id)
    journal.left("file:///media")
    plans = _plans(journal, asked)
    assert len(plans) >= 8
    for plan in plans:
        for step in plan:
            assert "SCAN media_jobs" not in step or "INDEX" in step, plan


def test_lists_are_read_in_their_order(tmp_path: Path) -> None:
    """A page of jobs, of one spender or of all, is read from an index and no further."""
    journal = _journal(tmp_path / "journal.sqlite3")
    claim = journal.begin(_asking(1), model="m", estimate=None)
    assert isinstance(claim, Claim)
    journal.release(claim)
    last = journal.record(claim.id)
    asked = _heard(journal)
    for spender in (None, "ann"):
        journal.page("file:///media", spender, limit=20)
        journal.page("file:///media", spender, limit=20, before=last)
        journal.page("file:///media", spender, limit=20, since=datetime(2026, 1, 1, tzinfo=UTC))
    plans = _plans(journal, asked)
    assert len(plans) == 6
    for number, plan in enumerate(plans):
        index = "media_jobs_created" if number < 3 else "media_jobs_spender"
        assert f"SEARCH media_jobs USING INDEX {index}" in plan[0]
        assert "USE TEMP B-TREE FOR ORDER BY" not in plan


def _heard(journal: Journal) -> list[tuple[str, Any]]:
    """What the journal asks its database from now on."""
    asked: list[tuple[str, Any]] = []

    def asks(
        _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
    ) -> None:
        if "media_" in statement and not statement.startswith(("INSERT", "EXPLAIN")):
            asked.append((statement, parameters))

    sa.event.listen(journal._db._live_engine(), "before_cursor_execute", asks)
    return asked


def _plans(journal: Journal, asked: list[tuple[str, Any]]) -> list[list[str]]:
    """The steps that SQLite takes for each."""
    with journal._db._live_engine().connect() as connection:
        return [
            [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]
            for text, values in list(asked)
        ]
