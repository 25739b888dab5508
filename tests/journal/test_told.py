"""Who asked hears that no picture came, also where the process ended that should have said so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_media import ContentBlocked
from flask_media import GeneratedImage
from flask_media import InvalidImage
from flask_media import MediaError
from flask_media import NoImageReturned
from flask_media import OutcomeUnknown
from flask_media import signals
from flask_media.emulator import GeminiEmulator
from flask_media.service import MediaService

from ..delivery.moments import meanwhile
from .conftest import MakeMedia
from .halting import Halting
from .support import Gate
from .support import ask
from .support import record
from .support import sql

Start = Callable[..., Halting]

ASKED = {"prompt": "A sea house", "object_key": "goals/7/house.png"}


@pytest.fixture
def told() -> Iterator[list[MediaError]]:
    """The errors that ``generation_failed`` was sent with in this process."""
    errors: list[MediaError] = []

    def receive(_sender: object, *, job_id: str, error: MediaError, **_: object) -> None:
        assert error.job_id == job_id
        errors.append(error)

    with signals.generation_failed.connected_to(receive):
        yield errors


def _owners(url: str) -> list[str | None]:
    return [owner for (owner,) in sql(url, "SELECT owner FROM media_jobs")]


@pytest.mark.parametrize(
    ("mode", "expected", "state"),
    [
        ("image-safety", ContentBlocked, "failed"),
        ("text-only", NoImageReturned, "failed"),
        ("bad-base64", InvalidImage, "quarantined"),
        ("bad-image", InvalidImage, "quarantined"),
    ],
)
def test_a_failure_is_told_by_another_process(
    *,
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    journal_url: str,
    halting: Start,
    told: list[MediaError],
    mode: str,
    expected: type[MediaError],
    state: str,
) -> None:
    """Of a process killed within generation_failed: once, without a call, not while it lives."""
    emulator.script(mode)
    media = make_media()
    with halting("generate_and_upload", ASKED, at="generation_failed") as process:
        process.halted()
        assert media.resume_all() == []
        assert told == []
        process.kill()
    (job_id,) = (row.id for row in sql(journal_url, "SELECT id FROM media_jobs"))
    (error,) = media.resume_all()
    assert type(error) is expected
    assert isinstance(error, MediaError)
    assert error.job_id == job_id
    assert told == [error]
    assert media.resume_all() == make_media().resume_all() == []
    assert told == [error]
    assert record(media, job_id).state == state
    assert emulator.calls == 1


@pytest.mark.parametrize("mode", ["image-safety", "bad-image"])
def test_a_failure_is_told_though_its_process_was_made_to_exit(
    *,
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    halting: Start,
    told: list[MediaError],
    mode: str,
) -> None:
    """A SystemExit in the middle of generation_failed does not pass for having told it."""
    emulator.script(mode)
    with halting("generate_and_upload", ASKED, at="generation_failed") as process:
        process.halted()
        process.exit()
    (error,) = make_media().resume_all()
    assert told == [error]
    assert make_media().resume_all() == []
    assert emulator.calls == 1


def test_a_receiver_may_take_longer_than_a_lease(
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    halting: Start,
    told: list[MediaError],
    journal_url: str,
) -> None:
    """A failure is its process's to tell for as long as that tells it."""
    query = "SELECT lease_until FROM media_jobs"
    emulator.script("image-safety")
    media = make_media(MEDIA_LEASE=1)
    with halting("generate_and_upload", ASKED, at="generation_failed", MEDIA_LEASE=1) as process:
        process.halted()
        ((first,),) = sql(journal_url, query)
        end, look = time.monotonic() + 30, threading.Event()
        while sql(journal_url, query)[0][0] < first + 1:  # renewed when the first had run out
            assert time.monotonic() < end
            look.wait(0.05)
        assert media.resume_all() == []
        process.go()
        assert process.outcome() == ["ContentBlocked"]
    assert media.resume_all() == told == []


def test_a_failure_that_was_told_is_not_told_again(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str, told: list[MediaError]
) -> None:
    """Failed and quarantined jobs whose signal is out have no owner, and resume_all is silent."""
    media = make_media()
    for number, mode in enumerate(("image-safety", "text-only", "bad-base64", "bad-image")):
        emulator.script(mode)
        with pytest.raises(MediaError):
            ask(media, object_key=f"goals/{number}.png")
    assert len(told) == 4
    assert _owners(journal_url) == [None] * 4
    assert make_media().resume_all() == []
    assert len(told) == 4


def test_many_that_resume_tell_a_failure_once(
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    halting: Start,
    told: list[MediaError],
    threads: ThreadPoolExecutor,
) -> None:
    """Of several that find the same untold failure, one tells it."""
    emulator.script("image-safety")
    with halting("generate_and_upload", ASKED, at="generation_failed") as process:
        process.halted()
    services = [make_media() for _ in range(6)]
    outcomes = list(threads.map(lambda service: service.resume_all(), services))
    assert sorted(len(errors) for errors in outcomes) == [0] * 5 + [1]
    assert len(told) == 1


def test_a_failure_is_told_though_its_job_can_not_be_read(
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    journal_url: str,
    halting: Start,
    told: list[MediaError],
) -> None:
    """A job that can't be read is told all the same, and stops the telling of no other."""
    for number in range(2):
        emulator.script("image-safety")
        asked = ASKED | {"object_key": f"goals/{number}.png"}
        with halting("generate_and_upload", asked, at="generation_failed") as process:
            process.halted()
    sql(journal_url, "UPDATE media_jobs SET spec = 'no job' WHERE object_key = 'goals/0.png'")
    outcomes = make_media().resume_all()
    assert [type(outcome) for outcome in outcomes] == [ContentBlocked, ContentBlocked]
    assert told == outcomes


def test_a_call_that_was_cut_off_is_told_once(
    *,
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    halting: Start,
    gate: Gate,
    told: list[MediaError],
) -> None:
    """With raise, the first resume_all tells it; later ones return the error and tell nobody."""
    with halting("generate_and_upload", ASKED, at=None, MEDIA_ON_UNKNOWN="raise"):
        gate.arrived()
    gate.open()
    media = make_media(MEDIA_ON_UNKNOWN="raise")
    (first,) = media.resume_all()
    assert type(first) is OutcomeUnknown
    assert told == [first]
    for service in (media, make_media(MEDIA_ON_UNKNOWN="raise")):
        (again,) = service.resume_all()
        assert type(again) is OutcomeUnknown
        assert (again.job_id, str(again)) == (first.job_id, str(first))
    assert told == [first]
    assert emulator.calls == 1
    assert record(media, first.job_id).state == "unknown"
    assert media.resume(first.job_id or "", buy=True).job_id == first.job_id
    assert emulator.calls == 2


def test_a_cut_off_call_whose_receiver_was_killed_is_told_again(
    make_media: MakeMedia, emulator: GeminiEmulator, halting: Start, told: list[MediaError]
) -> None:
    """An error after which a job stays unfinished counts as told when its receivers are through."""
    emulator.script("reset")
    asked = {"at": "generation_failed", "MEDIA_ON_UNKNOWN": "raise"}
    with halting("generate_and_upload", ASKED, **asked) as process:
        process.halted()
    for _ in range(2):
        (error,) = make_media(MEDIA_ON_UNKNOWN="raise").resume_all()
        assert type(error) is OutcomeUnknown
    assert [type(one) for one in told] == [OutcomeUnknown]
    assert emulator.calls == 1


def test_nobody_waits_for_what_generate_was_killed_over(
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    halting: Start,
    gate: Gate,
    told: list[MediaError],
) -> None:
    """A generate() that was killed within its call ends as failed, and is told once."""
    with halting("generate", {"prompt": "A house"}, at=None):
        gate.arrived()
    gate.open()
    media = make_media()
    (error,) = media.resume_all()
    assert type(error) is OutcomeUnknown
    assert not error.retryable
    assert told == [error]
    row = record(media, error.job_id)
    assert (row.state, row.owner, row.paid_calls) == ("failed", None, 1)
    assert media.resume_all() == []
    assert told == [error]
    assert emulator.calls == 1


def test_what_generate_got_before_it_was_killed_is_kept(
    make_media: MakeMedia, emulator: GeminiEmulator, halting: Start, told: list[MediaError]
) -> None:
    """A generate() that was killed with its picture in the journal gives it to resume."""
    with halting("generate", {"prompt": "A house"}, at="generation_finished") as process:
        process.halted()
    media = make_media()
    (image,) = media.resume_all()
    assert isinstance(image, GeneratedImage)
    assert media.journal.picture(image.job_id) is not None
    again = media.resume(image.job_id)
    assert isinstance(again, GeneratedImage)
    assert again.data == image.data
    assert told == []
    assert emulator.calls == 1


def test_who_comes_after_the_end(media: MediaService) -> None:
    """A receiver that connects when the job is done already is not told of it."""
    heard: list[str] = []

    def receive(_: object, job_id: str, **__: object) -> None:
        heard.append(job_id)

    def connect() -> None:
        signals.upload_finished.connect(receive)

    try:
        with meanwhile(media.delivery, "delete_objects", connect):
            result = ask(media)
    finally:
        signals.upload_finished.disconnect(receive)
    assert record(media, result.job_id).state.value == "done"
    assert heard == []
