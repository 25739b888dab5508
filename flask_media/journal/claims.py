"""Taking jobs that are there: whose they are now, and what is known of them then."""

from __future__ import annotations

import json
import logging
import time
from typing import Any
from typing import TypeVar

import sqlalchemy as sa  # noqa: TID253 - the whole package is imported at the first use

from ..errors import NotFound
from ..errors import ObjectExists
from ..fields import fields
from . import spend
from .codec import dump
from .codec import dump_in_order
from .database import Database
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
from .schema import UNFINISHED_SQL
from .schema import jobs
from .spend import Budgets
from .states import State
from .steps import JournalSteps

logger = logging.getLogger(__name__)

_ASKS_AGAIN = (State.REQUESTED, State.UNKNOWN)
"""The states in which a job's next step is a call."""

Held = TypeVar("Held", bound=Claim | Finished | Busy)


class JournalClaims(JournalSteps):
    """Gives jobs to this process; see :class:`JournalSteps` for the parameters."""

    def __init__(
        self, database: Database, lease: float, budgets: Budgets, outbox: Outbox | None = None
    ) -> None:
        super().__init__(database, lease, budgets, outbox)
        self._by_flight = sa.select(*self._columns).where(jobs.c.flight == sa.bindparam("flight"))

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

    def _take(
        self,
        connection: sa.Connection,
        row: Any,
        *,
        is_named: bool = False,
        from_queue: bool = False,
        asking: Asking | None = None,
        nano: int = 0,
    ) -> Claim | Finished | Busy:
        record = Record.of_row(row)
        state = record.state
        if record.is_final:
            return Finished(record, is_named)
        is_waiting = from_queue and row.owner == QUEUE
        if state is not State.FAILED and is_live(row) and not is_waiting:
            if asking and asking.is_queued and not row.queued:
                # Whoever is at it does not wait for the asker, and may end before it is done.
                connection.execute(jobs.update().where(jobs.c.id == row.id).values(queued=1))
            return Busy(record, is_named)
        claim = self._claim(row, record, state=state)
        values: dict[str, Any] = {"error": None}  # it is under way again
        if state is State.FAILED:
            claim.state = State.REQUESTED
            values["flight"] = self._free(connection, asking.flight) if asking else None
            if asking and not asking.overwrite:
                self._check_is_free(connection, asking)
        elif state is State.GENERATING:
            values |= self._cut_off(claim, row)
        if asking and asking.is_queued:
            values |= self._queued_again(connection, claim, nano)
        if asking and not is_named and row.fingerprint == asking.fingerprint:
            spec = json.loads(row.spec) | {"metadata": json.loads(asking.spec)["metadata"]}
            values["spec"] = dump_in_order(spec)
        return claim if self._own(connection, claim, record, **values) else Busy(record, is_named)

    def _cut_off(self, claim: Claim, row: Any) -> dict[str, Any]:
        """What to record of a call whose process ended: what it came to, nobody knows."""
        claim.state = State.UNKNOWN
        # Unless it was only the journal that failed: then the call is counted.
        if "outcome" not in claim.attempts[-1]:
            claim.paid_calls += 1
        if claim.attempts[-1].get("outcome") not in ("refused", "failed"):
            claim.attempts[-1]["outcome"] = "unknown"
            logger.warning(
                "Job %s: its process ended within call %d, which may have been charged",
                *(claim.id, len(claim.attempts)),
                extra=fields(job_id=claim.id, attempt=len(claim.attempts)),
            )
        return {
            "paid_calls": claim.paid_calls,
            "attempts": dump(claim.attempts),
            "risk_nano": row.risk_nano + row.reserved_nano,
            "reserved_nano": 0,
        }

    def _queued_again(self, connection: sa.Connection, claim: Claim, nano: int) -> dict[str, Any]:
        """What to record of a job that waits in a queue again: its money is reserved, if its next
        step is a call."""
        if claim.state not in _ASKS_AGAIN or claim.reserved_nano:
            return {"queued": 1}
        day = spend.today()
        spend.reserve(connection, self.budgets, day=day, spender=claim.spender, nano=nano)
        claim.day, claim.reserved_nano = day, nano
        return {"queued": 1, "day": day, "reserved_nano": nano}

    def _claim(self, row: Any, record: Record, *, state: State) -> Claim:
        return Claim(
            id=record.id,
            epoch=record.epoch + 1,
            state=state,
            attempts=list(record.attempts),
            paid_calls=record.paid_calls,
            spender=record.spender,
            day=row.day,
            reserved_nano=row.reserved_nano if state in _ASKS_AGAIN else 0,
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
