"""What a row says of its picture, and how that is written.

Each write is a comparison and a swap: it names what was read, and changes nothing where the row
has moved on meanwhile. So it does not matter how often, in which order or by how many processes
the same end is told.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Mapper
from sqlalchemy.orm import Session

from ..errors import MediaError
from ..fields import fields
from ..service import MediaService
from ..types import MediaResult

logger = logging.getLogger(__name__)

PENDING = "pending"
"""Nobody is at it; also what a row begins with that never asked for a picture."""
GENERATING = "generating"
COMPLETED = "completed"
FAILED = "failed"

TRACKER = "media_models"
"""Where ``app.extensions`` has what writes the ends of jobs to rows; see ``track_media``."""

UNTRACKED = "media_models_untracked"
"""Where ``app.extensions`` has the models that were warned of since there is no such thing."""

COLUMNS = (
    "image_url",
    "image_prompt",
    "image_generation_status",
    "image_object_key",
    "image_job_id",
    "image_result",
    "image_error",
    "image_retryable",
)
"""The attributes of a row that are about its picture."""

TRIES = 10
"""How often a write is tried that another one came before."""

Sessions: TypeAlias = Callable[[], AbstractContextManager[Session]]
"""Opens a session of its own, which is closed at the end."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job stands, as a row says it."""

    job_id: str | None
    """The job; None where it ended before there was one."""
    status: str
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """The attributes that change with it."""


def begun(job_id: str | None, status: str = GENERATING) -> Outcome:
    """A job that is under way, or waits."""
    return Outcome(
        job_id=job_id, status=status, values={"image_error": None, "image_retryable": None}
    )


def completed(result: MediaResult) -> Outcome:
    """A job whose picture is stored."""
    return Outcome(
        job_id=result.job_id,
        status=COMPLETED,
        values={
            "image_url": result.url,
            "image_result": result.to_dict(),
            "image_error": None,
            "image_retryable": None,
        },
    )


def failed(error: Exception, job_id: str | None = None) -> Outcome:
    """A job that gave no picture."""
    return Outcome(
        job_id=job_id or getattr(error, "job_id", None),
        status=FAILED,
        values={
            "image_error": type(error).__name__[:64],
            "image_retryable": isinstance(error, MediaError) and error.retryable,
        },
    )


class Rows:
    """The rows of a model, as its table has them.

    :param model: a mapped class.
    """

    def __init__(self, model: type[Any]) -> None:
        self.model = model
        mapper: Mapper[Any] = sa.inspect(model)
        self._mapper = mapper
        self.columns = {name: mapper.columns[name] for name in COLUMNS}
        self.table: sa.Table = self.columns["image_object_key"].table
        self._primary_key = list(self.table.primary_key.columns)

    def of_key(self, object_key: str) -> sa.ColumnElement[bool]:
        """Those whose picture is, or is to be, under that key."""
        return self.columns["image_object_key"] == object_key

    def of_job(self, job_id: str) -> sa.ColumnElement[bool]:
        """Those that wait for that job, or show its picture; with ``reuse`` it has another key."""
        return self.columns["image_job_id"] == job_id

    def of_identity(self, identity: Iterable[Any]) -> sa.ColumnElement[bool]:
        """The one of that primary key."""
        return sa.and_(
            *(column == value for column, value in zip(self._primary_key, identity, strict=True))
        )

    def hold(self, session: Session, identity: Iterable[Any]) -> None:
        """Have all others wait who would write the row, until the session's transaction ends."""
        # SQLite knows no SELECT ... FOR UPDATE.
        key = self.columns["image_object_key"]
        change = sa.update(self.table).where(self.of_identity(identity)).values({key: key})
        session.execute(change, bind_arguments=self._bound)

    def exists(self, session: Session, match: sa.ColumnElement[bool]) -> bool:
        """Whether there is such a row."""
        query = sa.select(sa.literal(1)).select_from(self.table).where(match).limit(1)
        return session.scalar(query, bind_arguments=self._bound) is not None

    def write(
        self, session: Session, match: sa.ColumnElement[bool], outcome: Outcome, *, is_asked: bool
    ) -> Written:
        """Write an outcome to the rows that it is about, in the session's transaction.

        :param is_asked: the outcome of what was asked for just now, so that it counts whatever job
            the row knows of; else the row must know that job, or none yet.
        """
        columns = self.columns
        said = {name: columns[name] for name in ("image_generation_status", "image_job_id")}
        query = sa.select(
            *self._primary_key, *said.values(), columns["image_result"].label("result")
        ).where(match)
        # Locked where the database can do that; of two writers the later one waits.
        found = session.execute(query.with_for_update(), bind_arguments=self._bound).all()
        written = Written(is_found=bool(found))
        for row in found:
            identity = row[: len(self._primary_key)]
            status, job_id = row[len(identity)], row[len(identity) + 1]
            if not _applies(status, job_id, outcome, is_asked=is_asked):
                continue
            change = (
                sa.update(self.table)
                .where(
                    self.of_identity(identity),
                    match,
                    said["image_generation_status"] == status,
                    said["image_job_id"].is_not_distinct_from(job_id),
                )
                .values(self._by_column(outcome))
            )
            done: Any = session.execute(change, bind_arguments=self._bound)
            if not done.rowcount:
                written.is_whole = False
            elif outcome.status == COMPLETED:
                new = outcome.values["image_result"]["object_key"]
                written.replaced += [
                    key for key in self.own_keys(identity, row.result) if key != new
                ]
        return written

    def own_keys(self, identity: Iterable[Any], result: Mapping[str, Any] | None) -> list[str]:
        """The key of a row's stored picture, if it is to be deleted with it; none of a picture
        that another row asked for (``reuse``)."""
        if result is None or not self.is_own(result, identity):
            return []
        return [result["object_key"]]

    def is_own(self, result: Mapping[str, Any], identity: Iterable[Any] | None = None) -> bool:
        """Whether a picture was asked for by a row here, or by that one, and is to go with it."""
        marks = self.marks(identity or ())
        if identity is None:
            del marks["model_id"]
        return bool(self.model.__media_delete__) and marks.items() <= result["metadata"].items()

    def marks(self, identity: Iterable[Any]) -> dict[str, str]:
        """The metadata that says whose picture it is."""
        return {"model": self.table.fullname, "model_id": ",".join(map(str, identity))}

    def _by_column(self, outcome: Outcome) -> dict[Any, Any]:
        values = {
            "image_job_id": outcome.job_id,
            "image_generation_status": outcome.status,
            **outcome.values,
        }
        return {self.columns[name]: value for name, value in values.items()}

    @property
    def _bound(self) -> dict[str, Any]:
        return {"mapper": self._mapper}  # sessions of several databases choose by it


@dataclasses.dataclass(kw_only=True)
class Written:
    """What became of a write."""

    is_found: bool
    """Whether there are rows that it is about."""
    is_whole: bool = True
    """Whether no row changed between reading and writing."""
    replaced: list[str] = dataclasses.field(default_factory=list)
    """The keys of pictures that no row shows any more, and that are to be deleted."""


def _applies(status: str, job_id: str | None, outcome: Outcome, *, is_asked: bool) -> bool:
    if job_id == outcome.job_id and job_id is not None:
        if outcome.status in (COMPLETED, FAILED):
            return status not in (COMPLETED, outcome.status)
        if is_asked:
            return False  # it was begun meanwhile
        return status in (PENDING, FAILED)
    return is_asked or job_id is None


def record(
    sessions: Sessions,
    rows: Rows,
    match: sa.ColumnElement[bool],
    outcome: Outcome,
    *,
    is_asked: bool = False,
) -> Written:
    """Write an outcome to the rows that it is about, in a transaction of its own."""
    for _ in range(TRIES):
        with sessions() as session:
            written = rows.write(session, match, outcome, is_asked=is_asked)
            if written.is_whole:
                session.commit()
                return written
            session.rollback()
    raise RuntimeError(f"Rows of {rows.table.fullname} change faster than they can be written.")


def delete_pictures(service: MediaService, keys: Iterable[str]) -> None:
    """Delete pictures that no row shows any more. One that can't be deleted is logged."""
    for key in keys:
        try:
            service.delete(key)
        except MediaError as error:
            # The journal has noted that it is to go, unless the journal is what failed.
            extra = fields(object_key=key, error=error)
            logger.warning(
                "The picture %r of no row is not deleted yet: %s", key, error, extra=extra
            )
