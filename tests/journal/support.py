"""What several tests of the journal need."""

from __future__ import annotations

import io
import json
import threading
from typing import Any

import sqlalchemy as sa

from flask_media import MediaResult
from flask_media.journal.records import Record
from flask_media.service import MediaService

from ..programs import Program


class Gate:
    """Holds what comes until it is opened."""

    def __init__(self) -> None:
        self._arrived = threading.Semaphore(0)
        self._open = threading.Event()

    def hold(self) -> None:
        """Say that somebody is here, and wait."""
        self._arrived.release()
        assert self._open.wait(60)

    def arrived(self) -> None:
        """Wait until one more has come."""
        assert self._arrived.acquire(timeout=60)

    def has_arrived(self, *, within: float) -> bool:
        """Whether one more comes within so many seconds."""
        return self._arrived.acquire(timeout=within)

    def open(self) -> None:
        """Let all go, now and later."""
        self._open.set()


def png(color: str) -> bytes:
    """A small picture of one colour."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(file, "PNG")
    return file.getvalue()


def ask(media: MediaService, **values: Any) -> MediaResult:
    """The request that most tests make, with some values changed."""
    arguments: dict[str, Any] = {"prompt": "A sea house", "object_key": "goals/7/house.png"}
    return media.generate_and_upload(**arguments | values)


def record(media: MediaService, job_id: str | None) -> Record:
    """The job's row."""
    assert job_id
    return media.journal.record(job_id)


def sql(url: str, statement: str, **values: Any) -> list[Any]:
    """Run a statement on a journal, past its code; the rows, if it gives any."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement), values)
        return list(result) if result.returns_rows else []


def run_callers(arguments: dict[str, Any], *, processes: int) -> list[dict[str, Any]]:
    """What the threads of that many processes of ``callers.py`` got, all asking at once."""
    running = [Program("tests.journal.callers", json.dumps(arguments)) for _ in range(processes)]
    results: list[dict[str, Any]] = []
    try:
        for program in running:
            assert program.line() == "ready"
        for program in running:
            program.say("go")
        for program in running:
            results += json.loads(program.end())
    finally:
        for program in running:
            program.kill()
    return results
