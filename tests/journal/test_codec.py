"""What the journal writes down, it reads back."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC
from datetime import datetime
from decimal import Decimal

import pytest

from flask_media import ImageFormat
from flask_media import ImageGenerationConfig
from flask_media import ImageQuality
from flask_media import ImageSize
from flask_media import ImageTheme
from flask_media import Usage
from flask_media import errors
from flask_media.errors import AnswerError
from flask_media.errors import MediaError
from flask_media.errors import ProviderError
from flask_media.journal.codec import digest
from flask_media.journal.codec import dump
from flask_media.journal.codec import dump_error
from flask_media.journal.codec import dump_job
from flask_media.journal.codec import load_error
from flask_media.journal.codec import load_job
from flask_media.values import GenerationJob
from flask_media.values import GenerationRequest
from flask_media.values import Picture


def _all(cls: type[MediaError] = MediaError) -> list[type[MediaError]]:
    below = [one for child in cls.__subclasses__() for one in _all(child)]
    return [one for one in [cls, *below] if one.__module__ == errors.__name__]


def _full(cls: type[MediaError]) -> MediaError:
    """An error of the class with every attribute set."""
    values: dict[str, object] = {"job_id": "7f", "retryable": not cls.retryable}
    if issubclass(cls, AnswerError):
        usage = Usage(input_tokens=12, output_tokens=1290)
        values |= {"reason": "IMAGE_SAFETY", "usage": usage, "model": "gemini-3-pro-image"}
    if issubclass(cls, ProviderError):
        values |= {"status": 429, "retry_after": 2.5}
    if issubclass(cls, errors.RateLimited):
        values |= {"daily": True}
    if issubclass(cls, errors.BudgetExceeded):
        values |= {
            "limit_usd": Decimal("2.50"),
            "spent_usd": Decimal("2.481"),
            "resets_at": datetime(2026, 11, 23, tzinfo=UTC),
            "spender": "Zoë \ud800",
        }
    return cls("What happened: „x“ \N{SNOWMAN} \ud800\nDo this.", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("cls", dict.fromkeys(_all()))
@pytest.mark.parametrize("full", [True, False])
def test_every_error(cls: type[MediaError], *, full: bool) -> None:
    """An error comes back with its class, message and every attribute, types included."""
    error = _full(cls) if full else cls()
    text = dump_error(error)
    again = load_error(text)
    assert type(again) is cls
    assert (str(again), again.args, again.retryable) == (str(error), error.args, error.retryable)
    assert vars(again) == vars(error)
    assert text.isascii()
    assert json.loads(text)["retryable"] is error.retryable


def test_an_errors_bytes_and_objects_stay_out() -> None:
    """Bytes, notes and whatever else hangs on an error are not written down."""
    error = errors.InvalidImage("no picture")
    error.data = b"<html>"
    error.add_note("a note")
    error.response = object()  # type: ignore[attr-defined]
    again = load_error(dump_error(error))
    assert again.__dict__.keys() == errors.InvalidImage("no picture").__dict__.keys()
    assert "html" not in dump_error(error)


class TooManyFriends(errors.RateLimited):
    """An error of somebody's own generator."""

    retryable = False


def test_an_error_of_a_class_that_is_not_ours() -> None:
    """It comes back as the nearest class of ours, with its own answer on trying again."""
    again = load_error(dump_error(TooManyFriends("no", retry_after=7.0)))
    assert type(again) is errors.RateLimited
    assert (again.retry_after, again.retryable) == (7.0, False)


def test_an_error_of_a_newer_version() -> None:
    """A class that this version does not know comes back as a MediaError."""
    text = dump_error(errors.UploadFailed("no", job_id="7f")).replace("UploadFailed", "Brandnew")
    again = load_error(text)
    assert type(again) is MediaError
    assert (str(again), again.job_id) == ("no", "7f")


CONFIGS = {
    "default": ImageGenerationConfig(),
    "all": ImageGenerationConfig(
        size=ImageSize.BANNER,
        quality=ImageQuality.HIGH,
        theme=ImageTheme.ILLUSTRATION,
        brand_colors=["#0066CC", "navy"],
        style_notes="soft „light“",
        negative="people",
        format=ImageFormat.WEBP,
        compression=80,
        enhance_prompt=False,
        model="gemini-3-pro-image",
    ),
    "own size": ImageGenerationConfig(size=(640, 481)),
}


def _job(config: ImageGenerationConfig, object_key: str | None) -> GenerationJob:
    width, height = config.pixels
    picture = Picture(data=b"\x89PNG", format=ImageFormat.PNG, width=1, height=1)
    return GenerationJob(
        id="7f",
        object_key=object_key,
        url="/files/a.png",
        format=config.format,
        metadata={"goal_name": "Être libre", "n": "7"},
        request=GenerationRequest(
            job_id="7f",
            prompt="Draw: Être libre \N{SNOWMAN}",
            original_prompt="Être libre",
            width=width,
            height=height,
            quality=config.quality,
            model=config.model,
            references=(picture, picture),
        ),
        config=config,
    )


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("object_key", ["goals/7/Zoë.webp", None])
def test_jobs(config: ImageGenerationConfig, object_key: str | None) -> None:
    """A job comes back as it was; its references are kept apart and given again."""
    job = _job(config, object_key)
    again = load_job("7f", dump_job(job), job.request.references)
    assert again.config.to_dict() == config.to_dict()
    assert dataclasses.replace(again, config=config) == job


def test_one_form() -> None:
    """The same values in another order are the same text, and another value is another one."""
    assert dump({"b": 1, "a": ["é"]}) == dump({"a": ["é"], "b": 1}) == '{"a":["\\u00e9"],"b":1}'
    assert digest("a", "b") == digest("a", "b")
    assert len({digest("ab"), digest("a", "b"), digest("b", "a"), digest("a", None)}) == 4
