"""Which errors can happen at which stage, so that no fake raises what nothing real does."""

from __future__ import annotations

import copy
from typing import Any

from ..errors import AnswerError
from ..errors import ContentBlocked
from ..errors import GenerationTimeout
from ..errors import InvalidImage
from ..errors import InvalidRequest
from ..errors import MediaError
from ..errors import NoImageReturned
from ..errors import NotConfigured
from ..errors import OutcomeUnknown
from ..errors import ProviderRefused
from ..errors import ProviderUnavailable
from ..errors import RateLimited
from ..errors import StorageError
from ..errors import UploadFailed

OF_GENERATION: dict[type[MediaError], dict[str, Any]] = {
    ContentBlocked: {"reason": "IMAGE_SAFETY"},
    NoImageReturned: {"reason": "STOP"},
    RateLimited: {"status": 429},
    ProviderUnavailable: {"status": 503},
    ProviderRefused: {"status": 403},
    GenerationTimeout: {"status": 504},
    OutcomeUnknown: {},
    InvalidImage: {},
    NotConfigured: {},
    InvalidRequest: {},
}
"""What a generator raises, and what a class that is given without values gets."""

OF_STORAGE: dict[type[MediaError], dict[str, Any]] = {
    StorageError: {"retryable": True},
    UploadFailed: {},
    NotConfigured: {},
}
"""What storing raises; the service makes ``UploadFailed`` of each."""


def check_error(
    method: str, error: object, allowed: dict[type[MediaError], dict[str, Any]]
) -> MediaError:
    """The error to raise, made if it is a class.

    :raises TypeError: it is none that can happen there.
    """
    if isinstance(error, MediaError) and isinstance(error, tuple(allowed)):
        return error
    for known, values in allowed.items():
        if isinstance(error, type) and issubclass(error, known):
            given = values if error is known else {}
            return error(f"{error.__name__}, as the fake was told.", **given)
    names = ", ".join(one.__name__ for one in allowed)
    raise TypeError(f"{method} got {error!r}; what can happen there is {names}.")


def to_raise(error: MediaError, *, model: str | None = None) -> MediaError:
    """A copy, since the service writes into what it gets."""
    again = copy.copy(error)
    if isinstance(again, AnswerError) and again.model is None:
        again.model = model
    return again
