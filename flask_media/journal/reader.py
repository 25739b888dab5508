"""What the journal says, and waiting for it to say more."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa  # noqa: TID253 - the whole package is imported at the first use

from ..errors import NotFound
from ..forks import reset_after_fork
from . import spend
from .changes import Changes
from .database import Database
from .owner import is_gone
from .records import Record
from .schema import UNFINISHED_SQL
from .schema import UNTOLD_SQL
from .schema import jobs
from .schema import keys
from .schema import pictures
from .schema import references
from .schema import webhooks
from .spend import Spend
from .states import UNFINISHED
from .states import State

OLDEST_WEBHOOK = 7 * 86_400.0
"""Age in seconds from which ``gc`` may delete what was not delivered; a day is tried for."""


class JournalReader:
    """Looks things up in a journal, and tidies it.

    :param database: where it is.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self._after_fork()
        reset_after_fork(self)
        self._columns = (jobs, (jobs.c.lease_until - database.clock()).label("left"))
        self._by_id = sa.select(*self._columns).where(jobs.c.id == sa.bindparam("job"))

    def _after_fork(self) -> None:
        self.changes = Changes()
        """Tell of each step within this process."""

    def check(self) -> None:
        """Open the journal and read it.

        :raises JournalError: that can't be.
        """
        with self._db.read() as connection:
            connection.execute(sa.select(jobs.c.id).limit(1))

    def probe(self, patience: float) -> int:
        """Open the journal anew and write to it, which changes nothing.

        :param patience: seconds to wait for others' writes and for a connection.
        :returns: the version of its tables, made or migrated by that where need be.
        :raises JournalError: it refuses, is locked, can't be reached or is of a newer version.
        """
        return self._db.probe(patience)

    def close(self) -> None:
        """Close idle connections. A later use opens new ones."""
        self._db.close()

    @property
    def place(self) -> str:
        """What database it is and where, without a password."""
        return self._db.place

    @property
    def exists(self) -> bool:
        """Whether there may be jobs: False for a file that is not there yet."""
        return self._db.exists

    def record(self, job_id: str) -> Record:
        """What the journal says of a job.

        :raises NotFound: there is none.
        """
        with self._db.read() as connection:
            row = connection.execute(self._by_id, {"job": job_id}).first()
        if row is None:
            raise NotFound(f"The journal has no job {job_id!r}.")
        return Record.of_row(row)

    def wait(self, job_id: str) -> Record:
        """Wait until nobody is at the job any more, and return what became of it."""
        pause = 0.01
        while True:
            with self._db.read() as connection:
                row = connection.execute(self._by_id, {"job": job_id}).first()
            if row is None or State(row.state) not in UNFINISHED or not is_live(row):
                return self.record(job_id)
            # Within this process the end is told, of others' it is looked up.
            self.changes.wait(pause)
            pause = min(pause * 1.5, 0.5)

    def until(
        self, job_id: str, met: Callable[[Record], bool], *, timeout: float | None
    ) -> Record | None:
        """Wait until the condition is met, and return the record then; None when time is up.

        :param timeout: seconds; None waits for ever.
        :raises NotFound: there is no such job.
        """
        end = None if timeout is None else time.monotonic() + timeout
        pause = 0.01
        while not met(record := self.record(job_id)):
            left = pause if end is None else min(pause, end - time.monotonic())
            if left <= 0:
                return None
            self.changes.wait(left)
            pause = min(pause * 1.5, 0.5)
        return record

    def ids(self, beginning: str, *, limit: int = 2) -> list[str]:
        """The ids of jobs that begin like that; so many at most."""
        query = sa.select(jobs.c.id).where(jobs.c.id.startswith(beginning, autoescape=True))
        with self._db.read() as connection:
            return list(connection.scalars(query.order_by(jobs.c.id).limit(limit)))

    def page(
        self,
        scope: str,
        spender: str | None,
        *,
        limit: int,
        before: Record | None = None,
        state: State | None = None,
        since: datetime | None = None,
    ) -> list[Record]:
        """Jobs for a storage, newest first.

        :param spender: whose; None for all.
        :param before: the last one of the page before.
        :param state: how they stand; None for however.
        :param since: when the oldest may have been asked for; None for ever.
        """
        query = sa.select(*self._columns).where(jobs.c.scope == scope)
        if spender is not None:
            query = query.where(jobs.c.spender == spender)
        if state is not None:
            query = query.where(jobs.c.state == state.value)
        if since is not None:
            query = query.where(jobs.c.created_at >= since.timestamp())
        if before is not None:
            query = query.where(
                sa.tuple_(jobs.c.created_at, jobs.c.id) < (before.created_at, before.id)
            )
        query = query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        with self._db.read() as connection:
            return [Record.of_row(row) for row in connection.execute(query)]

    def picture(self, job_id: str) -> bytes | None:
        """The bytes as they came, None once they are stored."""
        with self._db.read() as connection:
            return connection.scalar(sa.select(pictures.c.data).where(pictures.c.job_id == job_id))

    def references(self, job_id: str) -> list[bytes]:
        """The reference pictures of an unfinished job."""
        query = (
            sa.select(references.c.data)
            .where(references.c.job_id == job_id)
            .order_by(references.c.position)
        )
        with self._db.read() as connection:
            return list(connection.scalars(query))

    def left(self, scope: str) -> list[str]:
        """The ids of unfinished jobs for a storage that nobody is at, oldest first."""
        left = (jobs.c.lease_until - self._db.clock()).label("left")
        query = (
            sa.select(jobs.c.id, jobs.c.owner, left)
            .where(sa.text(UNFINISHED_SQL), jobs.c.scope == scope)
            .order_by(jobs.c.created_at)
        )
        with self._db.read() as connection:
            return [row.id for row in connection.execute(query) if not is_live(row)]

    def dropped(self, scope: str) -> list[str]:
        """The ids of jobs for a storage that may go on without being asked for, oldest first:
        their process ended, and they were in a queue or cost nothing more."""
        query = (
            sa.select(*self._columns)
            .where(
                sa.text(UNFINISHED_SQL),
                jobs.c.scope == scope,
                jobs.c.object_key.is_not(None),
                sa.or_(
                    jobs.c.queued == 1,
                    jobs.c.state.in_([State.GENERATED.value, State.UPLOADED.value]),
                ),
                sa.or_(jobs.c.owner.is_not(None), jobs.c.error.is_(None)),
            )
            .order_by(jobs.c.created_at)
        )
        with self._db.read() as connection:
            return [row.id for row in connection.execute(query) if not is_live(row)]

    def untold(self, scope: str) -> list[str]:
        """The ids of jobs that ended without a picture in processes that ended before they told
        so, oldest first."""
        query = (
            sa.select(*self._columns)
            .where(sa.text(UNTOLD_SQL), jobs.c.scope == scope)
            .order_by(jobs.c.created_at)
        )
        with self._db.read() as connection:
            return [row.id for row in connection.execute(query) if is_untold(row)]

    def forget(self, job_id: str) -> None:
        """Let no later asking reuse the picture of a job."""
        with self._db.write() as connection:
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(reuse_hash=None))

    def spent(
        self, since: datetime | None, by: str | None, *, spender: str | None = None
    ) -> dict[str, Spend]:
        """Sums of what was paid, by ``day``, ``model`` or ``spender``, or all under ``""``.

        :param spender: whose; None for everybody's.
        """
        with self._db.read() as connection:
            return spend.sums(connection, since, by, spender=spender)

    def collect(self, older_than: float) -> int:
        """Delete finished jobs; returns how many. Bytes that are not stored stay.

        :param older_than: seconds since they were finished.
        """
        # Locked first: a job that is asked again in this moment is not an old one any more.
        old = (
            sa.select(jobs.c.id)
            .where(
                jobs.c.state.in_([State.DONE.value, State.FAILED.value]),
                jobs.c.updated_at < time.time() - older_than,
            )
            .with_for_update(skip_locked=True)
        )
        with self._db.write() as connection:
            ids = list(connection.scalars(old))
            for start in range(0, len(ids), 500):  # databases limit the values of one statement
                some = ids[start : start + 500]
                for table in (keys, references):
                    connection.execute(table.delete().where(table.c.job_id.in_(some)))
                connection.execute(jobs.delete().where(jobs.c.id.in_(some)))
            # Those that nobody delivers any more, as where the webhook was configured away.
            stale = self._db.clock() - max(older_than, OLDEST_WEBHOOK)
            connection.execute(webhooks.delete().where(webhooks.c.created_at < stale))
            return len(ids)


def is_untold(row: Any) -> bool:
    """Whether the row's job ended without a picture, and its process before it told so."""
    return (
        row.state in (State.FAILED.value, State.QUARANTINED.value)
        and row.owner is not None
        and not is_live(row)
    )


def is_live(row: Any) -> bool:
    """Whether the row's owner is still at the job."""
    return row.owner is not None and row.left > 0 and not is_gone(row.owner)
