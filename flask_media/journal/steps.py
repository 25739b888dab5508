"""The steps of a job that this process holds, each committed before the next is taken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import sqlalchemy as sa  # noqa: TID253 - the whole package is imported at the first use
from sqlalchemy import exc  # noqa: TID253

from ..errors import AnswerError
from ..errors import JournalError
from ..errors import MediaError
from ..types import MediaResult
from ..values import GenerationAnswer
from . import spend
from .catalog import Catalog
from .codec import dump
from .codec import dump_error
from .codec import dump_in_order
from .database import Database
from .leases import Keeper
from .listing import Listing
from .outbox import Outbox
from .owner import QUEUE
from .reader import JournalReader
from .records import Claim
from .records import to_nano
from .schema import UNFINISHED_SQL
from .schema import UNTOLD_SQL
from .schema import jobs
from .schema import pictures
from .schema import references
from .spend import Budgets
from .states import State


class LostHoldError(Exception):
    """Another process took the job over; whatever this one has is too late."""


class JournalSteps(JournalReader):
    """Writes what happens to the jobs that this process holds.

    :param database: where the journal is.
    :param lease: seconds that a job stays with a process that stopped renewing it.
    :param budgets: the limits of a day.
    :param outbox: has the ends of jobs that a webhook is to tell of, if there is one.
    """

    def __init__(
        self, database: Database, lease: float, budgets: Budgets, outbox: Outbox | None = None
    ) -> None:
        super().__init__(database)
        self.budgets = budgets
        """The limits of a day."""
        self.outbox = outbox
        """The ends of jobs that a webhook is to tell of; None where there is no webhook."""
        self.catalog = Catalog(database)
        """Lists what is stored."""
        self._keeper = Keeper(lease, self._renew)
        self._until = database.clock() + lease
        self._step = jobs.update().where(
            jobs.c.id == sa.bindparam("job"), jobs.c.epoch == sa.bindparam("held")
        )

    def close(self) -> None:
        """Close idle connections, and end the thread if no job is held. A later use opens anew."""
        super().close()
        self._keeper.close()

    def calling(self, claim: Claim, *, model: str, estimate: Decimal | None) -> None:
        """Record that a call is about to be sent.

        :raises BudgetExceeded: it does not fit in the budget.
        :raises JournalError: it can't be recorded; the call must not be made.
        """
        nano, day = to_nano(estimate) or 0, spend.today()
        claim.attempts.append({"model": model, "at": time.time()})
        try:
            with self._moving(claim, State.GENERATING) as connection:
                self._settle(connection, claim, 0)  # where "refused" could not be recorded
                spend.reserve(connection, self.budgets, day=day, spender=claim.spender, nano=nano)
                self._write(connection, claim, reserved_nano=nano, day=day, error=None)
        except BaseException:
            claim.attempts.pop()
            raise
        claim.day, claim.reserved_nano, claim.is_told = day, nano, False

    def refused(self, claim: Claim, error: MediaError) -> None:
        """Record that the call was refused and cost nothing."""
        claim.attempts[-1] |= {"outcome": "refused", "error": type(error).__name__}
        with self._moving(claim, State.REQUESTED) as connection:
            self._settle(connection, claim, 0)
            self._write(connection, claim, reserved_nano=0)
        claim.reserved_nano = 0

    def unknown(self, claim: Claim, error: MediaError) -> None:
        """Record that the call was cut off: it may have been charged. Its error is recorded when
        the job is let go, after its signal."""
        claim.attempts[-1] |= {"outcome": "unknown", "error": type(error).__name__}
        claim.paid_calls += 1
        with self._moving(claim, State.UNKNOWN) as connection:
            self._write(
                connection,
                claim,
                risk_nano=jobs.c.risk_nano + claim.reserved_nano,
                reserved_nano=0,
            )
        claim.reserved_nano = 0

    def generated(self, claim: Claim, answer: GenerationAnswer) -> None:
        """Record the picture's bytes and what they cost, at once."""
        claim.attempts[-1]["outcome"] = "generated"
        claim.paid_calls += 1
        claim.unwritten = {
            "model": answer.model,
            "usage": dump(answer.usage.to_dict()) if answer.usage else None,
            "cost_nano": to_nano(answer.cost_usd),
        }
        self.kept(claim, answer.data)

    def kept(self, claim: Claim, data: bytes) -> None:
        """Record the picture's bytes, once more where that failed when they came."""
        with self._moving(claim, State.GENERATED) as connection:
            self._write(connection, claim, **self._answered(connection, claim))
            connection.execute(_insert_picture, {"job_id": claim.id, "data": data})
        claim.reserved_nano, claim.unwritten = 0, {}

    def _answered(self, connection: sa.Connection, claim: Claim) -> dict[str, Any]:
        """Settle an answer that is not recorded yet, and give what its row shall say."""
        if not claim.unwritten:
            return {}
        cost = claim.unwritten["cost_nano"]
        self._settle(connection, claim, cost)
        values = claim.unwritten | {"reserved_nano": 0}
        if cost is None:  # nobody knows: what was expected
            values["risk_nano"] = jobs.c.risk_nano + claim.reserved_nano
        return values

    def quarantined(self, claim: Claim, error: MediaError, data: bytes | None = None) -> None:
        """Record that what came is no usable picture. Its bytes stay.

        :param data: the bytes, where they are not recorded yet.
        """
        if "outcome" not in claim.attempts[-1]:
            claim.attempts[-1] |= {"outcome": "quarantined", "error": type(error).__name__}
            claim.paid_calls += 1
        with self._moving(claim, State.QUARANTINED) as connection:
            if data is not None:
                connection.execute(_insert_picture, {"job_id": claim.id, "data": data})
            paid = self._answered(connection, claim) or {
                "risk_nano": jobs.c.risk_nano + claim.reserved_nano,
                "reserved_nano": 0,
            }
            self._write(connection, claim, error=dump_error(error), flight=None, **paid)
        claim.reserved_nano, claim.unwritten = 0, {}

    def uploaded(
        self,
        claim: Claim,
        result: MediaResult,
        scope: str,
        listing: Listing,
        has_receivers: bool,
    ) -> tuple[list[str], bool]:
        """Record that the storage has the picture, list it, and let its bytes go.

        :param has_receivers: somebody is to be told of it; else the job is finished.
        :returns: as :meth:`Catalog.put`.
        """
        with self._moving(claim, State.UPLOADED if has_receivers else State.DONE) as connection:
            values = self._answered(connection, claim)
            if not has_receivers:
                values["flight"] = None
            self._write(
                connection, claim, result=dump_in_order(result.to_dict()), error=None, **values
            )
            self._let_go(connection, claim)
            listed = self.catalog.put(connection, scope, listing)
        claim.reserved_nano, claim.unwritten = 0, {}
        return listed

    def done(self, claim: Claim) -> None:
        """Record that the job is finished. Lost with a power cut, its signals are sent again."""
        with self._moving(claim, State.DONE, durable=False) as connection:
            self._write(connection, claim, flight=None)

    def returned(self, claim: Claim) -> None:
        """Record that a picture that is not stored was handed to its caller."""
        with self._moving(claim, State.DONE) as connection:
            answered = self._answered(connection, claim)
            self._write(connection, claim, flight=None, **answered)
            self._let_go(connection, claim)

    def _let_go(self, connection: sa.Connection, claim: Claim) -> None:
        connection.execute(_delete_picture, {"job": claim.id})
        if claim.has_references:
            connection.execute(_delete_references, {"job": claim.id})

    def failed(self, claim: Claim, error: MediaError, *, paid: bool = False) -> None:
        """Record that no picture came, for good unless the job's holder tries again by itself.

        It is this process's until it is let go, so that ``generation_failed`` is sent by another
        one if this one ends before.

        :param error: why; what it says that the answer cost may have been charged.
        :param paid: whether the last call was answered and may have been charged.
        """
        if claim.attempts and "outcome" not in claim.attempts[-1]:
            claim.attempts[-1] |= {"outcome": "failed", "error": type(error).__name__}
            if isinstance(error, AnswerError) and error.usage:
                claim.attempts[-1]["usage"] = error.usage.to_dict()
        claim.paid_calls += paid
        cost = to_nano(error.cost_usd) if isinstance(error, AnswerError) else None
        if cost is None:
            cost = claim.reserved_nano if paid else 0
        ended: dict[str, Any] = {"error": dump_error(error), "flight": None}
        state = State.FAILED
        if claim.is_retried(error):
            ended, state = {}, State.REQUESTED
        with self._moving(claim, state) as connection:
            self._settle(connection, claim, cost)
            self._write(
                connection,
                claim,
                risk_nano=jobs.c.risk_nano + cost,
                reserved_nano=0,
                **ended,
            )
        claim.reserved_nano, claim.is_told = 0, False

    def release(self, claim: Claim, error: MediaError | None = None) -> None:
        """Let go of a job, for whoever asks next; it keeps its state.

        :param error: why there is no result. Its signals are out.
        """
        self._keeper.release(claim)
        values: dict[str, Any] = {"error": dump_error(error)} if error else {}
        is_freed = error is not None and claim.state in (State.REQUESTED, State.UNKNOWN)
        if is_freed:
            values["reserved_nano"] = 0
        is_given_up = error is not None and claim.state in _ON_THE_WAY and not claim.is_told
        try:
            if claim.state is not State.DONE:
                with self._db.write() as connection:
                    if is_freed:
                        self._settle(connection, claim, 0)
                    # Not over a step whose commit was lost on its way here: nobody could go on.
                    step = self._step
                    if claim.state is not State.REQUESTED:
                        step = step.where(jobs.c.state == claim.state.value)
                    self._write(connection, claim, step, owner=None, lease_until=0.0, **values)
                    if is_given_up:
                        self._post(connection, claim)
                if is_given_up:
                    self._posted()
        except LostHoldError:
            pass  # whoever took it over holds it
        finally:
            self.changes.tell()

    def hand_over(self, claim: Claim, seconds: float) -> bool:
        """Leave a job to the processes that take jobs from a queue.

        :param seconds: after which it is anybody's, as when the queue has lost it.
        :returns: False if it was cancelled or another process took it over.
        """
        self._keeper.release(claim)
        until = self._db.clock() + seconds
        try:
            with self._db.write() as connection:
                self._write(connection, claim, owner=QUEUE, queued=1, lease_until=until)
        except LostHoldError:
            return False
        return True

    @contextmanager
    def _moving(
        self, claim: Claim, state: State, *, durable: bool = True
    ) -> Iterator[sa.Connection]:
        """A transaction that takes the job to that state."""
        before = claim.state
        is_end = state in _ENDS and before is not State.UPLOADED  # which was its end already
        try:
            with self._db.write(durable=durable) as connection:
                claim.state = state
                yield connection
                if is_end:
                    self._post(connection, claim)
        except (JournalError, exc.IntegrityError):  # the latter at a second try
            if not self._has_moved(claim, before, state):
                claim.state = before
                raise
        except BaseException:
            claim.state = before
            raise
        if is_end:
            self._posted()
        self.changes.tell()

    def _has_moved(self, claim: Claim, before: State, state: State) -> bool:
        """Whether the job was taken to the state by a commit whose answer was lost."""
        if before is state:
            return False  # its row would say so in either case
        held = sa.select(jobs.c.id).where(
            jobs.c.id == claim.id, jobs.c.epoch == claim.epoch, jobs.c.state == state.value
        )
        try:
            with self._db.read() as connection:
                return connection.execute(held).first() is not None
        except JournalError:
            return False

    def _post(self, connection: sa.Connection, claim: Claim) -> None:
        """Have a webhook tell how the job stands, if there is one and this is committed."""
        if self.outbox is not None:
            self.outbox.add(connection, claim.id)

    def _posted(self) -> None:
        if self.outbox is not None:
            self.outbox.notify()

    def _write(
        self,
        connection: sa.Connection,
        claim: Claim,
        step: sa.Update | None = None,
        **values: Any,
    ) -> None:
        """Write the state and what is known of the calls, and the values."""
        parameters: dict[str, Any] = {
            "job": claim.id,
            "held": claim.epoch,
            "updated_at": time.time(),
            "attempts": dump(claim.attempts),
            "paid_calls": claim.paid_calls,
            "state": claim.state.value,
        }
        expressions = {
            name: value for name, value in values.items() if isinstance(value, sa.ClauseElement)
        }
        statement = self._step if step is None else step
        if expressions:
            statement = statement.values(**expressions)
        parameters |= {name: value for name, value in values.items() if name not in expressions}
        if not connection.execute(statement, parameters).rowcount:
            raise LostHoldError(claim.id)

    def _settle(self, connection: sa.Connection, claim: Claim, cost: int | None) -> None:
        change = 0 if cost is None else cost - claim.reserved_nano
        spend.settle(connection, self.budgets, day=claim.day, spender=claim.spender, change=change)

    def _renew(self, held: list[Claim]) -> None:
        with self._db.write() as connection:
            connection.execute(
                self._step.where(_held).values(lease_until=self._until),
                [{"job": claim.id, "held": claim.epoch} for claim in held],
            )


_held = sa.or_(sa.text(UNFINISHED_SQL), sa.text(UNTOLD_SQL))

_ENDS = (State.UPLOADED, State.DONE, State.FAILED, State.QUARANTINED)
"""The states that a webhook tells of."""

_ON_THE_WAY = (State.REQUESTED, State.GENERATING, State.GENERATED, State.UNKNOWN)
"""The states in which a job that is let go with an error is given up, as far as anybody can see."""

_insert_picture = pictures.insert()
_delete_picture = pictures.delete().where(pictures.c.job_id == sa.bindparam("job"))
_delete_references = references.delete().where(references.c.job_id == sa.bindparam("job"))
