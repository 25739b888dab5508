"""The journal: every step of a job is committed before the next is taken."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any
from typing import TypeVar

import sqlalchemy as sa  # noqa: TID253 - the whole package is imported at the first use
from sqlalchemy import exc  # noqa: TID253

from ..errors import IdempotencyConflict
from ..errors import NotFound
from ..errors import ObjectExists
from . import spend
from .codec import dump
from .outbox import Outbox
from .owner import QUEUE
from .owner import this_process
from .reader import is_live
from .reader import is_untold
from .records import Asking
from .records import Busy
from .records import Claim
from .records import Finished
from .records import Record
from .records import to_nano
from .schema import UNFINISHED_SQL
from .schema import Database
from .schema import jobs
from .schema import keys
from .schema import references
from .spend import Budgets
from .states import State
from .steps import JournalSteps

Held = TypeVar("Held", bound=Claim | Finished | Busy)


class Journal(JournalSteps):
    """The record of all jobs of one app, or of many apps and hosts that share a database.

    :param url: an SQLAlchemy URL of SQLite or PostgreSQL; nothing is opened before the first use.
    :param lease: seconds that a job stays with a process that stopped renewing it.
    :param budgets: the limits of a day.
    :param has_webhook: whether the ends of jobs are recorded for delivery too.
    """

    def __init__(
        self, url: str, *, lease: float, budgets: Budgets, has_webhook: bool = False
    ) -> None:
        database = Database(url, budgets.forget_unkept)
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
        self._by_flight = sa.select(*columns).where(jobs.c.flight == sa.bindparam("flight"))
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

    def claim(
        self, job_id: str, *, from_queue: bool = False, anew: bool = True
    ) -> Claim | Finished | Busy:
        """Take a job by its id.

        :param from_queue: take one that waits in a queue too.
        :param anew: take one that ended with an error that can pass too.
        :raises NotFound: there is none.
        :raises JournalError: it can't be recorded.
        """
        with self._db.write() as connection:
            row = connection.execute(self._by_id.with_for_update(), {"job": job_id}).first()
            if row is None:
                raise NotFound(f"The journal has no job {job_id!r}.")
            if not anew and (record := Record.of_row(row)).has_ended:
                return Finished(record)
            held = self._take(connection, row, from_queue=from_queue)
        return self._kept(held)

    def seize(self, job_id: str) -> Claim | None:
        """Take a job whose model is not being asked, whoever holds it.

        :returns: None if the model is being asked or was, or the job is finished.
        :raises NotFound: there is none.
        :raises JournalError: it can't be recorded.
        """
        with self._db.write() as connection:
            row = connection.execute(self._by_id.with_for_update(), {"job": job_id}).first()
            if row is None:
                raise NotFound(f"The journal has no job {job_id!r}.")
            if row.state not in (State.REQUESTED.value, State.UNKNOWN.value):
                return None
            claim = self._taken(connection, row)
        return self._kept(claim) if claim else None

    def take_untold(self, job_id: str) -> Claim | None:
        """Take a job that ended without a picture, in a process that ended before it told so.

        :returns: None if another process was quicker.
        :raises JournalError: it can't be recorded.
        """
        with self._db.write() as connection:
            row = connection.execute(self._by_id.with_for_update(), {"job": job_id}).first()
            if row is None or not is_untold(row):
                return None
            claim = self._taken(connection, row)
        return self._kept(claim) if claim else None

    def _taken(self, connection: sa.Connection, row: Any) -> Claim | None:
        record = Record.of_row(row)
        claim = self._claim(row, record, state=record.state)
        return claim if self._own(connection, claim, record) else None

    def _kept(self, held: Held) -> Held:
        """See to it that a job that is taken stays so. Only now: before it was not committed."""
        if isinstance(held, Claim):
            self._keeper.hold(held)
        return held

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
            return self._take(connection, row, is_named=is_named, asking=asking)
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

    def _check_is_free(self, connection: sa.Connection, asking: Asking) -> None:
        """Refuse a key that another job is at. Those that come at once take turns here."""
        place = f"{asking.scope} {asking.object_key}"
        if not self._db.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(place))))
        other = connection.execute(
            sa.select(jobs.c.id).where(
                sa.text(UNFINISHED_SQL),
                jobs.c.scope == asking.scope,
                jobs.c.object_key == asking.object_key,
            )
        ).first()
        if other is not None:
            raise ObjectExists(f"Another job is making {asking.object_key!r}.", job_id=other.id)

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

    def _take(
        self,
        connection: sa.Connection,
        row: Any,
        *,
        is_named: bool = False,
        from_queue: bool = False,
        asking: Asking | None = None,
    ) -> Claim | Finished | Busy:
        record = Record.of_row(row)
        state = record.state
        if state in (State.DONE, State.QUARANTINED):
            return Finished(record, is_named)
        if state is State.FAILED and not json.loads(record.error or "{}").get("retryable"):
            return Finished(record, is_named)
        is_waiting = from_queue and row.owner == QUEUE
        if state is not State.FAILED and is_live(row) and not is_waiting:
            return Busy(record, is_named)
        claim = self._claim(row, record, state=state)
        values: dict[str, Any] = {}
        if state is State.FAILED:
            claim.state = State.REQUESTED
            values = {"flight": self._free(connection, asking.flight) if asking else None}
        elif state is State.GENERATING:
            # Its process ended within a call: what that came to, nobody knows.
            claim.state = State.UNKNOWN
            # Unless it was only the journal that failed: then the call is counted.
            if "outcome" not in claim.attempts[-1]:
                claim.paid_calls += 1
            if claim.attempts[-1].get("outcome") not in ("refused", "failed"):
                claim.attempts[-1]["outcome"] = "unknown"
            values = {
                "paid_calls": claim.paid_calls,
                "attempts": dump(claim.attempts),
                "risk_nano": row.risk_nano + row.reserved_nano,
                "reserved_nano": 0,
            }
        if asking and asking.is_queued:
            values["queued"] = 1
        return claim if self._own(connection, claim, record, **values) else Busy(record, is_named)

    def _claim(self, row: Any, record: Record, *, state: State) -> Claim:
        return Claim(
            id=record.id,
            epoch=record.epoch + 1,
            state=state,
            attempts=list(record.attempts),
            paid_calls=record.paid_calls,
            spender=record.spender,
            day=row.day,
            reserved_nano=row.reserved_nano if state is State.REQUESTED else 0,
            is_new=False,
            is_told=state is State.UNKNOWN and record.error is not None,
        )

    def _own(self, connection: sa.Connection, claim: Claim, record: Record, **values: Any) -> bool:
        """Make the job this process's, unless another one was quicker."""
        done = connection.execute(
            self._step.values(lease_until=self._until),
            {
                "job": record.id,
                "held": record.epoch,
                "epoch": claim.epoch,
                "owner": this_process(),
                "state": claim.state.value,
                "updated_at": time.time(),
                **values,
            },
        )
        return bool(done.rowcount)

    def _free(self, connection: sa.Connection, flight: str | None) -> str | None:
        """The flight, unless another job has it."""
        taken = flight and connection.execute(self._by_flight, {"flight": flight}).first()
        return None if taken else flight
