"""The values that a caller holds: objects, mappings, JSON, pickles."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask import jsonify

from flask_media import GeneratedImage
from flask_media import ImageFormat
from flask_media import MediaResult
from flask_media import ObjectStat
from flask_media import Usage
from flask_media.values import GenerationAnswer
from flask_media.values import GenerationRequest
from flask_media.values import Job
from flask_media.values import Made
from flask_media.values import Picture

NOW = datetime(2026, 5, 17, 12, 30, 15, 123456, tzinfo=UTC)


def _result(**values: Any) -> MediaResult:
    """A full result, with the values given."""
    full: dict[str, Any] = {
        "url": "https://cdn.example.com/goals/7/house.png",
        "object_key": "goals/7/house.png",
        "prompt": "Create a picture of a house",
        "original_prompt": "Être libre {x} <b>",
        "content_type": "image/png",
        "width": 1024,
        "height": 1024,
        "size_bytes": 1_250_000,
        "sha256": "0" * 64,
        "metadata": {"goal_id": "7", "name": "Être libre"},
        "model": "gemini-3-pro-image",
        "usage": Usage(input_tokens=12, output_tokens=1290, total_tokens=1302),
        "cost_usd": Decimal("0.0390"),
        "job_id": "7f",
        "cached": False,
        "attempts": 1,
        "created_at": NOW,
    }
    return MediaResult(**full | values)


UPLOADED = _result(
    prompt=None, original_prompt=None, model=None, usage=None, cost_usd=Decimal(0), attempts=0
)
RESULTS = [
    _result(),
    UPLOADED,
    _result(cost_usd=None, metadata={}),
    _result(usage=Usage()),
    _result(cost_usd=Decimal("1E-7"), created_at=NOW.replace(microsecond=0), cached=True),
]


def test_object_and_mapping() -> None:
    """A result's fields are attributes and items, the same ones in the same order."""
    result = _result()
    names = [field.name for field in dataclasses.fields(MediaResult)]
    assert isinstance(result, Mapping)
    assert list(result) == list(result.keys()) == names
    assert len(result) == len(names) == 22
    for name in names:
        assert name in result
        assert result[name] == getattr(result, name)
        assert result.get(name) == getattr(result, name)
    assert dict(result) == {name: getattr(result, name) for name in names}
    assert dict(**result) == dict(result)
    assert "{url} {width}".format(**result) == f"{result.url} 1024"
    assert result


@pytest.mark.parametrize("name", ["", "nothing", "to_dict", "keys", "__class__", 0, None])
def test_other_items(name: Any) -> None:
    """What is no field is no item, whatever attribute has that name."""
    result = _result()
    assert name not in result
    assert result.get(name, "else") == "else"
    with pytest.raises(KeyError) as caught:
        result[name]
    assert caught.value.args == (name,)


def test_read_only() -> None:
    """Neither an attribute nor an item can be set or deleted."""
    result = _result()
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.url = "x"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del result.url
    with pytest.raises(TypeError):
        result["url"] = "x"  # type: ignore[index]
    with pytest.raises(TypeError):
        del result["url"]  # type: ignore[attr-defined]


def test_equal_and_hashable() -> None:
    """Results of equal fields are equal and one key of a dict; others differ."""
    assert _result() == _result()
    assert hash(_result()) == hash(_result())
    assert {_result(): 1}[_result()] == 1
    assert _result() != _result(url="x")
    assert _result() != _result(metadata={})
    assert len({_result(), _result(job_id="8a"), _result(object_key="x")}) == 3


@pytest.mark.parametrize("result", RESULTS, ids=range(len(RESULTS)))
def test_json_both_ways(result: MediaResult) -> None:
    """A result as JSON makes an equal result, exact to the digit and the microsecond."""
    values = result.to_dict()
    again = MediaResult.from_dict(json.loads(json.dumps(values, allow_nan=False)))
    assert again == result
    assert again.to_dict() == values
    assert str(again.cost_usd) == str(result.cost_usd)
    assert again.created_at.tzinfo is not None


def test_json_is_detached() -> None:
    """Changing what to_dict gave changes no result."""
    result = _result()
    result.to_dict()["metadata"]["goal_id"] = "8"
    assert result.metadata["goal_id"] == "7"


@pytest.mark.parametrize("result", RESULTS, ids=range(len(RESULTS)))
def test_jsonify(result: MediaResult) -> None:
    """A view may return jsonify(result), and with to_dict() a client can make the result again."""
    with Flask("shop").app_context():
        shown = json.loads(jsonify(result).data)
        exact = json.loads(jsonify(result.to_dict()).data)
    assert shown["url"] == result.url
    assert shown["metadata"] == result.metadata
    assert shown["usage"] == (result.usage.to_dict() if result.usage else None)
    assert MediaResult.from_dict(exact) == result


@pytest.mark.parametrize("result", RESULTS, ids=range(len(RESULTS)))
def test_pickles_and_copies(result: MediaResult) -> None:
    """A result survives every pickle protocol, copy and deepcopy."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(result, protocol)) == result
    assert copy.copy(result) == result
    deep = copy.deepcopy(result)
    assert deep == result
    assert deep.metadata is not result.metadata


def test_no_repr_shows_bytes() -> None:
    """The repr of what holds a picture shows what it is and not its bytes."""
    data = b"\x89PNG-secret-bytes" * 1000
    picture = Picture(data=data, format=ImageFormat.PNG, width=4, height=3)
    image = GeneratedImage(
        data=data,
        content_type="image/png",
        width=4,
        height=3,
        size_bytes=len(data),
        sha256="0" * 64,
        prompt="p",
        original_prompt="p",
        model="m",
        usage=None,
        cost_usd=None,
        job_id="7f",
        attempts=1,
        created_at=NOW,
    )
    answer = GenerationAnswer(data=data, model="m")
    request = GenerationRequest(prompt="p", width=4, height=3, references=(picture,))
    made = Made(picture=picture, sha256="0" * 64, created_at=NOW)
    for value in (picture, image, answer, request, made):
        assert "secret-bytes" not in repr(value)
        assert len(repr(value)) < 700
        assert pickle.loads(pickle.dumps(value)) == value
    assert picture.content_type == "image/png"
    assert "width=4" in repr(image)


def test_usage_says_what_is_unknown() -> None:
    """Counts that a provider did not give are None, never 0."""
    assert set(Usage().to_dict().values()) == {None}
    assert Usage(**Usage(image_tokens=7).to_dict()).image_tokens == 7


def test_an_uploads_job_has_no_prompt() -> None:
    """The job of an upload has no prompt, and an object's hash may be unknown."""
    job = Job(id="7f", object_key="a.png", url="/a.png", format=ImageFormat.PNG, metadata={})
    assert (job.prompt, job.original_prompt) == (None, None)
    stat = ObjectStat(size_bytes=1, content_type="image/png", metadata={})
    assert (stat.sha256, stat.job_id) == (None, None)
