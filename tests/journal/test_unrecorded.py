"""A paid picture whose journal fails just then: in the journal, in the storage, or in the error."""

from __future__ import annotations

import base64
import contextlib
import pickle
import resource
from collections.abc import Callable
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from flask_media import InvalidImage
from flask_media import MediaResult
from flask_media import MediaService
from flask_media import NoImageReturned
from flask_media import UploadFailed
from flask_media import signals
from flask_media.emulator import MODES
from flask_media.emulator import Ask
from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply
from flask_media.emulator.messages import answer_parts

from ..faults import fault_server
from ..faults import hang_up
from .conftest import MakeMedia
from .conftest import MakeService
from .refusals import refused
from .support import ask
from .support import record
from .support import sql

Block = Callable[[], contextlib.AbstractContextManager[None]]

BUDGETS = {"MEDIA_BUDGET_USD_PER_DAY": 1, "MEDIA_BUDGET_USD_PER_USER_PER_DAY": 1}


@pytest.fixture
def sent(emulator: GeminiEmulator) -> list[bytes]:
    """The pictures that the emulator sent, byte for byte."""
    pictures: list[bytes] = []

    @emulator.handler
    def keep(request: Ask) -> Reply:
        reply = MODES["ok"](request)
        (part,) = answer_parts(reply.body)
        pictures.append(base64.b64decode(part["inlineData"]["data"]))
        return reply

    return pictures


@pytest.fixture
def opened(make_media: MakeMedia) -> MediaService:
    """A service whose journal has its tables, with budgets that nothing here uses up."""
    media = make_media(**BUDGETS)
    assert media.resume_all() == []
    return media


def _ledger(url: str) -> dict[str, Decimal]:
    rows = sql(url, "SELECT spender, nano FROM media_spend")
    return {spender: Decimal(nano) / 10**9 for spender, nano in rows}


def _kept(url: str) -> list[bytes]:
    """The pictures that the journal has."""
    return [bytes(data) for (data,) in sql(url, "SELECT data FROM media_pictures")]


def test_a_picture_without_a_storage_is_recorded_then(
    *,
    opened: MediaService,
    emulator: GeminiEmulator,
    journal_url: str,
    sent: list[bytes],
    blocked_storage: Block,
) -> None:
    """What neither was recorded when it came nor could be stored is recorded, and not bought."""
    with (
        refused(journal_url, "generated") as mend,
        signals.upload_started.connected_to(mend),
        blocked_storage(),
        pytest.raises(UploadFailed) as caught,
    ):
        ask(opened, spender="ada")
    assert caught.value.data is None
    assert _kept(journal_url) == sent
    row = record(opened, caught.value.job_id)
    assert (row.state, row.owner, row.paid_calls) == ("generated", None, 1)
    assert row.cost_usd
    assert _ledger(journal_url) == {"": row.cost_usd, "ada": row.cost_usd}

    result = opened.resume(row.id)
    assert isinstance(result, MediaResult)
    assert (result.cost_usd, result.model, result.usage) == (row.cost_usd, row.model, row.usage)
    assert opened.exists(result.object_key)
    assert _kept(journal_url) == []
    assert emulator.calls == 1


def test_a_picture_that_nothing_takes_is_the_callers(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str, sent: list[bytes]
) -> None:
    """With neither storage nor journal the error has the bytes, says so, and pickles without."""
    with fault_server() as road:
        road.play(hang_up)
        media = make_media(
            MEDIA_STORAGE="spaces",
            SPACES_PROVIDER="minio",
            SPACES_ENDPOINT_URL=road.url,
            SPACES_BUCKET="media",
            SPACES_KEY="key",
            SPACES_SECRET="secret",
        )
        assert media.resume_all() == []
        with refused(journal_url), pytest.raises(UploadFailed) as caught:
            ask(media)
    error = caught.value
    assert [error.data] == sent
    assert not error.retryable
    assert "attribute data" in str(error)
    assert "MEDIA_JOURNAL_URL" in str(error)
    pickled = pickle.dumps(error)
    assert sent[0][:1000] not in pickled
    copy = pickle.loads(pickled)
    assert (str(copy), copy.job_id, copy.retryable) == (str(error), error.job_id, False)
    assert copy.data is None
    assert _kept(journal_url) == []
    assert emulator.calls == 1


def test_the_journal_has_nothing_to_hand_over_of_a_picture_that_it_has(
    opened: MediaService, journal_url: str, sent: list[bytes], blocked_storage: Block
) -> None:
    """Where the answer was recorded when it came, the error of its upload has no bytes."""
    with blocked_storage(), pytest.raises(UploadFailed) as caught:
        ask(opened)
    assert caught.value.data is None
    assert "attribute data" not in str(caught.value)
    assert _kept(journal_url) == sent


def test_what_was_paid_is_recorded_with_the_upload(
    opened: MediaService, emulator: GeminiEmulator, journal_url: str
) -> None:
    """Model, tokens and cost are on record, and in the ledger, though the answer was not."""
    with refused(journal_url, "generated"):
        result = ask(opened, spender="ada")
    row = record(opened, result.job_id)
    assert (row.state, row.paid_calls, row.risk_usd) == ("done", 1, Decimal(0))
    assert (row.model, row.usage, row.cost_usd) == (result.model, result.usage, result.cost_usd)
    assert result.usage
    assert result.cost_usd
    assert _ledger(journal_url) == {"": result.cost_usd, "ada": result.cost_usd}
    assert opened.usage().cost_usd == result.cost_usd
    assert opened.usage().possible_usd == 0
    assert _kept(journal_url) == []
    assert opened.resume_all() == []
    assert emulator.calls == 1


def test_what_was_paid_for_a_returned_picture_is_recorded_with_its_return(
    opened: MediaService, journal_url: str
) -> None:
    """The same for a picture that is not stored."""
    with refused(journal_url, "generated"):
        image = opened.generate("A house", spender="ada")
    row = record(opened, image.job_id)
    assert row.state == "done"
    assert (row.model, row.usage, row.cost_usd) == (image.model, image.usage, image.cost_usd)
    assert image.cost_usd
    assert _ledger(journal_url) == {"": image.cost_usd, "ada": image.cost_usd}


def test_what_is_no_picture_is_kept_though_it_was_not_recorded(
    opened: MediaService, emulator: GeminiEmulator, journal_url: str
) -> None:
    """The bytes of an unusable answer, and what it cost, are recorded when that is known of it."""
    emulator.script("bad-image")
    with refused(journal_url, "generated"), pytest.raises(InvalidImage) as caught:
        ask(opened, spender="ada")
    row = record(opened, caught.value.job_id)
    assert (row.state, row.paid_calls, row.risk_usd) == ("quarantined", 1, Decimal(0))
    assert row.cost_usd
    assert row.usage == caught.value.usage
    assert _kept(journal_url) == [b"not a png"]
    assert _ledger(journal_url) == {"": row.cost_usd, "ada": row.cost_usd}


def test_a_failure_that_was_not_recorded_is_none(
    opened: MediaService, emulator: GeminiEmulator, journal_url: str
) -> None:
    """A job whose end was not committed stays as it was: its call may be charged, and counts."""
    emulator.script("text-only")
    with refused(journal_url, "failed"), pytest.raises(NoImageReturned) as caught:
        ask(opened)
    row = record(opened, caught.value.job_id)
    assert (row.state, row.owner, row.paid_calls) == ("generating", None, 1)
    assert ask(opened).job_id == row.id
    assert record(opened, row.id).paid_calls == 2
    assert emulator.calls == 2


def _identity(media: MediaService, tmp_path: Path, key: str) -> tuple[int, int]:
    """Another one for each file that is written."""
    assert media.exists(key)
    stat = (tmp_path / "media" / key).stat()
    return stat.st_ino, stat.st_mtime_ns


def test_an_upload_that_was_not_committed_is_found_later(
    opened: MediaService, emulator: GeminiEmulator, journal_url: str, tmp_path: Path
) -> None:
    """Its job keeps the state it had: resumed it finds the object, and lets the bytes go."""
    told: list[str] = []

    def receive(_sender: object, *, job_id: str, **_: object) -> None:
        told.append(job_id)

    with signals.upload_finished.connected_to(receive):
        with refused(journal_url, "uploaded"):
            result = ask(opened)
        written = _identity(opened, tmp_path, result.object_key)
        row = record(opened, result.job_id)
        assert (row.state, row.owner) == ("generated", None)
        assert len(_kept(journal_url)) == 1

        (again,) = opened.resume_all()
    assert isinstance(again, MediaResult)
    assert (again.job_id, again.sha256) == (result.job_id, result.sha256)
    assert record(opened, result.job_id).state == "done"
    assert _kept(journal_url) == []
    assert _identity(opened, tmp_path, result.object_key) == written
    assert told == [result.job_id] * 2
    assert opened.resume_all() == []
    assert emulator.calls == 1


@pytest.fixture
def full_disk() -> Iterator[Callable[[Path], None]]:
    """Has the kernel let no file of this process grow over the size of that one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(path: Path) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


# SQLite only: a server's disk is its own.
def test_a_commit_that_fails_leaves_the_job_as_it_was(
    make_service: MakeService,
    emulator: GeminiEmulator,
    home: Path,
    full_disk: Callable[[Path], None],
) -> None:
    """Where the disk is full at the commit of an upload, the bytes stay until it is recorded."""
    service = make_service(MEDIA_STORAGE="memory")
    url = f"sqlite:///{home / 'media.sqlite3'}"

    def fill(*_: object, **_values: object) -> None:
        full_disk(home / "media.sqlite3-wal")

    def free(*_: object, **_values: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    with (
        signals.upload_started.connected_to(fill),
        signals.upload_finished.connected_to(free),
    ):
        result = ask(service)
    assert record(service, result.job_id).state == "generated"
    assert len(_kept(url)) == 1
    (again,) = service.resume_all()
    assert isinstance(again, MediaResult)
    assert again.sha256 == result.sha256
    assert record(service, result.job_id).state == "done"
    assert _kept(url) == []
    assert emulator.calls == 1
