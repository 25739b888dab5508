"""Every mode of the emulator, through the real SDK, to its answer or its one error."""

from __future__ import annotations

import base64
import gzip
import logging

import pytest

from flask_media.emulator import MODES
from flask_media.emulator import Ask
from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply
from flask_media.emulator.messages import answer
from flask_media.emulator.pictures import make_picture
from flask_media.errors import ContentBlocked
from flask_media.errors import GenerationTimeout
from flask_media.errors import InvalidImage
from flask_media.errors import MediaError
from flask_media.errors import NoImageReturned
from flask_media.errors import OutcomeUnknown
from flask_media.errors import ProviderError
from flask_media.errors import ProviderRefused
from flask_media.errors import ProviderUnavailable
from flask_media.errors import RateLimited
from flask_media.generators.gemini import GeminiGenerator

from .conftest import KEY
from .conftest import MakeGenerator
from .support import ask
from .support import assert_clean

PICTURES = ("ok", "image", "text-and-image", "thought", "unknown-fields", "flaky,fail=0")
GARBAGE = ("bad-image", "half-image")

Expected = tuple[type[MediaError], str | None]

ERRORS: dict[str, Expected] = {
    "thought-only": (NoImageReturned, "NO_IMAGE"),
    "text-only": (NoImageReturned, "STOP"),
    "no-image-stop": (NoImageReturned, "STOP"),
    "no-image": (NoImageReturned, "NO_IMAGE"),
    "image-other": (NoImageReturned, "IMAGE_OTHER"),
    "max-tokens": (NoImageReturned, "MAX_TOKENS"),
    "malformed": (NoImageReturned, "MALFORMED_RESPONSE"),
    "other": (NoImageReturned, "OTHER"),
    "unknown-finish": (NoImageReturned, "SOMETHING_NEW_IN_2027"),
    "empty": (NoImageReturned, None),
    "empty-candidates": (NoImageReturned, None),
    "empty-object": (NoImageReturned, None),
    "content-none": (NoImageReturned, "STOP"),
    "content-empty": (NoImageReturned, "STOP"),
    "part-empty-data": (NoImageReturned, "STOP"),
    "image-safety": (ContentBlocked, "IMAGE_SAFETY"),
    "image-safety,content=0": (ContentBlocked, "IMAGE_SAFETY"),
    "image-prohibited": (ContentBlocked, "IMAGE_PROHIBITED_CONTENT"),
    "image-recitation": (ContentBlocked, "IMAGE_RECITATION"),
    "safety": (ContentBlocked, "SAFETY"),
    "recitation": (ContentBlocked, "RECITATION"),
    "prohibited": (ContentBlocked, "PROHIBITED_CONTENT"),
    "blocklist": (ContentBlocked, "BLOCKLIST"),
    "spii": (ContentBlocked, "SPII"),
    "prompt-blocked": (ContentBlocked, "PROHIBITED_CONTENT"),
    "400-safety": (ContentBlocked, "INVALID_ARGUMENT"),
    "bad-base64": (InvalidImage, None),
    "429": (RateLimited, "GenerateRequestsPerMinutePerProjectPerModel"),
    "429-minute": (RateLimited, "GenerateRequestsPerMinutePerProjectPerModel"),
    "429-day": (RateLimited, "GenerateRequestsPerDayPerProjectPerModel"),
    "429-free": (RateLimited, "GenerateRequestsPerMinutePerProjectPerModel"),
    "429-bare": (RateLimited, "RESOURCE_EXHAUSTED"),
    "400": (ProviderRefused, "INVALID_ARGUMENT"),
    "400-ratio": (ProviderRefused, "INVALID_ARGUMENT"),
    "400-key": (ProviderRefused, "API_KEY_INVALID"),
    "400-location": (ProviderRefused, "FAILED_PRECONDITION"),
    "401": (ProviderRefused, "UNAUTHENTICATED"),
    "403": (ProviderRefused, "PERMISSION_DENIED"),
    "403-disabled": (ProviderRefused, "SERVICE_DISABLED"),
    "404": (ProviderRefused, "NOT_FOUND"),
    "499": (ProviderRefused, "CANCELLED"),
    "redirect": (ProviderRefused, None),
    "500": (ProviderUnavailable, "INTERNAL"),
    "502-html": (ProviderUnavailable, None),
    "503": (ProviderUnavailable, "UNAVAILABLE"),
    "flaky": (ProviderUnavailable, "UNAVAILABLE"),
    "random,p=1,codes=503": (ProviderUnavailable, "UNAVAILABLE"),
    "504": (GenerationTimeout, "DEADLINE_EXCEEDED"),
    "bad-json": (OutcomeUnknown, None),
    "empty-body": (OutcomeUnknown, None),
    "html": (OutcomeUnknown, None),
    "reset": (OutcomeUnknown, None),
    "close": (OutcomeUnknown, None),
    "truncate": (OutcomeUnknown, None),
}

SLOW = ("hang", "drip,steps=400,pause=0.05", "drip-headers,steps=400,pause=0.05")


def test_every_mode_is_here() -> None:
    """No mode of the emulator is left out."""
    named = {name.split(",")[0] for name in (*PICTURES, *GARBAGE, *ERRORS, *SLOW)}
    assert named == MODES.keys()


@pytest.mark.parametrize("mode", PICTURES)
def test_picture(emulator: GeminiEmulator, generator: GeminiGenerator, mode: str) -> None:
    """The picture is the last one that is no draft, and one request was made for it."""
    answered = generator.generate(ask(model=f"stub-{mode}"))
    assert answered.data == make_picture("image/png", 64, 64, 0, 0)
    assert answered.usage is not None
    assert answered.usage.image_tokens == 1120
    assert answered.cost_usd is None
    assert emulator.calls == 1


@pytest.mark.parametrize("mode", GARBAGE)
def test_bytes_are_not_judged(
    emulator: GeminiEmulator, generator: GeminiGenerator, mode: str
) -> None:
    """Bytes that are no whole picture come back as they are: the service looks into them."""
    assert generator.generate(ask(model=f"stub-{mode}")).data
    assert emulator.calls == 1


@pytest.mark.parametrize("mode", ERRORS)
def test_error(
    emulator: GeminiEmulator,
    generator: GeminiGenerator,
    mode: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each failure is one typed error after one request, and none holds or logs the key."""
    caplog.set_level(logging.DEBUG)
    kind, reason = ERRORS[mode]
    with pytest.raises(MediaError) as caught:
        generator.generate(ask(model=f"stub-{mode}"))
    assert type(caught.value) is kind
    assert getattr(caught.value, "reason", None) == reason
    assert emulator.calls == 1
    assert_clean(caught.value)
    assert KEY not in caplog.text


@pytest.mark.parametrize("mode", SLOW)
def test_total_deadline(emulator: GeminiEmulator, make: MakeGenerator, mode: str) -> None:
    """Neither silence nor a drip in headers or body outlasts GEMINI_TIMEOUT."""
    generator = make(emulator.url, timeout=0.4)
    with pytest.raises(GenerationTimeout, match=r"GEMINI_TIMEOUT = 0\.4 seconds") as caught:
        generator.generate(ask(model=f"stub-{mode}"))
    assert emulator.calls == 1
    assert_clean(caught.value)


def test_drip_in_time(generator: GeminiGenerator) -> None:
    """A slow answer within the deadline is whole."""
    assert generator.generate(ask(model="stub-drip,steps=5,pause=0.01")).data


def test_words_of_a_refusal(generator: GeminiGenerator) -> None:
    """What the model said in the picture's place is the message, with the usage."""
    with pytest.raises(NoImageReturned, match="just a language model") as caught:
        generator.generate(ask(model="stub-text-only"))
    assert caught.value.usage is not None
    assert caught.value.usage.total_tokens == 8
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("mode", "seconds", "retryable", "words"),
    [
        ("429", 36.5, True, "rate limit"),
        ("429-day", 43200.0, True, "for the day"),
        ("429-free", 30.0, False, "no quota"),
        ("429-bare", None, True, "rate limit"),
        ("429-bare,after=7", 7.0, True, "rate limit"),
        ("429-bare,after=never", None, True, "rate limit"),
        ("503,after=3", 3.0, True, "not available"),
    ],
)
def test_when_to_come_again(
    generator: GeminiGenerator, mode: str, seconds: float | None, retryable: bool, words: str
) -> None:
    """RetryInfo and Retry-After become seconds, and the message says which quota it is."""
    with pytest.raises(ProviderError, match=words) as caught:
        generator.generate(ask(model=f"stub-{mode}"))
    assert caught.value.retry_after == seconds
    assert caught.value.retryable is retryable


@pytest.mark.parametrize(
    ("date", "lowest", "highest"),
    [
        ("Fri, 01 Jan 2100 00:00:00 GMT", 1e9, 1e10),
        ("Sat, 01 Jan 2000 00:00:00 -0000", 0.0, 0.0),
    ],
)
def test_retry_after_as_a_date(
    emulator: GeminiEmulator, generator: GeminiGenerator, date: str, lowest: float, highest: float
) -> None:
    """Retry-After may be a date; one in the past means now."""
    emulator.handler(lambda _: Reply(503, {}, {"Retry-After": date}))
    with pytest.raises(ProviderUnavailable) as caught:
        generator.generate(ask())
    assert caught.value.retry_after is not None
    assert lowest <= caught.value.retry_after <= highest


@pytest.mark.parametrize(
    ("mode", "key"),
    [
        ("400-key", "GEMINI_API_KEY"),
        ("401", "GEMINI_API_KEY"),
        ("403", "GEMINI_API_KEY"),
        ("404", "GEMINI_MODEL"),
    ],
)
def test_refusal_names_the_config_key(generator: GeminiGenerator, mode: str, key: str) -> None:
    """A refusal says which config key to look at."""
    with pytest.raises(ProviderRefused, match=key):
        generator.generate(ask(model=f"stub-{mode}"))


@pytest.mark.parametrize(
    "body",
    [
        [{"error": {"message": f"the key {KEY} is\nwrong", "status": "NO", "code": 400}}],
        {"error": {"message": KEY + "x" * 5000, "status": KEY}},
        {"error": {"message": ["no"], "status": 5, "details": [7, {"@type": 8}]}},
        {"error": "text"},
        [],
        7,
    ],
)
def test_hostile_error_bodies(
    emulator: GeminiEmulator, generator: GeminiGenerator, body: object
) -> None:
    """An error body of any shape is one short line without the key, even when it echoes it."""
    emulator.handler(lambda _: Reply(400, body))
    with pytest.raises(ProviderRefused) as caught:
        generator.generate(ask())
    assert len(str(caught.value)) < 800
    assert "\n" not in str(caught.value)
    assert_clean(caught.value)


@pytest.mark.parametrize(
    "body", [{"candidates": "none"}, {"candidates": [{"content": {"parts": 7}}]}, [], "text"]
)
def test_answer_of_another_shape(
    emulator: GeminiEmulator, generator: GeminiGenerator, body: object
) -> None:
    """200 with JSON of another shape may have been charged."""
    emulator.handler(lambda _: Reply(body=body))
    with pytest.raises(OutcomeUnknown, match="GEMINI_BASE_URL"):
        generator.generate(ask())


def test_both_base64_alphabets(emulator: GeminiEmulator, generator: GeminiGenerator) -> None:
    """The picture's base64 may be of the standard or the URL-safe alphabet."""
    data = bytes(range(256)) * 3
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        emulator.reset()
        part = {"inlineData": {"mimeType": "IMAGE/PNG", "data": encode(data).decode()}}
        emulator.handler(lambda ask, part=part: answer(ask, [part]))  # type: ignore[misc]
        assert generator.generate(ask()).data == data


def test_compressed_answers(emulator: GeminiEmulator, generator: GeminiGenerator) -> None:
    """Nothing compressed is asked for, and what comes compressed all the same is read."""
    whole = b'{"candidates": [{"content": {"parts": [{"text": "hello"}]}}]}'

    def send(body: bytes, encoding: str) -> None:
        emulator.reset()
        emulator.handler(lambda _: Reply(raw=body, headers={"Content-Encoding": encoding}))

    send(gzip.compress(whole), "gzip")
    with pytest.raises(NoImageReturned, match="hello"):
        generator.generate(ask())
    assert emulator.requests[-1].headers["accept-encoding"] == "identity"
    for body, encoding in ((gzip.compress(whole)[:-9], "gzip"), (b"no", "gzip"), (whole, "br")):
        send(body, encoding)
        with pytest.raises(OutcomeUnknown):
            generator.generate(ask())


def test_overlong_answer(generator: GeminiGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without an end is not read without an end."""
    monkeypatch.setattr("flask_media.transport.MAX_ANSWER_BYTES", 300)
    with pytest.raises(OutcomeUnknown, match="longer than 300 bytes"):
        generator.generate(ask())


@pytest.mark.parametrize("mode", ["ok", "truncate"])
def test_chunked(make: MakeGenerator, mode: str) -> None:
    """Chunked answers are read whole, and a cut one is seen."""
    with GeminiEmulator(width=640, height=640, image_bytes=200_000, chunked=True) as emulator:
        generator = make(emulator.url)
        if mode == "ok":
            assert len(generator.generate(ask()).data) == 200_000
        else:
            with pytest.raises(OutcomeUnknown):
                generator.generate(ask(model="stub-truncate"))
        assert emulator.calls == 1


def test_blocked_with_a_message(emulator: GeminiEmulator, generator: GeminiGenerator) -> None:
    """A blocked prompt says the provider's reason and words."""
    feedback = {"blockReason": "OTHER", "blockReasonMessage": "not this"}
    emulator.handler(lambda _: Reply(body={"promptFeedback": feedback}))
    with pytest.raises(ContentBlocked, match=r"\(OTHER\)\. not this") as caught:
        generator.generate(ask())
    assert caught.value.usage is None
    assert not caught.value.retryable


def test_prompt_that_is_not_ascii(emulator: GeminiEmulator, generator: GeminiGenerator) -> None:
    """The prompt arrives letter for letter."""

    def look(asked: Ask) -> None:
        assert asked.prompt == "Être libre ☂"

    emulator.handler(look)
    assert generator.generate(ask("Être libre ☂")).data
