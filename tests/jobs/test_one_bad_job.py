"""A job that nobody can read, or that fails as nobody foresaw, ends by itself and alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from flask_media import InvalidRequest
from flask_media import JobCancelled
from flask_media import JournalError
from flask_media import MediaError
from flask_media import MediaResult
from flask_media.emulator import GeminiEmulator
from flask_media.service import MediaService
from flask_media.storage.filesystem import FilesystemStorage

from ..journal.conftest import MakeMedia
from ..journal.support import ask
from ..journal.support import record
from ..journal.support import sql
from .support import drop
from .support import heard
from .support import later

TIMEOUT = 30

pytestmark = pytest.mark.parametrize("journal_url", ["sqlite"], indirect=True)


def _spoil(url: str, job_id: str) -> None:
    """Leave the job as a newer version would, which knows more options."""
    spec = '{"config": {"new": 1}}'
    sql(url, "UPDATE media_jobs SET spec = :spec WHERE id = :id", spec=spec, id=job_id)


def _drop_three(make_media: MakeMedia, url: str) -> list[str]:
    media = make_media()
    ids = [drop(media, number) for number in range(3)]
    _spoil(url, ids[0])
    return ids


def test_a_sweep_goes_on_past_it(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str
) -> None:
    """Later jobs are finished, it ends with an error, is told once and not tried each sweep."""
    ids = _drop_three(make_media, journal_url)
    with heard() as said:
        media = make_media()
        media.work()
        assert [media.job(job_id).result(TIMEOUT).object_key for job_id in ids[1:]] == [
            "houses/1.png",
            "houses/2.png",
        ]
        bad = media.job(ids[0])
        assert bad.has_ended
        with pytest.raises(InvalidRequest, match="no field 'new'"):
            bad.result(0)
        tries = record(media, bad.id).epoch
        fourth, other = drop(media, 4), make_media()
        other.work()  # another sweep
        other.job(fourth).result(TIMEOUT)
    assert record(media, bad.id).epoch == tries
    assert said.of(bad) == ["generation_failed"]
    assert emulator.calls == 3


def test_resume_all_goes_on_past_it(make_media: MakeMedia, journal_url: str) -> None:
    """It is an error in its place, and the others are finished."""
    _drop_three(make_media, journal_url)
    media = make_media()
    assert [type(one) for one in media.resume_all()] == [InvalidRequest, MediaResult, MediaResult]
    assert media.resume_all() == []


def test_it_can_be_asked_for_anew(
    make_media: MakeMedia, journal_url: str, emulator: GeminiEmulator
) -> None:
    """Once it ended, the same request is another job."""
    media = make_media()
    bad = drop(media, 0)
    _spoil(journal_url, bad)
    assert len(media.resume_all()) == 1
    job = later(media, 0)
    assert job.result(TIMEOUT).object_key == "houses/0.png"
    assert (job.id != bad, emulator.calls) == (True, 1)


def test_it_can_be_cancelled(make_media: MakeMedia, journal_url: str) -> None:
    """Cancelling needs nothing of what can't be read, and tells of it."""
    media = make_media()
    job = media.job(drop(media, 0))
    _spoil(journal_url, job.id)
    with heard() as said:
        assert job.cancel()
    assert isinstance(job.error, JobCancelled)
    assert said.by_job == {job.id: ["generation_failed"]}


def test_its_failure_is_told(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str
) -> None:
    """A job that failed in a process that ended then, and can't be read: the signal is sent."""
    media = make_media()
    emulator.script("image-safety")
    with pytest.raises(MediaError) as caught:
        ask(media)
    job_id = str(caught.value.job_id)
    _spoil(journal_url, job_id)
    sql(journal_url, "UPDATE media_jobs SET owner = 'one that ended' WHERE id = :id", id=job_id)
    with heard() as said:
        assert [type(one) for one in media.resume_all()] == [type(caught.value)]
        assert media.resume_all() == []
    assert said.by_job == {job_id: ["generation_failed"]}


class _Strange(FilesystemStorage):
    """Fails as no storage should."""

    def _put(self, key: str, data: bytes, *rest: Any) -> None:
        raise TypeError("a bug of its own")


def test_an_error_that_nobody_foresaw_ends_a_job(
    make_media: MakeMedia, config: dict[str, Any], emulator: GeminiEmulator
) -> None:
    """What a storage of one's own raises is told once, kept for ``result``, and not tried each
    sweep; asked again, the paid picture is stored."""
    media = make_media()
    media._parts._storage = _Strange(Path(config["MEDIA_FOLDER"]))
    with heard() as said:
        job = later(media)
        with pytest.raises(MediaError, match="TypeError: a bug of its own"):
            job.result(TIMEOUT)
        tries = record(media, job.id).epoch
        mended = make_media()
        fourth = drop(mended, 4)
        mended.work()
        mended.job(fourth).result(TIMEOUT)
    assert said.of(job).count("upload_failed") == 1
    assert (record(media, job.id).epoch, job.status) == (tries, "generated")
    assert later(mended).result(TIMEOUT).job_id == job.id
    assert emulator.calls == 2


def test_resume_all_goes_on_past_an_error_that_nobody_foresaw(
    make_media: MakeMedia, config: dict[str, Any], emulator: GeminiEmulator
) -> None:
    """Each is an error in its place, and its picture is kept."""
    media = make_media()
    ids = [drop(media, number) for number in range(2)]
    parts = media._parts
    parts._storage = _Strange(Path(config["MEDIA_FOLDER"]))
    parts._delivery_made = parts._made = None
    assert [str(one) for one in media.resume_all()] == ["TypeError: a bug of its own"] * 2
    assert [record(media, job_id).state for job_id in ids] == ["generated"] * 2
    assert emulator.calls == 2


def test_a_paid_picture_that_nobody_can_read_is_kept(
    make_media: MakeMedia, config: dict[str, Any], journal_url: str
) -> None:
    """A job whose picture is paid for is let go with the error, which no queue tries again."""
    media = make_media()
    media._parts._storage = _Strange(Path(config["MEDIA_FOLDER"]))
    job = later(media)
    with pytest.raises(MediaError, match="TypeError"):
        job.result(TIMEOUT)
    _spoil(journal_url, job.id)
    sql(journal_url, "UPDATE media_jobs SET error = NULL")  # as where its process ended
    other = make_media()
    other.work()
    with pytest.raises(InvalidRequest):
        other.job(job.id).result(TIMEOUT)
    assert other._pipeline.dropped() == []
    assert other.journal.picture(job.id)


def test_nothing_is_bought_for_whom_the_job_could_not_be_read(
    media: MediaService, make_media: MakeMedia, emulator: GeminiEmulator
) -> None:
    """Where the journal fails right after it recorded the job, it ends: its asker got an error."""
    media.usage()
    is_due = False

    @event.listens_for(media.journal._db._live_engine(), "before_cursor_execute", retval=True)
    def fail(
        _connection: sa.Connection, _cursor: Any, statement: str, parameters: Any, *_: Any
    ) -> tuple[str, Any]:
        nonlocal is_due
        if is_due and statement.startswith("SELECT"):
            is_due = False
            return "SELECT nothing FROM nowhere", ()
        is_due |= statement.startswith("INSERT INTO media_jobs")
        return statement, parameters

    with heard() as said, pytest.raises(JournalError):
        later(media)
    ((job_id, names),) = said.by_job.items()
    assert names == ["generation_failed"]
    assert (record(media, job_id).state, record(media, job_id).owner) == ("failed", None)
    other = make_media()
    other.work()
    other.job(drop(other, 4)).cancel()
    assert later(other, 5).result(TIMEOUT).cached is False
    assert emulator.calls == 1
