"""The ends of jobs that a webhook is to tell of, from the commit of the end until it is delivered.

A letter is written in the transaction that records the end, so there is one for each end that is
recorded and none for one that is not.
"""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from typing import Any

import sqlalchemy as sa  # noqa: TID253 - the whole package is imported at the first use

from .codec import dump
from .database import Database
from .owner import is_gone
from .owner import this_process
from .schema import jobs
from .schema import webhooks
from .states import State

LEASE = 30.0
"""Seconds that a letter stays with a process that does not say what became of it; one that ended
on this host is noticed at once. Three times what a delivery may take."""

LOOKED_AT = 50
"""Letters that are looked at to find one to deliver."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Letter:
    """A message that this process is to deliver."""

    id: str
    """Names the message; the same in each try."""
    job_id: str
    body: str
    """What is sent, as JSON."""
    attempts: int
    """How often it was taken to be delivered, this time included."""
    age: float
    """Seconds since the job ended."""


class Outbox:
    """Keeps the letters, and says whose turn it is.

    :param database: the journal's.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self.notify: Callable[[], None] = lambda: None
        """Is called after a letter was committed, by whoever ended the job."""
        self.scopes: set[str] = set()
        """The storages whose jobs are told of: those of letters that this process wrote, too."""
        left = (webhooks.c.due_at - database.clock()).label("left")
        age = (database.clock() - webhooks.c.created_at).label("age")
        mine = webhooks.c.scope.in_(sa.bindparam("scopes", expanding=True))
        self._due = (
            sa.select(webhooks, left, age)
            .where(
                mine, sa.or_(webhooks.c.due_at <= database.clock(), webhooks.c.owner.is_not(None))
            )
            .order_by(webhooks.c.due_at)
            .limit(LOOKED_AT)
        )
        self._next = sa.select(sa.func.min(webhooks.c.due_at) - database.clock()).where(mine)

    def add(self, connection: sa.Connection, job_id: str) -> None:
        """Write a letter about how a job stands, in the transaction that says so.

        Not about a picture of ``generate``: whoever asked for it has it, and nothing is stored.
        """
        row = connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).one()
        if row.object_key is None:
            return
        self.scopes.add(row.scope)
        connection.execute(
            webhooks.insert().values(
                id=f"msg_{uuid.uuid4().hex}",
                job_id=job_id,
                scope=row.scope,
                body=dump(_event(row)),
                due_at=self._db.clock(),
                created_at=self._db.clock(),
            )
        )

    def take(self) -> Letter | None:
        """A letter that is due, for this process to deliver; None if there is none.

        :raises JournalError: the database refuses or can't be reached.
        """
        with self._db.read() as connection:
            rows = connection.execute(self._due, {"scopes": tuple(self.scopes)}).all()
        for row in rows:
            if row.left > 0 and (row.owner is None or not is_gone(row.owner)):
                continue
            taken = (
                webhooks.update()
                .where(webhooks.c.id == row.id, webhooks.c.attempts == row.attempts)
                .values(
                    owner=this_process(),
                    attempts=row.attempts + 1,
                    due_at=self._db.clock() + LEASE,
                )
            )
            # A power cut may undo this and what follows: then it is delivered again.
            with self._db.write(durable=False) as connection:
                if not connection.execute(taken).rowcount:
                    continue  # another process was quicker
            return Letter(
                id=row.id,
                job_id=row.job_id,
                body=row.body,
                attempts=row.attempts + 1,
                age=row.age,
            )
        return None

    def due_in(self) -> float | None:
        """Seconds until a letter is due; None if there are none.

        :raises JournalError: the database refuses or can't be reached.
        """
        with self._db.read() as connection:
            seconds: float | None = connection.scalar(self._next, {"scopes": tuple(self.scopes)})
        return seconds

    def again(self, letter: Letter, seconds: float) -> None:
        """Have a letter delivered later, by any process.

        :raises JournalError: it can't be recorded.
        """
        later = (
            webhooks.update()
            .where(webhooks.c.id == letter.id, webhooks.c.attempts == letter.attempts)
            .values(owner=None, due_at=self._db.clock() + seconds)
        )
        with self._db.write(durable=False) as connection:
            connection.execute(later)

    def drop(self, letter: Letter) -> None:
        """A letter is delivered, or given up: nobody delivers it again.

        :raises JournalError: it can't be recorded.
        """
        with self._db.write(durable=False) as connection:
            connection.execute(webhooks.delete().where(webhooks.c.id == letter.id))


def _event(row: Any) -> dict[str, Any]:
    """What a letter says of a job, by its row."""
    is_done = row.state in (State.UPLOADED.value, State.DONE.value)
    error = None if is_done or row.error is None else json.loads(row.error)
    return {
        "type": "media.job.done" if is_done else "media.job.failed",
        "job": {
            "id": row.id,
            # What is left to do then is to say so, here.
            "status": State.DONE.value if is_done else row.state,
            "object_key": row.object_key,
            "spender": row.spender,
            "prompt": json.loads(row.spec)["prompt"],
            "created_at": _moment(row.created_at),
            "updated_at": _moment(row.updated_at),
            "result": json.loads(row.result) if is_done else None,
            "error": error
            and {
                "type": error["type"],
                "message": error["state"]["message"],
                "retryable": error["retryable"],
            },
        },
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
