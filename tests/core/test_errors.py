"""The tree of errors is the one that is drawn, and its members travel."""

from __future__ import annotations

import copy
import pickle
import re
from datetime import UTC
from datetime import datetime
from decimal import Decimal

import pytest

import flask_media
from flask_media import errors
from flask_media.errors import AnswerError
from flask_media.errors import MediaError
from flask_media.errors import ProviderError
from flask_media.types import Usage

BETWEEN = {AnswerError, ProviderError}
"""Bases that share attributes; nobody is meant to catch them, and they are not drawn."""


def _drawn() -> dict[str, tuple[str | None, str | None]]:
    """Each name of the docstring's tree, with its parent there and the base in parentheses."""
    tree: dict[str, tuple[str | None, str | None]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ((?:[│ ]   )*(?:[├└]── )?)([A-Z]\w+)(?: \((\w+)\))?", line)
        if match is not None:
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            tree[match[2]] = (path[depth - 1] if depth else None, match[3])
    return tree


def _all(cls: type[MediaError] = MediaError) -> list[type[MediaError]]:
    return [cls, *(below for child in cls.__subclasses__() for below in _all(child))]


DRAWN = _drawn()
_BUILTINS: dict[str, type[Exception]] = {"RuntimeError": RuntimeError, "ValueError": ValueError}
CLASSES = [cls for cls in dict.fromkeys(_all()) if cls.__module__ == errors.__name__]


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
    if issubclass(cls, errors.QueueUnavailable):
        values |= {"retry_after": 10.0}
    if issubclass(cls, errors.BudgetExceeded):
        values |= {
            "limit_usd": Decimal("2.50"),
            "spent_usd": Decimal("2.481"),
            "resets_at": datetime(2026, 11, 23, tzinfo=UTC),
            "spender": "ada",
        }
    return cls("What happened. Do this.", **values)  # type: ignore[arg-type]


def test_the_parser_of_the_drawing_sees_it() -> None:
    """The docstring holds a tree of at least fourteen errors."""
    assert len(DRAWN) >= 14
    assert DRAWN["NotFound"] == ("StorageError", None)
    assert DRAWN["InvalidConfig"] == ("NotConfigured", "ValueError")


def test_every_error_is_drawn() -> None:
    """The drawing holds each error that can be raised and none else."""
    assert set(DRAWN) == {cls.__name__ for cls in CLASSES if cls not in BETWEEN}


@pytest.mark.parametrize(("name", "place"), DRAWN.items(), ids=list(DRAWN))
def test_drawn_where_it_is(name: str, place: tuple[str | None, str | None]) -> None:
    """An error's nearest drawn ancestor, and its built-in base, are the ones in the drawing."""
    parent, builtin = place
    cls = getattr(errors, name)
    above = [c.__name__ for c in cls.__mro__[1:] if c.__name__ in DRAWN]
    assert (above[0] if above else None) == parent
    assert {c.__name__ for c in cls.__bases__} - {c.__name__ for c in CLASSES} <= {
        builtin or "Exception"
    }
    if builtin:
        assert issubclass(cls, _BUILTINS[builtin])


@pytest.mark.parametrize("name", DRAWN)
def test_exported(name: str) -> None:
    """An error imports from the package and from its errors module."""
    assert getattr(flask_media, name) is getattr(errors, name)
    assert name in flask_media.__all__


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_whole(cls: type[MediaError], protocol: int) -> None:
    """An error keeps its type, message and attributes through every pickle protocol."""
    error = _full(cls)
    error.add_note("a note")
    error.late = Decimal("0.039")  # type: ignore[attr-defined]
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is cls
    assert (str(again), again.args) == (str(error), error.args)
    assert vars(again) == vars(error)


@pytest.mark.parametrize("cls", CLASSES)
def test_copies(cls: type[MediaError]) -> None:
    """An error can be copied, flat and deep."""
    error = _full(cls)
    for again in (copy.copy(error), copy.deepcopy(error)):
        assert again is not error
        assert vars(again) == vars(error)


RETRYABLE = {
    "BudgetExceeded",
    "GenerationTimeout",
    "InProgress",
    "JournalError",
    "NoImageReturned",
    "OutcomeUnknown",
    "ProviderUnavailable",
    "QueueUnavailable",
    "RateLimited",
    "UploadFailed",
}


@pytest.mark.parametrize("cls", CLASSES)
def test_says_whether_it_can_pass(cls: type[MediaError]) -> None:
    """Every class says if the same request can succeed later, and an instance may differ."""
    assert cls("x").retryable is (cls.__name__ in RETRYABLE)
    assert cls("x", retryable=True).retryable is True
    assert cls("x", retryable=False).retryable is False
    assert cls.retryable is (cls.__name__ in RETRYABLE), "an instance changed its class"


@pytest.mark.parametrize("cls", CLASSES)
def test_empty_attributes(cls: type[MediaError]) -> None:
    """An error made of a message alone has all its attributes, and is its message as text."""
    error = cls("Something.")
    assert (str(error), error.message, error.job_id) == ("Something.", "Something.", None)
    if isinstance(error, AnswerError):
        assert (error.reason, error.usage, error.model) == (None, None, None)
    if isinstance(error, ProviderError):
        assert (error.status, error.retry_after) == (None, None)
    if isinstance(error, errors.BudgetExceeded):
        assert (error.limit_usd, error.spent_usd, error.resets_at) == (None, None, None)
        assert error.spender is None
    if isinstance(error, errors.InvalidImage):
        assert error.data is None


def test_daily_quota_travels() -> None:
    """That a quota is one of the day survives pickling."""
    error = errors.RateLimited("quota", retry_after=3600.0)
    assert error.daily is False
    error.daily = True
    assert pickle.loads(pickle.dumps(error)).daily is True


def test_an_answers_bytes_do_not_travel() -> None:
    """The bytes that a model sent in place of a picture stay in the process that got them."""
    error = errors.InvalidImage("no picture", model="gemini-3-pro-image")
    error.data = b"<html>" * 1000
    again = pickle.loads(pickle.dumps(error))
    assert (again.data, again.model) == (None, "gemini-3-pro-image")
    assert b"html" not in pickle.dumps(error)
