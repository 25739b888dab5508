"""A model is asked again only where nothing was charged, as often and as late as agreed."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace

import pytest
import tenacity

from flask_media import errors
from flask_media.attempts import LONGEST_WAIT
from flask_media.attempts import ask
from flask_media.errors import MediaError
from flask_media.errors import ProviderUnavailable
from flask_media.errors import RateLimited


class Model:
    """Raises the faults in turn, then answers."""

    def __init__(self, *faults: BaseException) -> None:
        self.faults = list(faults)
        self.asked: list[str] = []

    @property
    def calls(self) -> int:
        """How often it was called."""
        return len(self.asked)

    def __call__(self, name: str) -> str:
        self.asked.append(name)
        if self.faults:
            raise self.faults.pop(0)
        return "picture"


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many attempts as asked for, without the waits between them."""
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda _seconds: None))


def _soon(cls: type[RateLimited | ProviderUnavailable] = RateLimited) -> MediaError:
    return cls("later", retry_after=0.001)


def test_the_first_answer() -> None:
    """An answer at once is one call, and nothing is logged."""
    model = Model()
    assert ask(model, models=["one"], max_calls=3, job_id="7f") == ("picture", 1)
    assert model.calls == 1


@pytest.mark.parametrize("cls", [RateLimited, ProviderUnavailable])
def test_refusals_that_pass(cls: type[RateLimited | ProviderUnavailable]) -> None:
    """After refusals that cost nothing the model is asked again, and the calls are counted."""
    model = Model(_soon(cls), _soon(cls))
    assert ask(model, models=["one"], max_calls=3, job_id="7f") == ("picture", 3)
    assert model.calls == 3


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_bounded(attempts: int) -> None:
    """No more calls are made than allowed, and the last refusal is the error."""
    faults = [_soon() for _ in range(attempts + 3)]
    model = Model(*faults)
    with pytest.raises(RateLimited) as caught:
        ask(model, models=["one"], max_calls=attempts, job_id="7f")
    assert caught.value is faults[attempts - 1]
    assert model.calls == attempts


@pytest.mark.parametrize(
    "error",
    [
        errors.ContentBlocked("x"),
        errors.NoImageReturned("x"),
        errors.ProviderRefused("x", status=400),
        errors.ProviderRefused("x", status=403, retry_after=0.001),
        errors.OutcomeUnknown("x"),
        errors.GenerationTimeout("x", retry_after=0.001),
        errors.InvalidImage("x"),
        errors.NotConfigured("x"),
        errors.InvalidRequest("x"),
        RateLimited("x", retryable=False),
        ProviderUnavailable("x", retryable=False, retry_after=0.001),
        ValueError("a fault of ours"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.usefixtures("no_waits")
def test_not_asked_again(error: BaseException) -> None:
    """What may have been charged, and what asking again can't change, is asked once."""
    model = Model(error)
    with pytest.raises(type(error)) as caught:
        ask(model, models=["one"], max_calls=5, job_id="7f")
    assert caught.value is error
    assert model.calls == 1


def test_a_quota_of_the_day() -> None:
    """A quota that only the next day brings back is not asked for again, whatever it says."""
    error = RateLimited("quota", retry_after=0.001)
    error.daily = True
    model = Model(error)
    with pytest.raises(RateLimited):
        ask(model, models=["one"], max_calls=5, job_id="7f")
    assert model.calls == 1


def test_a_cut_call_ends_the_asking() -> None:
    """After a refusal, a call that was cut off is the end: no third call."""
    model = Model(_soon(), errors.OutcomeUnknown("cut"), _soon())
    with pytest.raises(errors.OutcomeUnknown):
        ask(model, models=["one"], max_calls=5, job_id="7f")
    assert model.calls == 2


@pytest.mark.alone
@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2])
def test_the_providers_wait_is_kept(seconds: float) -> None:
    """The wait that the provider asks for is waited, no less and not much more."""
    started = time.monotonic()
    ask(Model(RateLimited("later", retry_after=seconds)), models=["one"], max_calls=2, job_id="7f")
    assert seconds <= time.monotonic() - started < seconds + 0.25


@pytest.mark.usefixtures("no_waits")
def test_the_longest_wait() -> None:
    """A wait of the limit is waited; for a longer one there is no call, and the error says it."""
    assert ask(
        Model(RateLimited("later", retry_after=LONGEST_WAIT)),
        models=["one"],
        max_calls=2,
        job_id="7f",
    ) == ("picture", 2)
    model = Model(RateLimited("later", retry_after=LONGEST_WAIT + 0.1))
    with pytest.raises(RateLimited) as caught:
        ask(model, models=["one"], max_calls=2, job_id="7f")
    assert caught.value.retry_after == LONGEST_WAIT + 0.1
    assert model.calls == 1


@pytest.mark.alone
def test_waits_of_our_own() -> None:
    """Where the provider does not say, the second call comes after half a second to one."""
    started = time.monotonic()
    ask(Model(ProviderUnavailable("down")), models=["one"], max_calls=2, job_id="7f")
    assert 0.5 <= time.monotonic() - started < 1.3


def test_the_log_tells_the_story(caplog: pytest.LogCaptureFixture) -> None:
    """Each refused call that is made again is one line at INFO with job, number, error and wait."""
    caplog.set_level(logging.INFO, "flask_media")
    key = "AIza-hunter2"
    ask(
        Model(
            RateLimited(f"no: {key}", retry_after=0.001),
            ProviderUnavailable("down", retry_after=0.001),
        ),
        models=["one"],
        max_calls=4,
        job_id="7f",
    )
    ours = [r for r in caplog.records if r.name.startswith("flask_media")]
    assert [(r.levelno, r.getMessage()) for r in ours] == [
        (
            logging.INFO,
            "Job 7f: call 1 of at most 4 was refused (RateLimited); asking one in 0.00 s",
        ),
        (
            logging.INFO,
            "Job 7f: call 2 of at most 4 was refused (ProviderUnavailable); asking one in 0.00 s",
        ),
    ]


GONE = errors.ProviderRefused("no such model", status=404)
PASS_ON = {
    "overloaded": ProviderUnavailable("down", status=503),
    "overloaded for long": ProviderUnavailable("down", retry_after=3600.0),
    "down for good": ProviderUnavailable("down", retryable=False),
    "rate": RateLimited("later"),
    "rate for long": RateLimited("later", retry_after=3600.0),
    "quota": RateLimited("quota", daily=True),
    "no quota at all": RateLimited("not on the free tier", retryable=False),
    "gone": GONE,
}
"""What another model may be asked after."""


@pytest.mark.alone
@pytest.mark.parametrize("error", PASS_ON.values(), ids=PASS_ON)
def test_the_next_model(error: MediaError) -> None:
    """A model that is overloaded, gone or over its quota gives way to the next one, at once."""
    model = Model(error)
    started = time.monotonic()
    assert ask(model, models=["one", "two"], max_calls=2, job_id="7f") == ("picture", 2)
    assert model.asked == ["one", "two"]
    assert time.monotonic() - started < 0.4


def test_models_in_order() -> None:
    """Each model is asked once, the last one for the calls that are left."""
    model = Model(GONE, RateLimited("quota", daily=True), _soon(), _soon())
    assert ask(model, models=["one", "two", "three"], max_calls=5, job_id="7f") == ("picture", 5)
    assert model.asked == ["one", "two", "three", "three", "three"]


def test_models_within_the_bound() -> None:
    """No model is asked beyond the calls that are allowed."""
    model = Model(*PASS_ON.values())
    with pytest.raises(ProviderUnavailable) as caught:
        ask(model, models=["one", "two", "three"], max_calls=2, job_id="7f")
    assert caught.value is PASS_ON["overloaded for long"]
    assert model.asked == ["one", "two"]


def test_the_last_model_is_gone() -> None:
    """Where no model is left, that the last one is gone is the error."""
    model = Model(GONE, GONE)
    with pytest.raises(errors.ProviderRefused):
        ask(model, models=["one", "two"], max_calls=9, job_id="7f")
    assert model.asked == ["one", "two"]


@pytest.mark.parametrize(
    "error",
    [
        errors.ContentBlocked("x"),
        errors.NoImageReturned("x"),
        errors.InvalidImage("x"),
        errors.OutcomeUnknown("x"),
        errors.GenerationTimeout("x", status=504),
        errors.ProviderRefused("x", status=400),
        errors.ProviderRefused("x", status=403),
        errors.JournalError("x"),
        errors.BudgetExceeded("x"),
        ValueError("a fault of ours"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.usefixtures("no_waits")
def test_no_other_model(error: Exception) -> None:
    """What was blocked or cut off, or is wrong with the key or request, goes to no other model."""
    model = Model(error)
    with pytest.raises(type(error)):
        ask(model, models=["one", "two"], max_calls=5, job_id="7f")
    assert model.asked == ["one"]
