"""The journal: every step of a job is committed before the next is taken."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import sqlalchemy as sa  # noqa: TID253 - the whole package is imported at the first use
from sqlalchemy import exc  # noqa: TID253

from ..errors import IdempotencyConflict
from . import spend
from .claims import JournalClaims
from .codec import dump
from .database import Database
from .outbox import Outbox
from .owner import this_process
from .reader import is_live
from .records import Asking
from .records import Busy
from .records import Claim
from .records import Finished
from .records import Record
from .records import to_nano
from .schema import UNFINISHED_SQL
from .schema import jobs
from .schema import keys
from .schema import references
from .spend import Budgets
from .states import State


class Journal(JournalClaims):
    """The record of all jobs of one app, or of many apps and hosts that share a database.

    :param url: an SQLAlchemy URL of SQLite or PostgreSQL; nothing is opened before the first use.
    :param lease: seconds that a job stays with a process that stopped renewing it.
    :param budgets: the limits of a day.
    :param has_webhook: whether the ends of jobs are recorded for delivery too.
    :param is_durable: whether a power cut must not undo what is committed, as in a test.
    """

    def __init__(
        self,
        url: str,
        *,
        lease: float,
        budgets: Budgets,
        has_webhook: bool = False,
        is_durable: bool = True,
    ) -> None:
        database = Database(url, budgets.forget_unkept, is_durable=is_durable)
        super().__init__(database, lease, budgets, Outbox(database) if has_webhook else None)
        columns = self._columns
        self._by_key = (
            sa.select(*columns, keys.c.request_hash.label("named_hash"))
            .join(keys, keys.c.job_id == jobs.c.id)
            .where(keys.c.scope == sa.bindparam("scope"), keys.c.key == sa.bindparam("key"))
        )
        self._by_work = (
            sa.select(*columns)
            .where(
                jobs.c.fingerprint == sa.bindparam("fingerprint"),
                sa.text(UNFINISHED_SQL),
            )
            .order_by(jobs.c.created_at)
            .limit(1)
        )
        self._by_open_work = self._by_work.where(jobs.c.flight.is_not(None))
        self._by_picture = (
            sa.select(*columns)
            .where(
                jobs.c.reuse_hash == sa.bindparam("reuse_hash"), jobs.c.state == State.DONE.value
            )
            .order_by(jobs.c.created_at.desc())
        )
        self._insert = jobs.insert().values(lease_until=self._until)

    def begin(
        self, asking: Asking, *, model: str, estimate: Decimal | None
    ) -> Claim | Finished | Busy:
        """Take the job of this asking: a new one, with its first call recorded, or one there is.

        :param model: the model of a new job's first call.
        :param estimate: US dollars that the call may cost, None if unknown.
        :raises IdempotencyConflict: the key stands for another request.
        :raises BudgetExceeded: a new job's call does not fit in the budget.
        :raises JournalError: it can't be recorded.
        """
        while True:
            try:
                with self._db.write() as connection:
                    held = self._begin(connection, asking, model, to_nano(estimate) or 0)
            except exc.IntegrityError:
                continue  # another process made the job in this moment: look again
            return self._kept(held)

    def known(self, asking: Asking) -> Finished | Busy | None:
        """How the job stands that the asking's key or task stands for; None if there is none, or
        something to do for it.

        :raises IdempotencyConflict: the key stands for another request.
        """
        with self._db.read() as connection:
            row = self._named(connection, asking)
        if row is None:
            return None
        record = Record.of_row(row)
        if record.is_final:
            return Finished(record, is_named=True)
        is_busy = record.state is not State.FAILED and is_live(row)
        return Busy(record, is_named=True) if is_busy else None

    def stand_for(self, asking: Asking, job_id: str) -> bool:
        """Let the asking's key or task stand for a stored picture that it reuses.

        :returns: False if it stands for something by now.
        :raises JournalError: it can't be recorded.
        """
        if asking.key is None and asking.task is None:
            return True
        try:
            with self._db.write() as connection:
                self._name(connection, asking, job_id)
        except exc.IntegrityError:
            return False
        return True

    def _begin(
        self, connection: sa.Connection, asking: Asking, model: str, nano: int
    ) -> Claim | Finished | Busy:
        row = self._named(connection, asking)
        is_named = row is not None
        if row is None:
            row = self._find(connection, asking)
        if row is not None:
            # A picture to reuse is looked at first, whether it is still there: see stand_for.
            if not is_named and not (asking.reuse and row.state == State.DONE.value):
                self._name(connection, asking, row.id)
            return self._take(connection, row, is_named=is_named, asking=asking, nano=nano)
        now, day = time.time(), spend.today()
        if not asking.overwrite:
            self._check_is_free(connection, asking)
        spend.reserve(connection, self.budgets, day=day, spender=asking.spender, nano=nano)
        attempts = [] if asking.is_queued else [{"model": model, "at": now}]
        state = State.REQUESTED if asking.is_queued else State.GENERATING
        connection.execute(
            self._insert,
            {
                "id": asking.job_id,
                "state": state.value,
                "scope": asking.scope,
                "object_key": asking.object_key,
                "fingerprint": asking.fingerprint,
                "request_hash": asking.request_hash,
                "reuse_hash": asking.reuse_hash,
                "flight": asking.flight,
                "spec": asking.spec,
                "spender": asking.spender,
                "owner": this_process(),
                "queued": int(asking.is_queued),
                "attempts": dump(attempts),
                "reserved_nano": nano,
                "day": day,
                "created_at": now,
                "updated_at": now,
            },
        )
        self._name(connection, asking, asking.job_id)
        if asking.references:
            rows = [
                {"job_id": asking.job_id, "position": position, "data": data}
                for position, data in enumerate(asking.references)
            ]
            connection.execute(references.insert(), rows)
        return Claim(
            id=asking.job_id,
            epoch=1,
            state=state,
            attempts=attempts,
            paid_calls=0,
            spender=asking.spender,
            day=day,
            reserved_nano=nano,
            has_references=bool(asking.references),
        )

    def _find(self, connection: sa.Connection, asking: Asking) -> Any:
        """The row of a job that will do for this asking, None to make a new one."""
        if asking.reuse:
            values = {"reuse_hash": asking.reuse_hash, "flight": asking.flight}
            stored, flight = self._by_picture.limit(1), self._by_flight.with_for_update()
            for query in (stored, flight, stored):  # a flight may land between the first two
                if (row := connection.execute(query, values).first()) is not None:
                    return row
        if asking.joinable:
            # With a key of its own, only what was begun without one: another key, another picture.
            query = self._by_work if asking.key is None else self._by_open_work
            values = {"fingerprint": asking.fingerprint}
            return connection.execute(query.with_for_update(), values).first()
        return None

    def _named(self, connection: sa.Connection, asking: Asking) -> Any:
        """The row that the asking's key or task stands for, None if they are new."""
        for name in (asking.key, asking.task):
            if name is None:
                continue
            values = {"scope": asking.scope, "key": name}
            row = connection.execute(self._by_key.with_for_update(), values).first()
            if row is None:
                continue
            if row.named_hash != asking.request_hash:
                raise IdempotencyConflict(
                    f"The idempotency key of job {row.id} stands for another request. Use a key "
                    "of its own for each request.",
                    job_id=row.id,
                )
            return row
        return None

    def _name(self, connection: sa.Connection, asking: Asking, job_id: str) -> None:
        """Let the asking's new key or task stand for the job.

        That neither stood for anything was read a moment ago: if another process was quicker since,
        the insert fails, and all is undone.
        """
        for name in (asking.key, asking.task):
            if name is not None:
                connection.execute(
                    keys.insert().values(
                        scope=asking.scope,
                        key=name,
                        job_id=job_id,
                        request_hash=asking.request_hash,
                    )
                )
