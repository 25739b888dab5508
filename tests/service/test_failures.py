"""What fails, fails as the right error, before anything is paid where that can be known."""

from __future__ import annotations

import io
import logging
import pickle
import traceback
from typing import Any

import pytest
from flask import Flask

from flask_media import ContentBlocked
from flask_media import GenerationTimeout
from flask_media import ImageFormat
from flask_media import ImageGenerationConfig
from flask_media import InvalidImage
from flask_media import InvalidRequest
from flask_media import MediaError
from flask_media import NoImageReturned
from flask_media import NotConfigured
from flask_media import OutcomeUnknown
from flask_media import ProviderRefused
from flask_media import ProviderUnavailable
from flask_media import RateLimited
from flask_media import UploadFailed
from flask_media import current_media
from flask_media.emulator import GeminiEmulator

from .conftest import SECRETS
from .conftest import Heard
from .conftest import MakeApp

MODES: dict[str, tuple[type[MediaError], int]] = {
    "429": (RateLimited, 1),
    "429-day": (RateLimited, 1),
    "429-day,retry=0.01": (RateLimited, 1),
    "429-free,retry=0.01": (RateLimited, 1),
    "429,retry=0.01": (RateLimited, 3),
    "500,after=0": (ProviderUnavailable, 3),
    "503,after=0": (ProviderUnavailable, 3),
    "503,after=3600": (ProviderUnavailable, 1),
    "400": (ProviderRefused, 1),
    "400-key": (ProviderRefused, 1),
    "400-safety": (ContentBlocked, 1),
    "403": (ProviderRefused, 1),
    "404": (ProviderRefused, 1),
    "504": (GenerationTimeout, 1),
    "redirect": (ProviderRefused, 1),
    "image-safety": (ContentBlocked, 1),
    "prompt-blocked": (ContentBlocked, 1),
    "no-image": (NoImageReturned, 1),
    "text-only": (NoImageReturned, 1),
    "thought-only": (NoImageReturned, 1),
    "empty-object": (NoImageReturned, 1),
    "bad-image": (InvalidImage, 1),
    "half-image": (InvalidImage, 1),
    "bad-base64": (InvalidImage, 1),
    "reset": (OutcomeUnknown, 1),
    "close": (OutcomeUnknown, 1),
    "truncate": (OutcomeUnknown, 1),
    "bad-json": (OutcomeUnknown, 1),
}


@pytest.mark.parametrize("mode", MODES)
def test_what_the_model_may_do(
    app: Flask,
    emulator: GeminiEmulator,
    heard: Heard,
    caplog: pytest.LogCaptureFixture,
    mode: str,
) -> None:
    """Each way to fail is its own error, is told once, stores nothing and shows no secret."""
    caplog.set_level(logging.DEBUG)
    emulator.default_mode, (expected, calls) = mode, MODES[mode]
    with pytest.raises(expected) as caught:
        current_media.generate_and_upload("A house", "house.png")
    error = caught.value
    assert type(error) is expected
    assert emulator.calls == calls
    assert not current_media.exists("house.png")
    if isinstance(error, InvalidImage):
        assert error.usage is not None
        assert error.model == "gemini-nano-banana-2.1"
    assert heard.names == ["generation_started", "generation_failed"]
    failed = heard.values("generation_failed")
    assert failed["error"] is error
    assert failed["job_id"] == error.job_id
    copy = pickle.loads(pickle.dumps(error))
    attributes = {name: value for name, value in vars(error).items() if name != "data"}
    assert (type(copy), str(copy), vars(copy)) == (expected, str(error), attributes)
    told = [r for r in caplog.records if r.levelno == logging.WARNING and "flask_media" in r.name]
    assert len([r for r in told if error.job_id and error.job_id in r.getMessage()]) == 1
    text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    for secret in SECRETS.values():
        assert secret not in caplog.text + text + str(pickle.dumps(error))


def test_drip_does_not_pass_the_deadline(make_app: MakeApp, emulator: GeminiEmulator) -> None:
    """GEMINI_TIMEOUT is a total, so an answer that drips in is cut, and not bought again."""
    emulator.default_mode = "drip,steps=100,pause=0.1"
    with make_app(GEMINI_TIMEOUT=0.5).app_context(), pytest.raises(GenerationTimeout):
        current_media.generate("A house")
    assert emulator.calls == 1


def test_passing_refusals_are_asked_again(app: Flask, emulator: GeminiEmulator) -> None:
    """Calls that charge nothing are made again, within the bound, and are counted."""
    emulator.script("503,after=0", "429,retry=0.01")
    result = current_media.generate_and_upload("A house", "house.png")
    assert (result.attempts, emulator.calls) == (3, 3)


def test_attempts_are_bounded_by_config(make_app: MakeApp, emulator: GeminiEmulator) -> None:
    """GEMINI_MAX_ATTEMPTS=1 means one call."""
    emulator.default_mode = "503,after=0"
    with make_app(GEMINI_MAX_ATTEMPTS=1).app_context(), pytest.raises(ProviderUnavailable):
        current_media.generate("A house")
    assert emulator.calls == 1


BAD_INPUT: dict[str, dict[str, Any]] = {
    "empty prompt": {"prompt": ""},
    "blank prompt": {"prompt": " \n\t"},
    "long prompt": {"prompt": "x" * 100_000},
    "surrogate": {"prompt": "house \ud800"},
    "prompt of bytes": {"prompt": b"house"},
    "no prompt": {"prompt": None},
    "key up": {"object_key": "../x.png"},
    "key absolute": {"object_key": "/x.png"},
    "key empty segment": {"object_key": "a//b.png"},
    "key NUL": {"object_key": "a\0b.png"},
    "key long": {"object_key": "k" * 1025},
    "key none": {"object_key": None},
    "key of another format": {"object_key": "a.gif"},
    "key against format": {
        "object_key": "a.png",
        "config": ImageGenerationConfig(format=ImageFormat.WEBP),
    },
    "metadata list": {"metadata": ["a"]},
    "metadata value": {"metadata": {"a": object()}},
    "metadata large": {"metadata": {"a": "x" * 3000}},
    "metadata line end": {"metadata": {"a": "x\r\nX-Evil: 1"}},
    "config dict": {"config": {"size": "banner"}},
    "references no list": {"reference_images": "house.png"},
    "reference URL": {"reference_images": ["https://example.com/a.png"]},
    "reference path": {"reference_images": ["/etc/passwd"]},
    "reference number": {"reference_images": [7]},
    "reference empty": {"reference_images": [b""]},
    "reference text file": {"reference_images": [io.StringIO("x")]},
}


@pytest.mark.parametrize("what", BAD_INPUT)
def test_bad_input_costs_nothing(
    app: Flask, emulator: GeminiEmulator, heard: Heard, what: str
) -> None:
    """Wrong arguments are refused by name before the model hears of them."""
    arguments: dict[str, Any] = {"prompt": "A house", "object_key": "house.png"} | BAD_INPUT[what]
    with pytest.raises(InvalidRequest) as caught:
        current_media.generate_and_upload(**arguments)
    (name,) = [name for name in BAD_INPUT[what] if name != "config"] or ["config"]
    assert name in str(caught.value)
    assert len(str(caught.value)) < 400
    assert isinstance(caught.value, ValueError)
    assert emulator.calls == 0
    assert heard.names == []


@pytest.mark.parametrize("reference", [b"<html>", b"\x89PNG\r\n\x1a\nhalf"])
def test_bad_references_cost_nothing(
    app: Flask, emulator: GeminiEmulator, reference: bytes
) -> None:
    """Reference pictures are verified like answers, before the call."""
    with pytest.raises(InvalidImage, match=r"reference_images\[0\]"):
        current_media.generate("A house", reference_images=[reference])
    assert emulator.calls == 0


def test_too_many_references_cost_nothing(app: Flask, emulator: GeminiEmulator) -> None:
    """The model's limit of reference pictures is checked before the call."""
    picture = current_media.generate("A house", ImageGenerationConfig(size=(64, 64))).data
    with pytest.raises(InvalidRequest, match="reference_images"):
        current_media.generate("A house", reference_images=[picture] * 15)
    assert emulator.calls == 1


@pytest.mark.parametrize(
    ("missing", "key"),
    [
        ({"GEMINI_API_KEY": None}, "GEMINI_API_KEY"),
        ({"MEDIA_STORAGE": "spaces"}, "SPACES_BUCKET"),
        ({"SPACES_BUCKET": "media", "SPACES_REGION": "fra1", "MEDIA_STORAGE": None}, "SPACES_KEY"),
        (
            {
                "SPACES_BUCKET": "media",
                "SPACES_REGION": "fra1",
                "SPACES_KEY": SECRETS["SPACES_KEY"],
                "MEDIA_STORAGE": None,
            },
            "SPACES_SECRET",
        ),
        ({"MEDIA_PROMPT_TEMPLATE": "missing.txt"}, "MEDIA_PROMPT_TEMPLATE"),
    ],
)
def test_missing_config_costs_nothing(
    make_app: MakeApp, emulator: GeminiEmulator, missing: dict[str, Any], key: str
) -> None:
    """What is not configured is named, as a RuntimeError, before anything is paid."""
    with make_app(**missing).app_context(), pytest.raises(NotConfigured, match=key) as caught:
        current_media.generate_and_upload("A house", "house.png")
    assert isinstance(caught.value, RuntimeError)
    assert emulator.calls == 0
    assert not any(secret in str(caught.value) for secret in SECRETS.values())


def test_generate_needs_no_storage(make_app: MakeApp) -> None:
    """generate() works where no bucket is configured."""
    with make_app(MEDIA_STORAGE="spaces").app_context():
        assert current_media.generate("A house").width == 1024


def test_upload_failure_names_the_job(
    make_app: MakeApp, emulator: GeminiEmulator, heard: Heard
) -> None:
    """A storage that can't be reached is UploadFailed, with the job, retryable, and told."""
    app = make_app(
        MEDIA_STORAGE="spaces",
        SPACES_PROVIDER="minio",
        SPACES_ENDPOINT_URL="http://127.0.0.1:9",
        SPACES_BUCKET="media",
        SPACES_REGION="us-east-1",
        SPACES_KEY=SECRETS["SPACES_KEY"],
        SPACES_SECRET=SECRETS["SPACES_SECRET"],
    )
    with app.app_context(), pytest.raises(UploadFailed) as caught:
        current_media.generate_and_upload("A house", "house.png")
    error = caught.value
    assert error.retryable
    assert error.job_id == heard.values("generation_finished")["job_id"]
    assert heard.values("upload_failed")["error"] is error
    text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert not any(secret in text for secret in SECRETS.values())
    assert emulator.calls == 1
