"""Processes that fork while another of their threads writes to the journal."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flask_media.journal.database import Database
from flask_media.journal.schema import schema_version


def _touch(database: Database) -> None:
    with database.write() as connection:
        connection.execute(schema_version.update().values(version=schema_version.c.version))


# SQLite only: PostgreSQL's locks are the server's, and a child has connections of its own.
def test_within_a_write(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    """The fork waits for the write, so that parent and child can write afterwards."""
    database = Database(f"sqlite:///{tmp_path / 'journal.sqlite3'}", patience=1)
    writing, go_on, forked = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        with database.write():
            writing.set()
            assert go_on.wait(30)

    def fork() -> int:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                _touch(database)
                code = 0
            finally:
                os._exit(code)
        forked.set()
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    written = threads.submit(write)
    assert writing.wait(30)
    child = threads.submit(fork)
    assert not forked.wait(0.2)
    go_on.set()
    written.result(30)
    assert child.result(30) == 0
    _touch(database)
    database.close()


def test_a_write_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork within a write of its own thread, or beside one that hangs, comes nevertheless."""
    monkeypatch.setattr("flask_media.journal.database.FORK_SECONDS", 0.1)
    database = Database(f"sqlite:///{tmp_path / 'journal.sqlite3'}", patience=1)
    with database.write():
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    _touch(database)
    database.close()
