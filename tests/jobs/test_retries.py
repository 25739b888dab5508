"""What a queue tries again by itself, and what is told of that."""

from __future__ import annotations

import pytest

from flask_media import MediaError
from flask_media import NoImageReturned
from flask_media import OutcomeUnknown
from flask_media import ProviderUnavailable
from flask_media import RateLimited
from flask_media import UploadFailed
from flask_media.emulator import GeminiEmulator
from flask_media.errors import BudgetExceeded
from flask_media.jobs.base import LONGEST_DELAY
from flask_media.jobs.base import Runner
from flask_media.service import MediaService

from ..faults import answer
from ..faults import fault_server
from ..faults import s3_error
from ..journal.conftest import MakeMedia
from ..journal.support import record
from ..journal.support import sql
from .support import heard
from .support import later

TIMEOUT = 30


@pytest.fixture
def media(make_media: MakeMedia) -> MediaService:
    """A service whose queue does not wait long."""
    return make_media(MEDIA_QUEUE_RETRY_SECONDS=0.05, MEDIA_QUEUE_RETRIES=2)


@pytest.mark.parametrize("mode", ["text-only", "reset", "503,after=0", "429,retry=0"])
def test_what_can_pass_is_tried_again(
    media: MediaService, emulator: GeminiEmulator, mode: str
) -> None:
    """The job goes on after an error that can pass; nobody is told that it failed."""
    refused = 3 if mode[0].isdigit() else 1
    emulator.script(*[mode] * refused)
    with heard() as said:
        job = later(media)
        result = job.result(TIMEOUT)
    assert emulator.calls == result.attempts == refused + 1
    assert said.of(job) == [
        *["generation_started"] * 2,
        "generation_finished",
        "upload_started",
        "upload_finished",
    ]
    assert job.error is None


def test_tried_in_vain(media: MediaService, emulator: GeminiEmulator, journal_url: str) -> None:
    """After the last try it has failed: told once, its money settled, and free to be asked anew."""
    emulator.script(*["503,after=0"] * 9)
    with heard() as said:
        job = later(media)
        with pytest.raises(ProviderUnavailable):
            job.result(TIMEOUT)
        assert (job.status, type(job.error)) == ("failed", ProviderUnavailable)
        assert said.of(job).count("generation_failed") == 1
    assert emulator.calls == 9
    assert later(media).result(TIMEOUT).job_id != job.id


def test_paid_answers_are_bounded(media: MediaService, emulator: GeminiEmulator) -> None:
    """Calls that may have been paid count for the picture over all tries: GEMINI_MAX_ATTEMPTS."""
    emulator.script(*["text-only"] * 9)
    job = later(media)
    with pytest.raises(NoImageReturned):
        job.result(TIMEOUT)
    assert emulator.calls == record(media, job.id).paid_calls == 3


def test_unknown_as_the_config_says(make_media: MakeMedia, emulator: GeminiEmulator) -> None:
    """With MEDIA_ON_UNKNOWN = raise a call that was cut off is not made again."""
    media = make_media(MEDIA_ON_UNKNOWN="raise", MEDIA_QUEUE_RETRY_SECONDS=0.05)
    emulator.script("reset")
    job = later(media)
    with pytest.raises(OutcomeUnknown):
        job.result(TIMEOUT)
    assert (job.status, job.has_ended, emulator.calls) == ("unknown", True, 1)
    bought = media.resume(job.id, buy=True)
    assert job.refresh().stored == bought


def test_the_upload_is_tried_again(make_media: MakeMedia, emulator: GeminiEmulator) -> None:
    """A storage that is down for a while costs no second call; one that stays so is told once."""
    busy = s3_error("503 Slow Down", "SlowDown")
    with fault_server() as server, heard() as said:
        server.play(busy)
        media = make_media(
            MEDIA_STORAGE="spaces",
            SPACES_BUCKET="media",
            SPACES_KEY="key",
            SPACES_SECRET="secret",
            SPACES_PROVIDER="minio",
            SPACES_ENDPOINT_URL=server.url,
            MEDIA_QUEUE_RETRIES=1,
            MEDIA_QUEUE_RETRY_SECONDS=0.05,
        )
        job = later(media)
        with pytest.raises(UploadFailed):
            job.result(TIMEOUT)
        assert said.of(job).count("upload_started") == 2
        assert said.of(job).count("upload_failed") == 1
        assert (job.status, job.has_ended) == ("generated", True)
        server.play(answer("404 Not Found"), busy, answer("200 OK", ETag='"1"'))
        assert later(media).result(TIMEOUT).job_id == job.id
    assert emulator.calls == 1


@pytest.fixture
def runner() -> Runner:
    """Five retries, the first after ten seconds."""
    return Runner(None, retries=5, first_delay=10)  # type: ignore[arg-type]  # it works on nothing


@pytest.mark.parametrize(
    ("error", "tries", "delay"),
    [
        (NoImageReturned(), 0, 10),
        (NoImageReturned(), 3, 80),
        (NoImageReturned(), 5, None),
        (NoImageReturned(retryable=False), 0, None),
        (RateLimited(retry_after=90), 1, 90),
        (RateLimited(retry_after=7200), 0, None),
        (RateLimited(daily=True), 0, None),
        (BudgetExceeded(), 0, None),
        (UploadFailed(), 1, 20),
    ],
)
def test_delay(runner: Runner, error: MediaError, tries: int, delay: float | None) -> None:
    """The provider's word first, else twice as long each time; what no wait mends ends the job."""
    assert runner.delay(error, tries) == delay


def test_delays_have_an_end() -> None:
    """However often it was tried, the next try is not days away."""
    runner = Runner(None, retries=100, first_delay=10)  # type: ignore[arg-type]
    assert runner.delay(UploadFailed(), 99) == LONGEST_DELAY


def test_a_job_between_two_tries_can_be_cancelled(
    make_media: MakeMedia, emulator: GeminiEmulator, journal_url: str
) -> None:
    """It waits for its next try unfinished, held, and costs nothing more once it is cancelled."""
    media = make_media(MEDIA_QUEUE_RETRY_SECONDS=600)
    emulator.script("text-only")
    job = later(media)
    waiting = media.journal.until(
        job.id, lambda row: bool(row.attempts) and row.state == "requested", timeout=TIMEOUT
    )
    assert waiting
    assert job.refresh().cancel()
    assert sql(journal_url, "SELECT reserved_nano FROM media_jobs") == [(0,)]
    assert emulator.calls == 1
