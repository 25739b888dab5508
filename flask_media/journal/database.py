"""The database that a journal is in: its engine, one a process, and its transactions."""

from __future__ import annotations

import contextlib
import math
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
from ..forks import hold_forks
from ..forks import reset_after_fork
from .schema import migrate
from .schema import schema_version

SQLITE_PAGE_BYTES = 32_768
"""SQLite's page size: pictures lie in few large pages (measured against 4 KiB: 0.7 of the CPU)."""

SQLITE_CHECKPOINT_PAGES = 1_000
"""Pages in the write-ahead log before SQLite moves them into the file."""

BUSY_SECONDS = 30.0
"""How long a write waits for another process's."""

FORK_SECONDS = 5.0
"""How long a fork waits for a write of another thread."""

POSTGRESQL_CONNECTIONS = 16
"""Most connections of a process: PostgreSQL takes 100 by default, and threads take turns well."""


class Database:
    """The engine of one journal: one a process, made at first use, tables and all.

    :param url: an SQLAlchemy URL, of SQLite or PostgreSQL.
    :param opened: is called with the first connection of a process.
    :param is_durable: whether a power cut must not undo what is committed; a test does not care,
        and need not wait for the disk.
    :param patience: seconds to wait for others' writes and for a connection; None is for work.
    """

    def __init__(
        self,
        url: str | sa.URL,
        opened: Callable[[sa.Connection], None] | None = None,
        *,
        is_durable: bool = True,
        patience: float | None = None,
    ) -> None:
        self._is_durable = is_durable
        self._url = sa.make_url(url)
        self._opened = opened
        self._patience = patience
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self._write_lock = threading.Lock()
        self._engine_lock = threading.Lock()
        self._engine: sa.Engine | None = None
        self._held: list[threading.Lock] = []
        reset_after_fork(self)
        if self.is_sqlite:
            hold_forks(self)

    @property
    def exists(self) -> bool:
        """Whether there may be tables: False for a file that is not there yet."""
        return not self.is_sqlite or Path(self._url.database or "").exists()

    @property
    def place(self) -> str:
        """What database it is and where, without a password."""
        where = self._url.database if self.is_sqlite else self._url.host
        return f"{self._url.get_backend_name()}, {where}"

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
        if durable or not self.is_sqlite or not self._is_durable:
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

    def probe(self, patience: float) -> int:
        """Open it anew and write to it, which changes nothing; returns the version of its tables.

        :param patience: seconds to wait for others' writes and for a connection.
        :raises JournalError: it refuses, is locked, can't be reached or is of a newer version.
        """
        other = Database(self._url, patience=patience)
        try:
            with other.write() as connection:
                version = schema_version.c.version
                connection.execute(schema_version.update().values(version=version))
                return int(connection.scalar(sa.select(version)) or 0)
        finally:
            other.close()

    def clock(self) -> sa.ColumnElement[float]:
        """Seconds since 1970 by the database's clock, which all hosts share."""
        if self.is_sqlite:
            return sa.literal_column("(julianday('now') - 2440587.5) * 86400.0", sa.Double)
        return sa.literal_column("extract(epoch from clock_timestamp())::float8", sa.Double)

    def _said(self, words: str) -> str:
        return (
            f"The journal ({self.place}) failed: {words}. Check "
            "MEDIA_JOURNAL_URL, the disk's space and the rights."
        )

    def _live_engine(self) -> sa.Engine:
        with self._engine_lock:
            if self._engine is None:
                self._engine = self._open()
            return self._engine

    def _before_fork(self) -> None:
        """Wait for the write of another thread: SQLite counts its locks by process, so that in the
        child, where nobody ends that write, nobody could ever write."""
        for lock in (self._engine_lock, self._write_lock):  # opening it writes too
            if lock.acquire(timeout=FORK_SECONDS):
                self._held.append(lock)

    def _after_fork_in_parent(self) -> None:
        while self._held:
            self._held.pop().release()

    def _after_fork(self) -> None:
        self._held.clear()
        self._write_lock, self._engine_lock = threading.Lock(), threading.Lock()
        if self._engine is not None:
            self._engine.dispose(close=False)  # the parent's connections are the parent's
            self._engine = None

    def _bounds(self) -> dict[str, Any]:
        """Arguments of the driver that bound its waiting."""
        if self._patience is None or not self._url.get_driver_name().startswith("psycopg"):
            return {}
        seconds = max(1, math.ceil(self._patience))
        return {
            "connect_timeout": seconds,
            "options": f"-c lock_timeout={seconds}s -c statement_timeout={seconds}s",
        }

    def _open(self) -> sa.Engine:
        failure: str
        try:
            if self.is_sqlite:
                if self._url.database and self._url.database != ":memory:":
                    Path(self._url.database).parent.mkdir(parents=True, exist_ok=True)
                engine = _sqlite_engine(
                    self._url,
                    patience=self._patience or BUSY_SECONDS,
                    is_durable=self._is_durable,
                )
            else:
                engine = sa.create_engine(
                    self._url,
                    connect_args=self._bounds(),
                    pool_size=8,
                    max_overflow=POSTGRESQL_CONNECTIONS - 8,
                    pool_pre_ping=True,
                    hide_parameters=True,
                )
            with _disposed_by_fault(engine), engine.connect() as connection, connection.begin():
                if not self.is_sqlite:  # many processes may start at once
                    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7305811326041)")
                migrate(connection)
                if self._opened is not None:
                    self._opened(connection)
        except ModuleNotFoundError as error:
            raise JournalError(
                f"MEDIA_JOURNAL_URL needs the module {error.name!r}, which is not installed. The "
                "extra 'postgres' has PostgreSQL's (pip install \".[postgres]\" in a clone).",
                retryable=False,
            ) from None
        except (exc.SQLAlchemyError, OSError, ImportError) as error:
            failure = _in_words(error)
        else:
            return engine
        raise JournalError(self._said(failure))


@contextmanager
def _disposed_by_fault(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except BaseException:
        engine.dispose()
        raise


def _sqlite_engine(url: sa.URL, *, patience: float, is_durable: bool) -> sa.Engine:
    engine = sa.create_engine(
        url,
        connect_args={"timeout": patience, "check_same_thread": False},
        poolclass=sa.pool.QueuePool,
        pool_size=4,
        max_overflow=80,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say so
        connection.execute(f"PRAGMA page_size={SQLITE_PAGE_BYTES}").close()
        _to_wal(connection, patience)
        connection.execute(f"PRAGMA synchronous={'FULL' if is_durable else 'OFF'}").close()
        connection.execute(f"PRAGMA wal_autocheckpoint={SQLITE_CHECKPOINT_PAGES}").close()
        # What some builds do, writing zeros over each picture that is let go, costs as much as
        # writing the picture did.
        connection.execute("PRAGMA secure_delete=FAST").close()

    @event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get("media_read")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _to_wal(connection: Any, patience: float) -> None:
    """Switch a new file to its write-ahead log; one that has it stays as it is.

    Two that open a new file at once: one of them is told "locked", without the usual waiting.
    """
    import tenacity

    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(sqlite3.OperationalError),
        wait=tenacity.wait_random(0.005, 0.05),
        stop=tenacity.stop_after_delay(patience),
        reraise=True,
    ):
        with attempt:
            connection.execute("PRAGMA journal_mode=WAL").close()


def _in_words(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else 'no reason'}"
