"""The storage is down, or the journal can't be written: nothing is paid in vain or lost."""

from __future__ import annotations

import hashlib
import resource
import time
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from flask_media import JournalError
from flask_media import MediaResult
from flask_media import MediaService
from flask_media import OutcomeUnknown
from flask_media import UploadFailed
from flask_media.emulator import Ask
from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply

from ..faults import fault_server
from ..faults import forward
from ..faults import hang_up
from ..servers import S3Server
from .conftest import MakeMedia
from .conftest import MakeService
from .support import Gate
from .support import ask

Limit = Callable[[int], None]


def _wal(home: Path) -> int:
    """Bytes of the journal's write-ahead log."""
    return (home / "media.sqlite3-wal").stat().st_size


@pytest.fixture
def limit_files() -> Iterator[Limit]:
    """Has the kernel refuse to let any file of this process grow over so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _fill(service: MediaService) -> None:
    """Leave the journal no page that it does not have already, as on a disk that is full."""
    engine = service.journal._db._live_engine()

    @event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def test_50_pictures_survive_a_storage_that_is_down(
    make_media: MakeMedia, emulator: GeminiEmulator, moto: S3Server
) -> None:
    """What could not be stored is stored once the storage is back, all of it, without a call."""
    with fault_server() as road, ThreadPoolExecutor(25) as threads:
        media = make_media(
            MEDIA_STORAGE="spaces",
            SPACES_PROVIDER="minio",
            SPACES_ENDPOINT_URL=road.url,
            SPACES_BUCKET=moto.bucket,
            SPACES_KEY=moto.key,
            SPACES_SECRET=moto.secret,
        )

        def fail(number: int) -> str:
            with pytest.raises(UploadFailed) as caught:
                ask(media, prompt=f"House {number}", object_key=f"goals/{number}.png")
            assert caught.value.retryable
            return str(caught.value.job_id)

        road.play(hang_up)
        failed = list(threads.map(fail, range(50)))
        assert emulator.calls == 50
        pictures = {job_id: media.journal.picture(job_id) for job_id in failed}

        road.play(forward(moto.endpoint_url))
        results = media.resume_all()
        assert emulator.calls == 50
        assert sorted(failed) == sorted(str(result.job_id) for result in results)
        for result in results:
            assert isinstance(result, MediaResult)
            with media.open(result.object_key) as file:
                stored = file.read()
            assert stored == pictures[result.job_id]
            assert result.sha256 == hashlib.sha256(stored).hexdigest()
        assert media.resume_all() == []


def test_nothing_is_paid_that_a_full_disk_could_not_record(
    make_service: MakeService, emulator: GeminiEmulator
) -> None:
    """No call is made for a job that the journal has no room for."""
    service = make_service()
    assert service.usage().jobs == 0
    _fill(service)
    with pytest.raises(JournalError, match=r"full.*MEDIA_JOURNAL_URL") as caught:
        ask(service, prompt="A house. " * 3000)
    assert emulator.calls == 0
    assert caught.value.__cause__ is None
    assert service.usage().jobs == 0


def test_a_picture_that_a_full_disk_has_no_room_for_is_still_stored(
    make_service: MakeService, emulator: GeminiEmulator
) -> None:
    """Where the row fits and the picture does not, the picture is stored and returned."""
    emulator.image_bytes = 1_500_000
    service = make_service()
    assert service.usage().jobs == 0
    _fill(service)
    result = ask(service)
    with service.open(result.object_key) as file:
        assert hashlib.sha256(file.read()).hexdigest() == result.sha256
    assert emulator.calls == 1
    assert service.resume_all() == []


def test_nothing_is_paid_that_could_not_be_written(
    make_service: MakeService, emulator: GeminiEmulator, home: Path, limit_files: Limit
) -> None:
    """No call is made when the kernel refuses to write the journal."""
    service = make_service(MEDIA_STORAGE="memory")
    ask(service)
    limit_files(_wal(home))
    with pytest.raises(JournalError, match=r"OperationalError.*MEDIA_JOURNAL_URL"):
        ask(service, prompt="A boat")
    assert emulator.calls == 1


def test_a_journal_that_fails_after_the_call_costs_no_picture(
    make_service: MakeService, emulator: GeminiEmulator, home: Path, limit_files: Limit
) -> None:
    """A paid picture is stored and returned though not recorded; its job is unknown, and told."""
    service = make_service(MEDIA_STORAGE="memory", MEDIA_LEASE=1, MEDIA_ON_UNKNOWN="raise")

    def fail(_: Ask) -> Reply | None:
        limit_files(_wal(home))
        return None

    emulator.handler(fail)
    result = ask(service)
    with service.open(result.object_key) as file:
        assert hashlib.sha256(file.read()).hexdigest() == result.sha256
    assert emulator.calls == 1

    limit_files(resource.RLIM_INFINITY)
    end = time.monotonic() + 20
    while not (left := service.resume_all()):
        assert time.monotonic() < end, "nobody ever hears of the job"
    (error,) = left
    assert isinstance(error, OutcomeUnknown)
    assert error.job_id == result.job_id
    assert emulator.calls == 1


def test_a_busy_process_keeps_no_job_that_it_could_not_let_go(
    make_service: MakeService,
    emulator: GeminiEmulator,
    home: Path,
    limit_files: Limit,
    threads: ThreadPoolExecutor,
) -> None:
    """A job whose end could not be recorded is anybody's after a lease, whatever else goes on."""
    service = make_service(MEDIA_STORAGE="memory", MEDIA_LEASE=1, MEDIA_ON_UNKNOWN="raise")
    other = Gate()

    def play(request: Ask) -> Reply | None:
        if "boat" in request.prompt:
            other.hold()
        else:
            limit_files(_wal(home))
        return None

    emulator.handler(play)
    busy = threads.submit(ask, service, prompt="A boat", object_key="goals/boat.png")
    try:
        other.arrived()
        result = ask(service)
        limit_files(resource.RLIM_INFINITY)
        end = time.monotonic() + 20
        while not (left := service.resume_all()):
            assert time.monotonic() < end, "the job is held for as long as the process is busy"
        assert [error.job_id for error in left] == [result.job_id]
    finally:
        other.open()
    assert busy.result(60).object_key == "goals/boat.png"
    assert emulator.calls == 2


@pytest.mark.parametrize(
    "url", ["sqlite:////proc/media.sqlite3", "postgresql+psycopg://nobody@127.0.0.1:1/media"]
)
def test_a_journal_that_can_not_be_opened_stops_all_paying(
    make_service: MakeService, emulator: GeminiEmulator, url: str
) -> None:
    """Without a journal nothing is asked for, and the error names the config key."""
    with pytest.raises(JournalError, match="MEDIA_JOURNAL_URL"):
        ask(make_service(MEDIA_JOURNAL_URL=url))
    assert emulator.calls == 0
