"""A journal of an earlier version is brought to this one, and loses nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from flask_media import ContentBlocked
from flask_media import MediaResult
from flask_media import NotFound
from flask_media import UploadFailed
from flask_media.emulator import GeminiEmulator
from flask_media.journal.schema import SCHEMA_VERSION
from flask_media.journal.schema import jobs
from flask_media.journal.schema import metadata

from .conftest import MakeMedia
from .halting import START
from .halting import Halting
from .support import ask
from .support import record
from .support import sql

Block = Callable[[], contextlib.AbstractContextManager[None]]

TYPES = {"sqlite": ("DOUBLE", "BLOB"), "postgresql": ("DOUBLE PRECISION", "BYTEA")}

UNFINISHED = "state IN ('requested', 'generating', 'generated', 'uploaded', 'unknown')"

VERSION_1 = (
    "CREATE TABLE media_schema (version INTEGER NOT NULL, PRIMARY KEY (version))",
    """CREATE TABLE media_jobs (
        id VARCHAR(32) NOT NULL,
        state VARCHAR(12) NOT NULL,
        scope TEXT NOT NULL,
        object_key TEXT,
        fingerprint VARCHAR(64),
        request_hash VARCHAR(64) NOT NULL,
        reuse_hash VARCHAR(64),
        flight VARCHAR(66),
        spec TEXT NOT NULL,
        spender TEXT DEFAULT '' NOT NULL,
        owner TEXT,
        lease_until {double} DEFAULT '0' NOT NULL,
        epoch INTEGER DEFAULT '1' NOT NULL,
        attempts TEXT DEFAULT '[]' NOT NULL,
        paid_calls INTEGER DEFAULT '0' NOT NULL,
        model TEXT,
        usage TEXT,
        cost_nano BIGINT,
        risk_nano BIGINT DEFAULT '0' NOT NULL,
        reserved_nano BIGINT DEFAULT '0' NOT NULL,
        day VARCHAR(10) NOT NULL,
        result TEXT,
        error TEXT,
        created_at {double} NOT NULL,
        updated_at {double} NOT NULL,
        PRIMARY KEY (id),
        UNIQUE (flight)
    )""",
    f"CREATE INDEX media_jobs_unfinished ON media_jobs (fingerprint) WHERE {UNFINISHED}",
    "CREATE INDEX media_jobs_reuse ON media_jobs (reuse_hash)",
    "CREATE INDEX media_jobs_day ON media_jobs (day)",
    """CREATE TABLE media_keys (
        scope TEXT NOT NULL,
        key TEXT NOT NULL,
        job_id VARCHAR(32) NOT NULL,
        request_hash VARCHAR(64) NOT NULL,
        PRIMARY KEY (scope, key)
    )""",
    "CREATE INDEX ix_media_keys_job_id ON media_keys (job_id)",
    """CREATE TABLE media_pictures (
        job_id VARCHAR(32) NOT NULL,
        data {blob} NOT NULL,
        PRIMARY KEY (job_id)
    )""",
    """CREATE TABLE media_references (
        job_id VARCHAR(32) NOT NULL,
        position INTEGER NOT NULL,
        data {blob} NOT NULL,
        PRIMARY KEY (job_id, position)
    )""",
    """CREATE TABLE media_spend (
        day VARCHAR(10) NOT NULL,
        spender TEXT NOT NULL,
        nano BIGINT NOT NULL,
        PRIMARY KEY (day, spender)
    )""",
    "INSERT INTO media_schema (version) VALUES (1)",
)
"""The tables as version 1 made them."""

EARLIER = [column.name for column in jobs.columns if f"\n        {column.name} " in VERSION_1[1]]
"""The columns of a job's row then."""

OTHERS = ("media_keys", "media_pictures", "media_references", "media_spend")
"""The other tables then."""


def _rows(url: str, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    found = sql(url, f"SELECT {columns} FROM {table}")
    return sorted(
        tuple(bytes(one) if isinstance(one, memoryview) else one for one in row) for row in found
    )


def _to_version_1(url: str) -> None:
    """Put what the journal has in tables of version 1, written as its processes did."""
    kept = {name: _rows(url, name) for name in OTHERS}
    kept["media_jobs"] = _rows(url, "media_jobs", ", ".join(EARLIER))
    double, blob = TYPES[sa.make_url(url).get_backend_name()]
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    metadata.drop_all(engine)
    with engine.begin() as connection:
        for statement in VERSION_1:
            connection.exec_driver_sql(statement.format(double=double, blob=blob))
        for name, rows in kept.items():
            table = metadata.tables[name]
            columns = EARLIER if table is jobs else [column.name for column in table.columns]
            for row in rows:
                values = dict(zip(columns, row, strict=True))
                connection.execute(sa.insert(sa.table(name, *map(sa.column, columns))), values)
        # Then a job that failed kept the name of whoever had worked on it.
        connection.exec_driver_sql(
            "UPDATE media_jobs SET owner = 'another-host 7 1' WHERE state = 'failed'"
        )


@pytest.fixture
def earlier(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str, blocked_storage: Block
) -> dict[str, str]:
    """A journal of version 1 with a job in some states; their ids."""
    media = make_media(MEDIA_BUDGET_USD_PER_DAY=1)
    done = ask(media, object_key="goals/done.png", idempotency_key="order-1")
    emulator.script("image-safety")
    with pytest.raises(ContentBlocked) as failed:
        ask(media, object_key="goals/failed.png", idempotency_key="order-2")
    with blocked_storage(), pytest.raises(UploadFailed) as generated:
        ask(media, object_key="goals/generated.png")
    assert media.journal._db._engine
    media.journal._db._engine.dispose()
    _to_version_1(journal_url)
    return {
        "done": done.job_id,
        "failed": str(failed.value.job_id),
        "generated": str(generated.value.job_id),
    }


def test_many_processes_migrate_at_once(
    *,
    earlier: dict[str, str],
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    journal_url: str,
    halting: Callable[..., Halting],
) -> None:
    """It is migrated once, all can work, and the picture that was left is stored without a call."""
    assert _rows(journal_url, "media_schema") == [(1,)]
    calls = emulator.calls
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(halting("resume_all", at=START, MEDIA_BUDGET_USD_PER_DAY=1))
            for _ in range(4)
        ]
        for process in processes:
            process.halted()
        for process in processes:
            process.go()
        outcomes = [name for process in processes for name in process.outcome()]
    assert outcomes == ["MediaResult"]
    assert _rows(journal_url, "media_schema") == [(SCHEMA_VERSION,)]
    media = make_media(MEDIA_BUDGET_USD_PER_DAY=1)
    resumed = media.resume(earlier["generated"])
    assert isinstance(resumed, MediaResult)
    assert media.exists(resumed.object_key)
    assert ask(media, object_key="goals/done.png", idempotency_key="order-1").cached
    with pytest.raises(ContentBlocked) as caught:
        ask(media, object_key="goals/failed.png", idempotency_key="order-2")
    assert caught.value.job_id == earlier["failed"]
    assert record(media, earlier["failed"]).owner is None
    assert media.resume_all() == []
    assert emulator.calls == calls


def test_nothing_is_lost(earlier: dict[str, str], make_media: MakeMedia, journal_url: str) -> None:
    """All rows are there as they were, but for the owners of jobs that failed."""
    columns = ", ".join(name for name in EARLIER if name != "owner")
    before = {name: _rows(journal_url, name) for name in OTHERS}
    rows = _rows(journal_url, "media_jobs", columns)
    assert len(rows) == len(earlier)
    assert len(before["media_pictures"]) == len(before["media_spend"]) == 1
    assert len(before["media_keys"]) == 2

    media = make_media(MEDIA_BUDGET_USD_PER_DAY=1)
    assert record(media, earlier["failed"]).owner is None
    assert {name: _rows(journal_url, name) for name in OTHERS} == before
    assert _rows(journal_url, "media_jobs", columns) == rows


def test_the_tables_are_those_of_a_new_journal(
    earlier: dict[str, str], make_media: MakeMedia, journal_url: str
) -> None:
    """Columns and indexes are those that this version makes."""
    assert len(make_media().resume_all()) == 1
    engine = sa.create_engine(journal_url, poolclass=sa.NullPool)
    there = sa.inspect(engine)
    for name, table in metadata.tables.items():
        indexes = {index["name"] for index in there.get_indexes(name)}
        assert indexes >= {index.name for index in table.indexes}
        assert {column["name"] for column in there.get_columns(name)} == set(table.columns.keys())


@pytest.fixture
def version_2(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str, blocked_storage: Block
) -> dict[str, str]:
    """A journal of version 2, which listed no stored pictures; the ids of its jobs."""
    media = make_media()
    done = ask(media, object_key="goals/done.png", idempotency_key="order-1")
    with blocked_storage(), pytest.raises(UploadFailed) as generated:
        ask(media, object_key="goals/generated.png")
    media.close()
    for statement in (
        "DROP TABLE media_objects",
        "DROP TABLE media_derivatives",
        "UPDATE media_schema SET version = 2",
    ):
        sql(journal_url, statement)
    return {"done": done.job_id, "generated": str(generated.value.job_id)}


def test_version_2(
    *,
    version_2: dict[str, str],
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    journal_url: str,
) -> None:
    """Its jobs are as they were, the picture that was left is stored and listed, and one that was
    stored before is listed once it gets variants; all without a call."""
    calls, rows = emulator.calls, _rows(journal_url, "media_jobs")
    media = make_media()
    with pytest.raises(NotFound, match="make_variants"):
        media.info("goals/done.png")
    assert _rows(journal_url, "media_schema") == [(SCHEMA_VERSION,)]
    assert _rows(journal_url, "media_jobs") == rows

    assert ask(media, object_key="goals/done.png", idempotency_key="order-1").cached
    variant = media.make_variants("goals/done.png", {"thumb": 64})["thumb"]
    assert media.stat(variant.object_key).size_bytes == variant.size_bytes
    assert media.info("goals/done.png").job_id == version_2["done"]

    (resumed,) = media.resume_all()
    assert isinstance(resumed, MediaResult)
    assert resumed.job_id == version_2["generated"]
    assert media.info("goals/generated.png").sha256 == resumed.sha256
    for key in ("goals/done.png", "goals/generated.png"):
        media.delete(key)
        assert not media.exists(key)
    assert _rows(journal_url, "media_objects") == _rows(journal_url, "media_derivatives") == []
    assert emulator.calls == calls


def test_many_processes_migrate_version_2(
    version_2: dict[str, str], halting: Callable[..., Halting], journal_url: str
) -> None:
    """It is migrated once by as many processes as start at once, and the picture stored once."""
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(halting("resume_all", at=START)) for _ in range(4)]
        for process in processes:
            process.halted()
        for process in processes:
            process.go()
        outcomes = [name for process in processes for name in process.outcome()]
    assert outcomes == ["MediaResult"]
    assert _rows(journal_url, "media_schema") == [(SCHEMA_VERSION,)]
    assert [row[0] for row in _rows(journal_url, "media_objects", "job_id")] == [
        version_2["generated"]
    ]


def test_many_processes_migrate_version_3(
    *,
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    journal_url: str,
    halting: Callable[..., Halting],
    blocked_storage: Block,
) -> None:
    """One without the index of all jobs gets it, once, and is as it was but for that."""
    media = make_media()
    done = ask(media, object_key="goals/done.png")
    with blocked_storage(), pytest.raises(UploadFailed):
        ask(media, object_key="goals/generated.png")
    media.close()
    sql(journal_url, "DROP INDEX media_jobs_created")
    sql(journal_url, "UPDATE media_schema SET version = 3")
    calls, rows = emulator.calls, _rows(journal_url, "media_objects")
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(halting("resume_all", at=START)) for _ in range(4)]
        for process in processes:
            process.halted()
        for process in processes:
            process.go()
        outcomes = [name for process in processes for name in process.outcome()]
    assert outcomes == ["MediaResult"]
    assert _rows(journal_url, "media_schema") == [(SCHEMA_VERSION,)]
    engine = sa.create_engine(journal_url, poolclass=sa.NullPool)
    indexes = {index["name"]: index for index in sa.inspect(engine).get_indexes("media_jobs")}
    assert indexes["media_jobs_created"]["column_names"] == ["scope", "created_at"]
    assert set(rows) < set(_rows(journal_url, "media_objects"))
    assert [job.id for job in make_media().jobs()][-1] == done.job_id
    assert emulator.calls == calls
