"""The results file: a line of JSON for each row that ended, written as it ends."""

from __future__ import annotations

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
from ...errors import MediaError
from ...types import MediaResult
from .rows import Order


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


def done_before(path: Path) -> set[str]:
    """The idempotency keys of the rows that are done, by a results file; of none if there is no
    such file. Lines that are no JSON are passed over."""
    if not path.exists():
        return set()
    names = set()
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                document = json.loads(line)
            except ValueError:
                continue
            if isinstance(document, dict) and document.get("status") == "done":
                names.add(str(document.get("idempotency_key")))
    return names


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
