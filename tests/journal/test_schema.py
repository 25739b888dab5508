"""The tables, the file they are in, and what is never in it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from flask_media import JournalError
from flask_media import MediaError
from flask_media.emulator import GeminiEmulator
from flask_media.journal.schema import SCHEMA_VERSION
from flask_media.journal.schema import SQLITE_PAGE_BYTES
from flask_media.journal.schema import Database
from flask_media.journal.schema import metadata

from .conftest import MakeService

STARTED_AT_ONCE = """
import sys
from flask import Flask
from flask_media import FlaskMedia
import flask_media.journal.journal
app = Flask("shop", instance_path=sys.argv[1])
app.config.update(MEDIA_GENERATOR="placeholder", MEDIA_STORAGE="memory")
FlaskMedia(app)
print("ready", flush=True)
sys.stdin.readline()
print(app.extensions["media"].generate_and_upload("A house", f"{sys.argv[2]}.png").job_id)
"""


def test_many_processes_start_at_once(home: Path) -> None:
    """The tables are made once, whichever of twelve processes comes first, and all can write."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", STARTED_AT_ONCE, str(home), str(number)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(12)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    assert not home.exists(), "init_app made a file"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 12, said
    with closing(sqlite3.connect(home / "media.sqlite3")) as database:
        assert database.execute("SELECT version FROM media_schema").fetchall() == [(SCHEMA_VERSION,)]
        done = database.execute("SELECT id FROM media_jobs WHERE state = 'done'").fetchall()
    assert {job_id for (job_id,) in done} == {out.strip() for out, _ in said}


def test_the_file(make_service: MakeService, home: Path) -> None:
    """The file has large pages and a write-ahead log, and what is committed is on the disk."""
    service = make_service()
    service.generate("A house")
    with closing(sqlite3.connect(home / "media.sqlite3")) as database:
        assert database.execute("PRAGMA page_size").fetchone() == (SQLITE_PAGE_BYTES,) == (32_768,)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        tables = {
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    assert tables == set(metadata.tables)
    full = 2
    for connect in (service.journal._db.read, service.journal._db.write):
        with connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == full


def test_a_newer_journal_is_left_alone(
    make_service: MakeService, home: Path, emulator: GeminiEmulator
) -> None:
    """Tables of a newer version are refused in clear words, unchanged, and no call is made."""
    make_service().resume_all()
    with closing(sqlite3.connect(home / "media.sqlite3")) as database, database:
        database.execute("UPDATE media_schema SET version = ?", (SCHEMA_VERSION + 1,))
    service = make_service()
    for _ in range(2):
        with pytest.raises(JournalError, match=f"version {SCHEMA_VERSION + 1}, made by a newer") as caught:
            service.generate_and_upload("A house", "house.png")
        assert "MEDIA_JOURNAL_URL" in str(caught.value)
    assert emulator.calls == 0
    with closing(sqlite3.connect(home / "media.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM media_jobs").fetchone() == (0,)


def test_a_journal_of_the_same_version_is_kept(make_service: MakeService) -> None:
    """A second start finds the jobs of the first."""
    first = make_service().generate_and_upload("A house", "house.png", idempotency_key="one")
    again = make_service().generate_and_upload("A house", "house.png", idempotency_key="one")
    assert (again.job_id, again.cached) == (first.job_id, True)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("sqlite:///jobs.db", "instance/jobs.db"),
        ("sqlite:///below/jobs.db", "instance/below/jobs.db"),
        ("sqlite:///{}/my jobs/é.db", "my jobs/é.db"),
        (None, "instance/media.sqlite3"),
    ],
)
def test_where_it_is(
    make_service: MakeService, tmp_path: Path, url: str | None, place: str
) -> None:
    """A relative path is seen from the instance folder, wherever MEDIA_FOLDER and the process."""
    service = make_service(
        MEDIA_JOURNAL_URL=url and url.format(tmp_path), MEDIA_FOLDER=str(tmp_path / "elsewhere")
    )
    assert not (tmp_path / place).exists()
    service.generate("A house")
    assert (tmp_path / place).read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize("broken", ["no database", "no folder"])
def test_a_journal_that_can_not_be_opened(
    make_service: MakeService, home: Path, emulator: GeminiEmulator, broken: str
) -> None:
    """It is a JournalError that names the file and the key, and nothing is asked or stored."""
    if broken == "no database":
        home.mkdir()
        (home / "media.sqlite3").write_bytes(b"This is no database. " * 1000)
    else:
        home.write_text("a file in its place")
    service = make_service(MEDIA_STORAGE="memory")
    with pytest.raises(JournalError, match=r"media\.sqlite3.*MEDIA_JOURNAL_URL") as caught:
        service.generate_and_upload("A house", "house.png")
    assert caught.value.retryable
    assert "\n" not in str(caught.value)
    assert emulator.calls == 0
    assert not service.exists("house.png")


SECRETS = {
    "GEMINI_API_KEY": "gemini-key-secret-1",
    "SPACES_KEY": "spaces-key-secret-2",
    "SPACES_SECRET": "spaces-secret-secret-3",
    "SECRET_KEY": "session-secret-4",
}
MODES = ("ok", "403", "400-key", "429-day", "503,after=3600", "reset", "bad-image", "bad-base64")


def test_no_secret_is_in_it(
    make_service: MakeService, home: Path, emulator: GeminiEmulator
) -> None:
    """After runs of every kind the file and its log have the prompts, and no credential."""
    service = make_service(
        **SECRETS,
        GEMINI_MAX_ATTEMPTS=1,
        SPACES_PROVIDER="minio",
        SPACES_ENDPOINT_URL="http://127.0.0.1:9",
        SPACES_BUCKET="media",
        SPACES_REGION="us-east-1",
    )
    for number, mode in enumerate(MODES):
        emulator.script(mode)
        with pytest.raises(MediaError):
            service.generate_and_upload("A house by the sea", f"{number}.png", spender="ada")
    assert emulator.calls == len(MODES)
    files = list(home.glob("media.sqlite3*"))
    written = b"".join(path.read_bytes() for path in files)
    assert len(files) == 3
    assert b"A house by the sea" in written
    assert b"ProviderRefused" in written
    for secret in SECRETS.values():
        assert secret.encode() not in written
        assert secret.encode("utf-16-le") not in written


def test_threads_open_a_new_file_at_once(tmp_path: Path) -> None:
    """Of several that open the same new file at the same moment, none is told that it is locked."""

    def use(number: int, together: threading.Barrier) -> None:
        database = Database(f"sqlite:///{tmp_path / f'{number}.sqlite3'}")
        together.wait()
        with database.write():
            pass

    with ThreadPoolExecutor(4) as pool:
        for number in range(60):
            together = threading.Barrier(4)
            for done in [pool.submit(use, number, together) for _ in range(4)]:
                done.result()
