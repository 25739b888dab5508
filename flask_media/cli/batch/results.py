"""The results file: a line of JSON for each row that ended, written as it ends."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from datetime import UTC
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any
from typing import Self

from ...errors import AnswerError
from ...errors import InProgress
from ...errors import InvalidRequest
from ...errors import MediaError
from ...types import MediaResult
from ..output import plural
from .rows import Order
from .rows import own_name


class Results:
    """Appends to a results file, which one process at a time does; a context manager.

    :param path: where it is; made where it is not there.
    :raises InProgress: another process is at it.
    :raises OSError: it can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        """Where it is."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise InProgress(
                f"Another process is at this batch: it writes to {path}. Wait for it, or name "
                "another file with --results."
            ) from None
        self._end_line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def _end_line(self) -> None:
        """End a line that a crash left half written."""
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")

    def append(self, document: dict[str, Any]) -> None:
        """Add a line, in one write, and wait until the disk has it."""
        line = json.dumps(document, ensure_ascii=False, default=str).encode() + b"\n"
        written = os.write(self._file, line)
        if written < len(line):
            os.write(self._file, line[written:])  # raises, where the disk is full
        os.fsync(self._file)


@dataclasses.dataclass(frozen=True)
class Past:
    """What a results file has of earlier runs."""

    done: set[str]
    """The idempotency keys of rows that are done, without numbers."""
    latest: dict[str, str]
    """By object key the idempotency key of the row whose picture came there last."""

    def left(self, orders: list[Order]) -> list[Order]:
        """Those that are not done.

        :raises InvalidRequest: a picture that was done was overwritten by another row's since.
        """
        lost = [order for order in orders if order.name in self.done and self._is_lost(order)]
        if lost:
            first, more = lost[0], len(lost) - 1
            others = f" and {plural(more, 'more row')}" if more else ""
            raise InvalidRequest(
                f"{first.place}{others}: {first.object_key!r} was made, and was overwritten since "
                "by another prompt or other options; --run NAME makes it anew. Nothing was paid."
            )
        return [order for order in orders if order.name not in self.done]

    def _is_lost(self, order: Order) -> bool:
        # Of another run, with another name, the same picture will do.
        return (
            self.latest.get(order.object_key, order.name).rpartition(":")[2]
            != order.name.rpartition(":")[2]
        )


def past_of(path: Path) -> Past:
    """What a results file has; nothing if there is no such file. Lines that are no JSON are
    passed over."""
    past = Past(set(), {})
    if not path.exists():
        return past
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                document = json.loads(line)
            except ValueError:
                continue
            if isinstance(document, dict) and document.get("status") == "done":
                name = own_name(str(document.get("idempotency_key")))
                past.done.add(name)
                past.latest[str(document.get("object_key"))] = name
    return past


def check_path(path: Path, table: Path) -> None:
    """Refuse a results file that is none.

    :param table: the batch's own file.
    :raises InvalidRequest: it is that, or no regular file, as a device or a pipe.
    """
    if path.exists() and path.samefile(table):
        raise InvalidRequest(f"--results {path} is the table itself; name another file.")
    if path.exists() and not path.is_file():
        raise InvalidRequest(
            f"--results {path} is no regular file, which the next run could read; name another."
        )


def document_of(order: Order, outcome: MediaResult | MediaError) -> dict[str, Any]:
    """The line of a row that ended; all lines have the same fields."""
    document: dict[str, Any] = {
        "row": order.number,
        "line": order.line,
        "status": "done",
        "object_key": order.object_key,
        "prompt": order.prompt,
        **dict.fromkeys(("url", "job_id", "model", "cost_usd", "cached", "width", "height")),
        **dict.fromkeys(("content_type", "size_bytes", "sha256", "variants", "error")),
        "idempotency_key": order.name,
        "ended_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if isinstance(outcome, MediaResult):
        values = outcome.to_dict()
        same = ("url", "object_key", "job_id", "model", "cost_usd", "cached", "width", "height")
        more = ("content_type", "size_bytes", "sha256", "variants")
        return document | {name: values[name] for name in (*same, *more)}
    error = {"type": type(outcome).__name__, "message": outcome.message}
    cost = outcome.cost_usd if isinstance(outcome, AnswerError) else None
    return document | {
        "status": "failed",
        "job_id": outcome.job_id,
        "cost_usd": None if cost is None else str(cost),
        "error": error | {"retryable": outcome.retryable},
    }
