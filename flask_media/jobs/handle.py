"""The handle that whoever asked has on a job in the background."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from collections.abc import Callable
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING
from typing import Self

from ..awaited import Threads
from ..errors import MediaError
from ..journal.states import State
from ..variants import VariantSpec

if TYPE_CHECKING:
    from ..journal.records import Record
    from ..pipeline import Pipeline
    from ..types import Attempt
    from ..types import MediaResult
    from ..types import Usage

PROGRESS = {
    State.REQUESTED: 0.0,
    State.GENERATING: 0.2,
    State.UNKNOWN: 0.2,
    State.GENERATED: 0.7,
    State.UPLOADED: 0.9,
    State.DONE: 1.0,
    State.FAILED: 1.0,
    State.QUARANTINED: 1.0,
}
"""How far a job is, by the steps that it has taken; how long the next one takes, nobody knows."""


def _is_over(record: Record) -> bool:
    return record.has_ended and record.is_told


class MediaJob:
    """A picture that is made in the background.

    Made by ``generate_later`` and ``job``. What it says is as of when it was made or last
    refreshed.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        record: Record,
        *,
        is_found: bool = False,
        is_reused: bool = False,
        variants: Mapping[str, VariantSpec] | None = MappingProxyType({}),
        start_queue: Callable[[], None] = lambda: None,
        threads: Threads | None = None,
    ) -> None:
        # Whether the picture was there already when it was asked for, as another request's too.
        self._pipeline = pipeline
        self._record = record
        self._is_found = is_found
        self._is_reused = is_reused
        # What was asked for of another asking's picture: its job knows of its own alone.
        self._variants = variants
        self._start_queue = start_queue
        self._threads = threads or Threads(1)

    def __repr__(self) -> str:
        return f"<MediaJob {self.id} {self.status}>"

    @property
    def id(self) -> str:
        """Names the job in logs, signals, errors and results."""
        return self._record.id

    @property
    def status(self) -> str:
        """The journal's state: ``done``, ``failed`` and ``quarantined`` are the ends."""
        return self._record.state.value

    @property
    def progress(self) -> float:
        """Which part of the steps is taken, 0 to 1."""
        return PROGRESS[self._record.state]

    @property
    def has_ended(self) -> bool:
        """Whether nobody goes on with it: it is at an end, or was given up with an error that
        ``resume`` may mend."""
        return self._record.has_ended

    @property
    def object_key(self) -> str | None:
        """Where the picture goes."""
        return self._record.object_key

    @property
    def spender(self) -> str:
        """Who pays; empty for nobody in particular."""
        return self._record.spender

    @property
    def created_at(self) -> datetime:
        """When it was asked for, in UTC."""
        return datetime.fromtimestamp(self._record.created_at, UTC)

    @property
    def updated_at(self) -> datetime:
        """When its last step was recorded, in UTC."""
        return datetime.fromtimestamp(self._record.updated_at, UTC)

    @property
    def prompt(self) -> str:
        """What was asked for, in the caller's words."""
        return str(json.loads(self._record.spec).get("original_prompt") or "")

    @property
    def model(self) -> str | None:
        """The model that drew the picture, or that was asked last; None before the first call."""
        calls = self._record.attempts
        return self._record.model or (calls[-1].get("model") if calls else None)

    @property
    def usage(self) -> Usage | None:
        """Tokens as the provider counted them, or None."""
        return self._record.usage

    @property
    def cost_usd(self) -> Decimal | None:
        """What its calls cost in US dollars, as far as that is known; None where it is not."""
        return self._record.cost_usd

    @property
    def possible_usd(self) -> Decimal:
        """US dollars that calls which were cut off, or whose price is not known, may have cost
        besides."""
        return self._record.risk_usd

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The calls to the model, in order."""
        from ..types import Attempt

        return tuple(
            Attempt(
                model=call["model"],
                at=datetime.fromtimestamp(call["at"], UTC),
                outcome=call.get("outcome"),
                error=call.get("error"),
            )
            for call in self._record.attempts
        )

    @property
    def error(self) -> MediaError | None:
        """Why there is no picture; None while there may be one."""
        record = self._record
        if record.error is None or not record.has_ended or record.result is not None:
            return None
        from ..journal.codec import load_error

        error = load_error(record.error)
        error.job_id = record.id
        return error

    @property
    def stored(self) -> MediaResult | None:
        """The result once the picture is stored, else None."""
        values = self._record.result
        if values is None:
            return None
        from ..types import MediaResult

        result = self._pipeline.with_variants(MediaResult.from_dict(values), self._variants)
        if self._is_reused:
            return dataclasses.replace(result, cached=True, cost_usd=Decimal(0))
        return dataclasses.replace(result, cached=True) if self._is_found else result

    def refresh(self) -> Self:
        """Read again how it stands.

        :returns: this job.
        :raises NotFound: the journal has forgotten it.
        """
        self._record = self._pipeline.journal.record(self.id)
        return self

    def changed(self, timeout: float | None = None) -> bool:
        """Wait until it stands otherwise than this handle says, and say so from then on.

        :param timeout: seconds; None waits as long as it takes.
        :returns: False when the time was up first.
        :raises NotFound: the journal has forgotten it.
        """
        known = self._record
        if not self.has_ended:
            self._start_queue()  # its process may have died, and nobody else may be at it
        record = self._pipeline.journal.until(
            self.id, lambda record: record != known, timeout=timeout
        )
        self._record = record or known
        return record is not None

    def result(self, timeout: float | None = None) -> MediaResult:
        """Wait for the picture.

        :param timeout: seconds; None waits as long as it takes.
        :raises TimeoutError: it is not there yet; the job goes on.
        :raises JobCancelled: it was cancelled.
        :raises MediaError: there will be none, as :meth:`MediaService.generate_and_upload`.
        """
        record = self._pipeline.journal.until(self.id, _is_over, timeout=timeout)
        return self._came(timeout, is_over=record is not None)

    async def aresult(self, timeout: float | None = None) -> MediaResult:  # noqa: ASYNC109
        """As :meth:`result`, to be awaited. No thread waits meanwhile: this process tells of its
        own steps, and those of others are looked up, every half second at last."""
        import asyncio

        loop, moved = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed in the middle of this
                loop.call_soon_threadsafe(moved.set)

        journal = self._pipeline.journal
        end, pause = math.inf if timeout is None else loop.time() + timeout, 0.01
        with journal.changes.heard_by(tell):
            while not (is_over := _is_over(await self._threads.run(journal.record, self.id))):
                if (left := min(pause, end - loop.time())) <= 0:
                    break
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(moved.wait(), left)
                moved.clear()
                pause = min(pause * 1.5, 0.5)
        return await self._threads.run(self._came, timeout, is_over=is_over)

    def _came(self, timeout: float | None, *, is_over: bool) -> MediaResult:
        self.refresh()
        if not is_over:
            raise TimeoutError(f"Job {self.id} is {self.status} after {timeout} s.")
        result = self.stored
        if result is None:
            raise self.error or MediaError(f"Job {self.id} stores no picture.", job_id=self.id)
        return result

    def cancel(self) -> bool:
        """Have the model not asked. What is being asked, or was, can't be cancelled.

        :returns: whether it was cancelled; then it cost nothing, unless a call before was cut off.
        :raises JournalError: it can't be recorded.
        """
        is_cancelled = self._pipeline.cancel(self.id)
        self.refresh()
        return is_cancelled
