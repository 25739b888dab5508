"""Old finished jobs are forgotten; bytes that are not stored never are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from flask_media import InvalidRequest
from flask_media import MediaError
from flask_media import MediaService
from flask_media import NotFound
from flask_media import get_image_generation_service
from flask_media import signals
from flask_media import standalone
from flask_media.emulator import GeminiEmulator

from .conftest import MakeMedia
from .support import sql


def _age(url: str, days: float) -> None:
    """Let all jobs be as old."""
    sql(
        url,
        "UPDATE media_jobs SET updated_at = updated_at - :age, created_at = created_at - :age",
        age=days * 86_400,
    )


def _count(url: str, table: str) -> int:
    ((number,),) = sql(url, f"SELECT count(*) FROM {table}")
    return int(number)


def _failed(call: Callable[[], object]) -> str:
    with pytest.raises(MediaError) as caught:
        call()
    assert caught.value.job_id
    return caught.value.job_id


@pytest.mark.parametrize(
    ("days", "after", "gone"),
    [(90, 91, True), (90, 89, False), (7, 8, True), (7, 6, False), ("none", 40_000, False)],
)
def test_retention(
    make_media: MakeMedia, journal_url: str, days: int | str, after: float, gone: bool
) -> None:
    """A finished job goes with its key when it is older than MEDIA_RETENTION_DAYS, not before."""
    service = make_media(MEDIA_RETENTION_DAYS=days)
    service.generate_and_upload("A house", "house.png", idempotency_key="one")
    _age(journal_url, after)
    assert service.gc().jobs == gone
    assert _count(journal_url, "media_jobs") == _count(journal_url, "media_keys") == (not gone)
    assert service.exists("house.png"), "what is stored is not the journal's to delete"


def test_the_default_is_ninety_days(make_media: MakeMedia, journal_url: str) -> None:
    """Without the key, a job stays for 90 days; an age given goes before the key."""
    service = make_media()
    service.generate_and_upload("A house", "house.png")
    assert service.gc().jobs == 0
    _age(journal_url, 89)
    assert service.gc().jobs == 0
    assert service.gc(timedelta(days=88)).jobs == 1
    with pytest.raises(InvalidRequest, match="older_than"):
        service.gc(timedelta(days=-1))


def test_a_key_is_free_again(make_media: MakeMedia, emulator: GeminiEmulator) -> None:
    """What is forgotten is bought again when it is asked for, under the same key too."""
    service = make_media()
    for _ in range(2):
        service.generate_and_upload("A house", "house.png", idempotency_key="one")
    assert emulator.calls == 1
    assert service.gc(timedelta(0)).jobs == 1
    assert not service.generate_and_upload("A house", "house.png", idempotency_key="one").cached
    assert emulator.calls == 2


def _stored(service: MediaService, emulator: GeminiEmulator) -> str:
    return service.generate_and_upload("A house", "a.png").job_id


def _returned(service: MediaService, emulator: GeminiEmulator) -> str:
    return service.generate("A house").job_id


def _blocked(service: MediaService, emulator: GeminiEmulator) -> str:
    emulator.script("image-safety")
    return _failed(lambda: service.generate_and_upload("A house", "b.png"))


def _unknown(service: MediaService, emulator: GeminiEmulator) -> str:
    emulator.script("reset")
    return _failed(lambda: service.generate_and_upload("A house", "c.png"))


def _unreadable(service: MediaService, emulator: GeminiEmulator) -> str:
    emulator.script("bad-base64")
    return _failed(lambda: service.generate_and_upload("A house", "d.png"))


def _no_picture(service: MediaService, emulator: GeminiEmulator) -> str:
    emulator.script("bad-image")
    return _failed(lambda: service.generate_and_upload("A house", "e.png"))


def _not_stored(service: MediaService, emulator: GeminiEmulator) -> str:
    folder = service._around.folder

    def break_it(sender: object, **values: object) -> None:
        folder.rmdir()
        folder.write_text("no folder")

    with signals.upload_started.connected_to(break_it):
        job_id = _failed(lambda: service.generate_and_upload("A house", "f.png"))
    folder.unlink()
    return job_id


@pytest.mark.parametrize(
    ("make", "stays", "has_bytes"),
    [
        (_stored, False, False),
        (_returned, False, False),
        (_blocked, False, False),
        (_unknown, True, False),
        (_unreadable, True, True),
        (_no_picture, True, True),
        (_not_stored, True, True),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_goes(
    *,
    make: Callable[[MediaService, GeminiEmulator], str],
    stays: bool,
    has_bytes: bool,
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    journal_url: str,
) -> None:
    """Finished jobs go whole; unfinished and quarantined ones stay, with their bytes."""
    service = make_media()
    job_id = make(service, emulator)
    _age(journal_url, 1000)
    assert service.gc().jobs == (not stays)
    if stays:
        assert service.journal.record(job_id).id == job_id
        assert (service.journal.picture(job_id) is not None) is has_bytes
    else:
        with pytest.raises(NotFound, match=job_id):
            service.resume(job_id)
        for table in ("media_jobs", "media_keys", "media_pictures", "media_references"):
            assert _count(journal_url, table) == 0


def test_a_picture_that_waited_long_is_stored(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str
) -> None:
    """After years and a collection, a paid picture is still there to be stored, unpaid."""
    service = make_media()
    job_id = _not_stored(service, emulator)
    _age(journal_url, 1000)
    assert service.gc().jobs == 0
    result = service.resume(job_id)
    assert result.job_id == job_id
    assert emulator.calls == 1
    assert _count(journal_url, "media_pictures") == 0


def test_collecting_while_others_work(make_media: MakeMedia, emulator: GeminiEmulator) -> None:
    """A job that is under way is not touched, however short the age."""
    service, collected = make_media(), list[int]()

    def collect(sender: object, **values: object) -> None:
        collected.append(service.gc(timedelta(0)).jobs)

    with (
        signals.generation_started.connected_to(collect),
        signals.upload_started.connected_to(collect),
        signals.upload_finished.connected_to(collect),
    ):
        service.generate_and_upload("A house", "house.png")
    assert collected == [0, 0, 0]
    assert service.gc(timedelta(0)).jobs == 1


def test_the_processes_own_journal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Outside any app the journal is a file below MEDIA_HOME, made with the first picture."""
    # SQLite only: it is about the file that is there when nothing is configured.
    monkeypatch.setattr(standalone, "_process_service", None)
    monkeypatch.setenv("MEDIA_HOME", str(tmp_path / "home"))
    service = get_image_generation_service()
    service._reconfigure(generator="placeholder")
    assert not (tmp_path / "home").exists()
    result = service.generate_and_upload("A house", "house.png")
    assert (tmp_path / "home" / "media" / "house.png").exists()
    assert service.journal.record(result.job_id).result == result.to_dict()
    assert _count(f"sqlite:///{tmp_path}/home/media.sqlite3", "media_jobs") == 1
