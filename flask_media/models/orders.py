"""What a row asks for, and what happens once its transaction is committed: never before, and
never if it is rolled back."""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import logging
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session
from sqlalchemy.orm import SessionTransaction

from ..errors import MediaError
from ..errors import NotFound
from ..fields import fields
from ..inputs import check_config
from ..jobs.handle import MediaJob
from ..journal.codec import digest
from ..journal.codec import load_job
from ..journal.states import State
from ..request import this_celery_task
from ..service import MediaService
from ..types import MediaResult
from .rows import PENDING
from .rows import Outcome
from .rows import Rows
from .rows import begun
from .rows import completed
from .rows import delete_pictures
from .rows import failed
from .rows import record

logger = logging.getLogger(__name__)

_STAGED = "flask_media_staged"


@dataclasses.dataclass(kw_only=True, eq=False)
class Change(abc.ABC):
    """Something that is to be done for a row once its transaction is committed."""

    bind: sa.Engine | sa.Connection
    """The row's database."""
    rows: Rows
    identity: tuple[Any, ...]
    """The row's primary key."""

    @property
    def whose(self) -> tuple[Any, ...]:
        """Equal for two changes of which only the later one counts."""
        return type(self), self.rows.model, self.identity

    @abc.abstractmethod
    def place(self) -> None:
        """Do it."""

    def session(self) -> AbstractContextManager[Session]:
        """A session of its own, so that none of the caller's is committed or rolled back."""
        return Session(self.bind)


@dataclasses.dataclass(kw_only=True, eq=False)
class Order(Change):
    """A picture that a row asks for."""

    service: MediaService
    object_key: str = ""
    """Where the picture is to be stored."""
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Of ``generate_and_upload`` and ``generate_later``."""
    previous: str | None = None
    """The job of the picture that the row shows now."""
    is_again: bool = False
    """Whether the row asked for it before under this key, and knows of no picture."""

    @property
    def match(self) -> sa.ColumnElement[bool]:
        """The row, as long as it asks for this."""
        return sa.and_(self.rows.of_identity(self.identity), self.rows.of_key(self.object_key))

    def found(self) -> MediaResult | None:
        """The picture that was asked for before, if it was stored and the row never told."""
        if not self.is_again:
            return None
        try:
            job_id = self.service.info(self.object_key).job_id
            record = self.service.journal.record(job_id)
        except NotFound:
            return None
        if record.result is None or job_id == self.previous:
            return None
        made = load_job(job_id, record.spec, ())
        asked = self.arguments["prompt"], check_config(self.arguments.get("config"))
        if (made.original_prompt, made.config) != asked:
            return None  # under a key that all pictures of the row have
        return dataclasses.replace(MediaResult.from_dict(record.result), cached=True)

    def record(self, outcome: Outcome, *, is_asked: bool = True) -> None:
        """Write how it stands to the row, and delete what the row no longer shows."""
        written = record(self.session, self.rows, self.match, outcome, is_asked=is_asked)
        delete_pictures(self.service, written.replaced)

    def place(self) -> None:
        """Give it to the queue, now that the row is committed."""
        with self.session() as session:
            waits = self.rows.columns["image_generation_status"] == PENDING
            if not self.rows.exists(session, sa.and_(self.match, waits)):
                return  # something newer was asked for
        # Nobody is left to be told that it is under way, so wait=False changes nothing here.
        arguments: dict[str, Any] = {**self.arguments, "wait": True}
        try:
            if (stored := self.found()) is not None:
                self.record(completed(stored))
                return
            job = self.service.generate_later(**arguments)
        except Exception as error:
            # The commit has happened, so it must not fail: the row says what came of it.
            extra = fields(object_key=self.object_key, error=error)
            if isinstance(error, MediaError):
                logger.warning("%r is not ordered: %s", self.object_key, error, extra=extra)
            else:
                logger.exception("%r is not ordered", self.object_key, extra=extra)
            self.record(failed(error))
            return
        self.record(outcome_of(job) or begun(job.id, PENDING))
        if (outcome := outcome_of(job.refresh())) is not None:
            self.record(outcome)  # it was there already, or the queue was quicker


@dataclasses.dataclass(kw_only=True, eq=False)
class Farewell(Change):
    """A row that is deleted, with what is to go with it."""

    service: MediaService | None
    keys: list[str]
    job_id: str | None
    """The job that may still be at its picture."""

    def place(self) -> None:
        """Delete its picture, now that the row is gone."""
        with self.session() as session:
            if self.rows.exists(session, self.rows.of_identity(self.identity)):
                return
            is_joined = self.job_id is not None and self.rows.exists(
                session, self.rows.of_job(self.job_id)
            )
        if self.service is None:
            logger.warning(
                "%s is deleted outside an app context, so its pictures %s stay.",
                self.rows.table.fullname,
                self.keys,
            )
            return
        if self.job_id is not None and not is_joined:
            try:
                job = self.service.job(self.job_id)
                if job.object_key in self.keys:  # with reuse it can be another row's
                    job.cancel()
            except MediaError as error:
                extra = fields(job_id=self.job_id, error=error)
                logger.info("Job %s goes on: %s", self.job_id, error, extra=extra)
        delete_pictures(self.service, self.keys)


def outcome_of(job: MediaJob) -> Outcome | None:
    """What the journal says of a job, as a row says it; None while it only waits."""
    if (stored := job.stored) is not None:
        return completed(stored)
    if (error := job.error) is not None:
        return failed(error, job.id)
    return None if job.status == State.REQUESTED else begun(job.id)


def digest_of(arguments: Mapping[str, Any]) -> str:
    """Tells what a row asks for from what it asked for before, in 8 characters.

    :raises InvalidRequest: the config is none.
    """
    looks = check_config(arguments.get("config")).to_dict()
    references = [
        hashlib.sha256(one).hexdigest() if isinstance(one, bytes) else str(one)
        for one in arguments["reference_images"]
    ]
    return digest(str(arguments["prompt"]), looks, references)[:8]


def picture_name(order: Change, asked: str, idempotency_key: object) -> str:
    """A name for the next picture of a row: another one for each, in whatever database the row is.
    The row keeps it, so whoever asks for the same again finds it there.

    :param asked: the digest of what it asks for.
    """
    # A task that is delivered again, or a key that is given again, finds the row with its picture.
    task = this_celery_task()
    if idempotency_key is not None:
        source = f"key:{idempotency_key}"
    elif task is not None:
        source = f"task:{task}"
    else:
        return secrets.token_hex(8) + asked
    database = order.bind.engine.url.render_as_string()
    whose = order.rows.table.fullname, list(map(str, order.identity))
    return digest(database, whose, source)[:16] + asked


# Until the commit


def stage(session: Session, change: Change) -> None:
    """Have a change done when the session's transaction is committed, and forgotten if not."""
    staged = session.info.get(_STAGED)
    if staged is None:
        staged = session.info[_STAGED] = _Staged()
        event.listen(session, "after_transaction_create", staged.on_begin)
        event.listen(session, "after_soft_rollback", staged.on_rollback)
        event.listen(session, "after_commit", staged.on_commit)
        event.listen(session, "after_transaction_end", staged.on_end)
    staged.changes.append(change)


def unstage(session: Session, order: Order) -> None:
    """Forget what the same row asked for in this transaction, which is about to be committed."""
    if (staged := session.info.get(_STAGED)) is not None:
        staged.changes = [one for one in staged.changes if one.whose != order.whose]


class _Staged:
    """What a session is to do once its transaction is committed."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        """In the order in which they were asked for; of a row the last one counts."""
        self._savepoints: dict[SessionTransaction, int] = {}
        """How many changes there were when each was set; none before the first change was."""
        self._is_committed = False

    def on_begin(self, _session: Session, transaction: SessionTransaction) -> None:
        if transaction.nested:
            self._savepoints[transaction] = len(self.changes)

    def on_rollback(self, _session: Session, transaction: SessionTransaction) -> None:
        if transaction.nested:
            del self.changes[self._savepoints.get(transaction, 0) :]

    def on_commit(self, session: Session) -> None:
        if not session.in_nested_transaction():
            self._is_committed = True

    def on_end(self, _session: Session, transaction: SessionTransaction) -> None:
        # Not at the commit itself: only now is the session's connection back in its pool.
        if transaction.parent is not None:
            return
        changes = {change.whose: change for change in self.changes}
        is_committed = self._is_committed
        self.changes, self._savepoints, self._is_committed = [], {}, False
        if not is_committed:
            return
        for change in changes.values():
            try:
                change.place()
            except Exception:  # as of a database that went away after the commit
                logger.exception("A row of %s is out of step", change.rows.table.fullname)
