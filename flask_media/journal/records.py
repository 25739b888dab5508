"""What the journal says of a job, and the hold that a process has on one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ..errors import MediaError
from ..types import Usage
from .states import UNFINISHED
from .states import State

NANO = Decimal(1_000_000_000)
"""Parts of a US dollar that amounts are kept in: the smallest price of a token is some of them."""


def to_nano(usd: Decimal | None) -> int | None:
    """The amount in billionths of a US dollar."""
    return None if usd is None else int((usd * NANO).to_integral_value())


def to_usd(nano: int | None) -> Decimal | None:
    """The amount in US dollars."""
    return None if nano is None else Decimal(nano) / NANO


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asking:
    """One asking, as the journal tells it from others."""

    job_id: str
    """The id of the job, should it be a new one."""
    scope: str
    """The storage that it is for."""
    object_key: str | None
    """Where the picture goes; None for ``generate``."""
    fingerprint: str
    """The same for the same work."""
    request_hash: str
    """The same for the same work with the same metadata."""
    reuse_hash: str | None
    """The same for the same picture under any key; None if it may not be reused."""
    reuse: bool
    """Whether a stored picture of an equal request will do."""
    flight: str | None
    """Unique among unfinished jobs that others may join; None to be alone."""
    joinable: bool
    """Whether unfinished work of the same fingerprint is the same job."""
    key: str | None
    """The idempotency key."""
    task: str | None
    """The Celery task and request that ask."""
    spender: str
    """Who pays; empty for nobody in particular."""
    spec: str
    """The job as text."""
    references: tuple[bytes, ...]
    """The reference pictures."""
    is_queued: bool = False
    """Whether a new job waits for a queue to take it, rather than begins with a call."""
    overwrite: bool = True
    """Whether a new job may be for a key that another job is at."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """A job's row."""

    id: str
    scope: str
    state: State
    object_key: str | None
    spec: str
    spender: str
    owner: str | None
    epoch: int
    attempts: tuple[dict[str, Any], ...]
    """Each call: ``model``, ``at`` (seconds since 1970), ``outcome``, ``error``."""
    paid_calls: int
    """Calls that were charged or may have been."""
    model: str | None
    usage: Usage | None
    cost_usd: Decimal | None
    """What the calls cost, None where that is not known."""
    risk_usd: Decimal
    """What calls that were cut off may have cost besides."""
    result: dict[str, Any] | None
    error: str | None
    created_at: float
    updated_at: float

    @property
    def has_ended(self) -> bool:
        """Whether nobody goes on with it, unless somebody asks for that."""
        was_let_go = self.owner is None and self.error is not None
        return self.state not in UNFINISHED or was_let_go

    @property
    def is_final(self) -> bool:
        """Whether asking again changes nothing: it is done, or failed for good."""
        if self.state is State.FAILED:
            return not json.loads(self.error or "{}").get("retryable")
        return self.state in (State.DONE, State.QUARANTINED)

    @property
    def is_told(self) -> bool:
        """Whether its last signal is out, or nobody is left to send it."""
        return self.owner is None or self.state is State.DONE

    @classmethod
    def of_row(cls, row: Any) -> Record:
        """The record of a row of ``media_jobs``."""
        usage = json.loads(row.usage) if row.usage else None
        return cls(
            id=row.id,
            scope=row.scope,
            state=State(row.state),
            object_key=row.object_key,
            spec=row.spec,
            spender=row.spender,
            owner=row.owner,
            epoch=row.epoch,
            attempts=tuple(json.loads(row.attempts)),
            paid_calls=row.paid_calls,
            model=row.model,
            usage=Usage(**usage) if usage else None,
            cost_usd=to_usd(row.cost_nano),
            risk_usd=to_usd(row.risk_nano) or Decimal(0),
            result=json.loads(row.result) if row.result else None,
            error=row.error,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


@dataclasses.dataclass(kw_only=True, eq=False)
class Claim:
    """A process's hold on an unfinished job. Every write names its epoch, so that a process that
    lost its hold can write nothing more."""

    id: str
    epoch: int
    state: State
    attempts: list[dict[str, Any]]
    paid_calls: int
    spender: str
    day: str
    reserved_nano: int = 0
    is_new: bool = True
    """Whether the job was made by this asking."""
    has_references: bool = True
    """Whether the journal may have reference pictures of it."""
    is_told: bool = False
    """Whether ``generation_failed`` was sent for the error that the job stands with."""
    unwritten: dict[str, Any] = dataclasses.field(default_factory=dict)
    """What is to be recorded of the answer, while that has failed."""
    is_retried: Callable[[MediaError], bool] = lambda _: False
    """Whether its holder keeps it after that error, to try again by itself."""


@dataclasses.dataclass(frozen=True)
class Finished:
    """The job was finished before: with a result, or with an error for good."""

    record: Record
    is_named: bool = False
    """Whether the asking's key or task stands for it."""


@dataclasses.dataclass(frozen=True)
class Busy:
    """Another process or thread is at the job."""

    record: Record
    is_named: bool = False
    """Whether the asking's key or task stands for it."""
