"""The journal: whether it can be written, and what waits in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...errors import JournalError
from .finding import Finding
from .finding import fail
from .finding import ok
from .finding import warn

if TYPE_CHECKING:
    from ...service import MediaService

PATIENCE = 3.0
"""Seconds to wait for another process's write. A healthy journal's takes milliseconds."""

LOCKED = ("locked", "LockNotAvailable", "lock timeout", "QueryCanceled")
"""Words of databases for a lock that somebody keeps."""


def examine(service: MediaService) -> Iterator[Finding]:
    """Written to, as before each call; and the jobs that nobody is at."""
    try:
        version = service.journal.probe(PATIENCE)
    except JournalError as error:
        if any(word in error.message for word in LOCKED):
            yield fail(
                "journal",
                f"Another process keeps it locked for longer than {PATIENCE:g} seconds: "
                f"{error.message}",
                "End that process; a backup or a database browser may be it.",
            )
        else:
            yield fail("journal", error)
        return
    yield ok("journal", f"{service.journal.place}: can be written, tables of version {version}")
    left = len(service.journal.left(service.storage.location))
    if left:
        jobs = "1 job is" if left == 1 else f"{left:,} jobs are"
        them = "it" if left == 1 else "them"
        yield warn(
            "jobs",
            f"{jobs} unfinished, and nobody is at work on {them}.",
            f"See 'flask media jobs', and go on with {them} by 'flask media resume --all'.",
        )
