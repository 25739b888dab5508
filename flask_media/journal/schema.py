"""The tables, and the database they are in."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa  # noqa: TID253 - the whole package is imported at the first use
from sqlalchemy import event  # noqa: TID253
from sqlalchemy import exc  # noqa: TID253

from ..errors import JournalError
from ..forks import reset_after_fork
from .states import UNFINISHED
from .states import State

SCHEMA_VERSION = 2
"""Version of the tables below; raised with each migration."""

SQLITE_PAGE_BYTES = 32_768
"""SQLite's page size: pictures lie in few large pages (measured against 4 KiB: 0.7 of the CPU)."""

SQLITE_CHECKPOINT_PAGES = 1_000
"""Pages in the write-ahead log before SQLite moves them into the file."""

BUSY_SECONDS = 30.0
"""How long a write waits for another process's."""

POSTGRESQL_CONNECTIONS = 16
"""Most connections of a process: PostgreSQL takes 100 by default, and threads take turns well."""

metadata = sa.MetaData()

schema_version = sa.Table(
    "media_schema", metadata, sa.Column("version", sa.Integer, primary_key=True)
)

UNFINISHED_SQL = "state IN ({})".format(", ".join(f"'{state.value}'" for state in UNFINISHED))
"""The condition of the partial indexes, and so of the queries that shall use them."""

_unfinished = sa.text(UNFINISHED_SQL)

UNTOLD_SQL = f"state IN ('{State.FAILED}', '{State.QUARANTINED}') AND owner IS NOT NULL"
"""The condition of jobs that ended without a picture while their signal is not yet out."""

_untold = sa.text(UNTOLD_SQL)

jobs = sa.Table(
    "media_jobs",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("state", sa.String(12), nullable=False),
    # Which work it is: equal fingerprints are the same asking.
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("object_key", sa.Text),
    sa.Column("fingerprint", sa.String(64)),
    sa.Column("request_hash", sa.String(64), nullable=False),
    sa.Column("reuse_hash", sa.String(64)),
    # Unique among unfinished work that others may join.
    sa.Column("flight", sa.String(66), unique=True),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("spender", sa.Text, nullable=False, server_default=""),
    # Who works on it, until when, and how often it changed hands.
    sa.Column("owner", sa.Text),
    sa.Column("lease_until", sa.Double, nullable=False, server_default="0"),
    sa.Column("epoch", sa.Integer, nullable=False, server_default="1"),
    # Whether a queue took it, so that another process of the queue goes on if one ends.
    sa.Column("queued", sa.Integer, nullable=False, server_default="0"),
    # What was paid, or may have been.
    sa.Column("attempts", sa.Text, nullable=False, server_default="[]"),
    sa.Column("paid_calls", sa.Integer, nullable=False, server_default="0"),
    sa.Column("model", sa.Text),
    sa.Column("usage", sa.Text),
    sa.Column("cost_nano", sa.BigInteger),
    sa.Column("risk_nano", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("reserved_nano", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("day", sa.String(10), nullable=False),
    sa.Column("result", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index(
        "media_jobs_unfinished",
        "fingerprint",
        sqlite_where=_unfinished,
        postgresql_where=_unfinished,
    ),
    sa.Index("media_jobs_reuse", "reuse_hash"),
    sa.Index("media_jobs_day", "day"),
    sa.Index("media_jobs_spender", "scope", "spender", "created_at"),
    sa.Index("media_jobs_untold", "scope", sqlite_where=_untold, postgresql_where=_untold),
)
"""A row a job."""

keys = sa.Table(
    "media_keys",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("job_id", sa.String(32), nullable=False, index=True),
    # Of the asking, which may differ from the job's: one that it joined or whose picture it reused.
    sa.Column("request_hash", sa.String(64), nullable=False),
)
"""Idempotency keys and Celery task ids, and the job that each stands for."""

pictures = sa.Table(
    "media_pictures",
    metadata,
    sa.Column("job_id", sa.String(32), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
"""The bytes as they came, from then until they are stored. A table of its own: rows of jobs stay
small."""

references = sa.Table(
    "media_references",
    metadata,
    sa.Column("job_id", sa.String(32), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
"""The reference pictures of unfinished jobs, so that another process can ask again."""

spend = sa.Table(
    "media_spend",
    metadata,
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("spender", sa.Text, primary_key=True),
    sa.Column("nano", sa.BigInteger, nullable=False),
)
"""Running totals a UTC day of what was spent, may have been, or is reserved, where a budget is set;
the spender ``""`` is the whole app. In billionths of a US dollar."""

webhooks = sa.Table(
    "media_webhooks",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("job_id", sa.String(32), nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    # Who delivers it, how often that was tried, and when it is anybody's (again).
    sa.Column("owner", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", sa.Double, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Index("media_webhooks_due", "scope", "due_at"),
)
"""A row an end of a job that is yet to be delivered; written where a webhook is configured."""


class Database:
    """The engine of one journal: one a process, made at first use, tables and all.

    :param url: an SQLAlchemy URL, of SQLite or PostgreSQL.
    :param opened: is called with the first connection of a process.
    """

    def __init__(self, url: str, opened: Callable[[sa.Connection], None] | None = None) -> None:
        self._url = sa.make_url(url)
        self._opened = opened
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self._write_lock = threading.Lock()
        self._engine_lock = threading.Lock()
        self._engine: sa.Engine | None = None
        reset_after_fork(self)

    @property
    def exists(self) -> bool:
        """Whether there may be tables: False for a file that is not there yet."""
        return not self.is_sqlite or Path(self._url.database or "").exists()

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """A transaction that writes; committed at the end, undone by an exception.

        :param durable: whether a power cut must not undo it; a killed process undoes neither.
        :raises JournalError: the database refuses or can't be reached.
        """
        engine = self._live_engine()
        # SQLite has one writer: in a queue here, a thread is not put off by busy time-outs there.
        lock = self._write_lock if self.is_sqlite else contextlib.nullcontext()
        failure: str
        try:
            with (
                lock,
                engine.connect() as connection,
                self._sync(connection, durable=durable),
                connection.begin(),
            ):
                yield connection
        except exc.IntegrityError:
            raise  # somebody else was first, which is the caller's to see to
        except exc.SQLAlchemyError as error:
            failure = _in_words(error)
        else:
            return
        raise JournalError(self._said(failure))

    @contextmanager
    def _sync(self, connection: sa.Connection, *, durable: bool) -> Iterator[None]:
        """Leave out the wait for the disk at the next commit, unless it is to be durable."""
        if durable or not self.is_sqlite:
            yield
            return
        raw: Any = connection.connection.driver_connection
        with contextlib.suppress(sqlite3.Error):  # then it waits as ever
            raw.execute("PRAGMA synchronous=NORMAL").close()
        try:
            yield
        finally:
            try:
                raw.execute("PRAGMA synchronous=FULL").close()
            except sqlite3.Error:
                connection.invalidate()  # not back to those that wait for the disk

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for reading what is committed.

        :raises JournalError: the database refuses or can't be reached.
        """
        engine = self._live_engine()
        failure: str
        try:
            with engine.connect() as connection:
                yield connection.execution_options(media_read=True)
        except exc.SQLAlchemyError as error:
            failure = _in_words(error)
        else:
            return
        raise JournalError(self._said(failure))

    def close(self) -> None:
        """Close idle connections. A later use opens new ones."""
        with self._engine_lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def clock(self) -> sa.ColumnElement[float]:
        """Seconds since 1970 by the database's clock, which all hosts share."""
        if self.is_sqlite:
            return sa.literal_column("(julianday('now') - 2440587.5) * 86400.0", sa.Double)
        return sa.literal_column("extract(epoch from clock_timestamp())::float8", sa.Double)

    def _said(self, words: str) -> str:
        place = self._url.database if self.is_sqlite else self._url.host
        return (
            f"The journal ({self._url.get_backend_name()}, {place}) failed: {words}. Check "
            "MEDIA_JOURNAL_URL, the disk's space and the rights."
        )

    def _live_engine(self) -> sa.Engine:
        with self._engine_lock:
            if self._engine is None:
                self._engine = self._open()
            return self._engine

    def _after_fork(self) -> None:
        self._write_lock, self._engine_lock = threading.Lock(), threading.Lock()
        if self._engine is not None:
            self._engine.dispose(close=False)  # the parent's connections are the parent's
            self._engine = None

    def _open(self) -> sa.Engine:
        failure: str
        try:
            if self.is_sqlite:
                if self._url.database and self._url.database != ":memory:":
                    Path(self._url.database).parent.mkdir(parents=True, exist_ok=True)
                engine = _sqlite_engine(self._url)
            else:
                engine = sa.create_engine(
                    self._url,
                    pool_size=8,
                    max_overflow=POSTGRESQL_CONNECTIONS - 8,
                    pool_pre_ping=True,
                    hide_parameters=True,
                )
            with _disposed_by_fault(engine), engine.connect() as connection, connection.begin():
                self._migrate(connection)
                if self._opened is not None:
                    self._opened(connection)
        except (exc.SQLAlchemyError, OSError, ImportError) as error:
            failure = _in_words(error)
        else:
            return engine
        raise JournalError(self._said(failure))

    def _migrate(self, connection: sa.Connection) -> None:
        """Bring the tables to this version; many processes may start at once."""
        if not self.is_sqlite:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7305811326041)")
        schema_version.create(connection, checkfirst=True)
        found = connection.scalar(sa.select(sa.func.max(schema_version.c.version)))
        if found is not None and found > SCHEMA_VERSION:
            raise exc.InvalidRequestError(
                f"its tables have version {found}, made by a newer Flask-Media than this one"
            )
        if found == SCHEMA_VERSION:
            return
        if found is None:
            metadata.create_all(connection)
        elif found < 2:
            _to_version_2(connection)
        connection.execute(schema_version.delete())
        connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))


def _to_version_2(connection: sa.Connection) -> None:
    """An owner of a failed job means from now on that its signal is not yet out."""
    added = sa.schema.CreateColumn(jobs.c.queued).compile(connection)
    connection.exec_driver_sql(f"ALTER TABLE media_jobs ADD COLUMN {added}")
    connection.execute(jobs.update().where(_untold).values(owner=None))
    for index in jobs.indexes:
        index.create(connection, checkfirst=True)
    webhooks.create(connection)


@contextmanager
def _disposed_by_fault(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except BaseException:
        engine.dispose()
        raise


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        poolclass=sa.pool.QueuePool,
        pool_size=4,
        max_overflow=80,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say so
        connection.execute(f"PRAGMA page_size={SQLITE_PAGE_BYTES}").close()
        _to_wal(connection)
        connection.execute("PRAGMA synchronous=FULL").close()
        connection.execute(f"PRAGMA wal_autocheckpoint={SQLITE_CHECKPOINT_PAGES}").close()

    @event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get("media_read")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _to_wal(connection: Any) -> None:
    """Switch a new file to its write-ahead log; one that has it stays as it is.

    Two that open a new file at once: one of them is told "locked", without the usual waiting.
    """
    import tenacity

    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(sqlite3.OperationalError),
        wait=tenacity.wait_random(0.005, 0.05),
        stop=tenacity.stop_after_delay(BUSY_SECONDS),
        reraise=True,
    ):
        with attempt:
            connection.execute("PRAGMA journal_mode=WAL").close()


def _in_words(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else 'no reason'}"
