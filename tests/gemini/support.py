"""Requests, and what every error must keep to."""

from __future__ import annotations

import pickle
import traceback
from typing import Any

from flask_media.errors import MediaError
from flask_media.values import GenerationRequest

from .conftest import KEY


def ask(prompt: str = "a cat", **values: Any) -> GenerationRequest:
    """A request for a square."""
    square: dict[str, Any] = {"prompt": prompt, "width": 1024, "height": 1024}
    return GenerationRequest(**square | values)


def assert_clean(error: MediaError) -> None:
    """The error holds no key, no other exception, and survives a pickle."""
    pickled = pickle.dumps(error)
    again = pickle.loads(pickled)
    assert type(again) is type(error)
    assert vars(again) == {name: value for name, value in vars(error).items() if name != "data"}
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = "".join(traceback.format_exception(error)) + str(error) + repr(error)
    shown += repr(error.args) + repr(error.__dict__) + repr(pickled)
    frame = error.__traceback__
    while frame is not None:
        if "flask_media" in frame.tb_frame.f_code.co_filename:
            shown += repr(frame.tb_frame.f_locals)
        frame = frame.tb_next
    assert KEY not in shown
