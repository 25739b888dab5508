"""The tables, the file they are in, and what is never in it."""

from __future__ import annotations

import gc
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from flask_media import JournalError
from flask_media import MediaError
from flask_media.emulator import GeminiEmulator
from flask_media.journal.database import SQLITE_PAGE_BYTES
from flask_media.journal.database import Database
from flask_media.journal.schema import SCHEMA_VERSION
from flask_media.journal.schema import metadata

from .conftest import MakeMedia
from .conftest import MakeService
from .support import sql

STARTED_AT_ONCE = """
import os, sys
from flask import Flask
from flask_media import FlaskMedia, ImageGenerationConfig
import jinja2, tenacity, PIL.Image
import sqlalchemy.dialects.postgresql.psycopg, sqlalchemy.dialects.sqlite
import flask_media.generators.placeholder, flask_media.imaging
import flask_media.journal.journal, flask_media.pipeline, flask_media.storage.memory
PIL.Image.preinit()
import tests.warm
for number in range(12):
    if os.fork() == 0:
        break
else:
    sys.exit(min(os.waitstatus_to_exitcode(os.wait()[1]) == 0 for _ in range(12)) is False)
app = Flask("shop", instance_path=sys.argv[1])
app.config.update(MEDIA_GENERATOR="placeholder", MEDIA_STORAGE="memory")
app.config["MEDIA_JOURNAL_URL"] = sys.argv[2]
FlaskMedia(app)
os.write(1, b"ready\\n")
os.read(0, 1)  # until the input is closed, which all are told of at once
small = ImageGenerationConfig(size=(64, 64))
result = app.extensions["media"].generate_and_upload("A house", f"{number}.png", config=small)
os.write(1, f"{result.job_id}\\n".encode())
"""


def _rows(url: str) -> str:
    """All that is in the tables, as text."""
    rows = [row for table in metadata.tables for row in sql(url, f"SELECT * FROM {table}")]
    return "\n".join(repr(tuple(row)) for row in rows)  # a row's own repr leaves out the middle


def test_many_processes_start_at_once(journal_url: str, tmp_path: Path) -> None:
    """The tables are made once, whichever of twelve processes comes first, and all can write."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", STARTED_AT_ONCE, str(tmp_path), journal_url],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert [process.stdout.readline() for _ in range(12)] == ["ready\n"] * 12
    assert not (tmp_path / "journal.sqlite3").exists(), "init_app made a file"
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert sql(journal_url, "SELECT version FROM media_schema") == [(SCHEMA_VERSION,)]
    done = sql(journal_url, "SELECT id FROM media_jobs WHERE state = 'done'")
    assert sorted(job_id for (job_id,) in done) == sorted(out.split())
    assert len(done) == 12


def test_the_tables(make_media: MakeMedia, journal_url: str) -> None:
    """The first use makes all tables and their indexes."""
    make_media().resume_all()
    engine = sa.create_engine(journal_url, poolclass=sa.NullPool)
    there = sa.inspect(engine)
    assert set(there.get_table_names()) == set(metadata.tables)
    for name, table in metadata.tables.items():
        found = {index["name"] for index in there.get_indexes(name)}
        assert found >= {index.name for index in table.indexes}


def test_tables_without_a_version(make_media: MakeMedia, journal_url: str) -> None:
    """Tables whose version was emptied, as a suite empties all tables, are kept and named anew."""
    result = make_media().generate_and_upload("A house", "house.png", idempotency_key="k")
    sql(journal_url, "DELETE FROM media_schema")
    again = make_media().generate_and_upload("A house", "house.png", idempotency_key="k")
    assert again.job_id == result.job_id
    assert sql(journal_url, "SELECT version FROM media_schema") == [(SCHEMA_VERSION,)]


# SQLite only: pages, the log and the wait for the disk are how its file is set up.
def test_the_file(make_service: MakeService, home: Path) -> None:
    """The file has large pages and a write-ahead log, and what is committed is on the disk."""
    service = make_service()
    service.generate("A house")
    with closing(sqlite3.connect(home / "media.sqlite3")) as database:
        assert database.execute("PRAGMA page_size").fetchone() == (SQLITE_PAGE_BYTES,) == (32_768,)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    full = 2
    for connect in (service.journal._db.read, service.journal._db.write):
        with connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == full


# A journal that is not opened leaves its connection to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")
def test_a_newer_journal_is_left_alone(
    make_media: MakeMedia, journal_url: str, emulator: GeminiEmulator
) -> None:
    """Tables of a newer version are refused in clear words, unchanged, and no call is made."""
    make_media().resume_all()
    newer = SCHEMA_VERSION + 1
    sql(journal_url, "UPDATE media_schema SET version = :newer", newer=newer)
    before = _rows(journal_url)
    service = make_media()
    words = rf"version {newer}, made by a newer Flask-Media.*MEDIA_JOURNAL_URL"
    for _ in range(2):
        with pytest.raises(JournalError, match=words):
            service.generate_and_upload("A house", "house.png")
    gc.collect()
    assert emulator.calls == 0
    assert _rows(journal_url) == before == repr((newer,))


def test_a_journal_of_the_same_version_is_kept(make_media: MakeMedia) -> None:
    """A second start finds the jobs of the first."""
    first = make_media().generate_and_upload("A house", "house.png", idempotency_key="one")
    again = make_media().generate_and_upload("A house", "house.png", idempotency_key="one")
    assert (again.job_id, again.cached) == (first.job_id, True)


# SQLite only: a server has no path.
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


# SQLite only: what is in a file's place. A server that can't be reached is in test_outages.py.
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


def test_a_driver_that_is_not_installed(make_service: MakeService, tmp_path: Path) -> None:
    """The error names the extra; that can't pass by itself."""
    service = make_service(MEDIA_JOURNAL_URL="postgresql+pg8000://localhost/shop")
    with pytest.raises(JournalError, match=r"'pg8000'.*extra 'postgres'") as caught:
        service.generate("A house")
    assert not caught.value.retryable


SECRETS = {
    "GEMINI_API_KEY": "gemini-key-secret-1",
    "SPACES_KEY": "spaces-key-secret-2",
    "SPACES_SECRET": "spaces-secret-secret-3",
    "SECRET_KEY": "session-secret-4",
}
MODES = ("ok", "403", "400-key", "429-day", "503,after=3600", "reset", "bad-image", "bad-base64")


def _written(url: str) -> bytes:
    """All that was ever written: of SQLite the file and its log, of a server what its rows have."""
    path = Path(url.partition(":///")[2])
    if not url.startswith("sqlite"):
        return _rows(url).encode()
    files = list(path.parent.glob(f"{path.name}*"))
    assert len(files) == 3
    return b"".join(file.read_bytes() for file in files)


def test_no_secret_is_in_it(
    make_media: MakeMedia, journal_url: str, emulator: GeminiEmulator
) -> None:
    """After runs of every kind the journal has the prompts, and no credential."""
    service = make_media(
        **SECRETS,
        GEMINI_MAX_ATTEMPTS=1,
        MEDIA_STORAGE="spaces",
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
    written = _written(journal_url)
    assert b"A house by the sea" in written
    assert b"ProviderRefused" in written
    for secret in SECRETS.values():
        assert secret.encode() not in written
        assert secret.encode("utf-16-le") not in written


@pytest.mark.parametrize(("backend", "times"), [("sqlite", 60), ("postgresql", 10)])
def test_threads_open_a_new_journal_at_once(
    request: pytest.FixtureRequest, tmp_path: Path, backend: str, times: int
) -> None:
    """Of several that open the same new journal at the same moment, none is refused.

    SQLite says "locked" only now and then: hence so many.
    """
    urls = [f"sqlite:///{tmp_path / f'{number}.sqlite3'}" for number in range(times)]
    if backend == "postgresql":
        make: Callable[[], str] = request.getfixturevalue("postgres")
        urls = [make() for _ in range(times)]

    def use(url: str, together: threading.Barrier) -> None:
        database = Database(url)
        together.wait()
        with database.write():
            pass
        assert database._engine
        database._engine.dispose()

    with ThreadPoolExecutor(4) as pool:
        for url in urls:
            together = threading.Barrier(4)
            for done in [pool.submit(use, url, together) for _ in range(4)]:
                done.result()
