"""What an app can choose for the blueprint, checked when that is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from .own_keys import KeyTemplate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of :meth:`flask_media.FlaskMedia.create_blueprint` for the routes of jobs.

    :raises ValueError: one has a wrong value; names it.
    """

    object_key: str
    models: Sequence[str]
    client_keys: bool
    overwrite: bool
    allowed_origins: Sequence[str]
    rate_limit: str | None
    max_body: int
    max_wait: float
    events_seconds: float
    max_streams: int
    keys: KeyTemplate = dataclasses.field(init=False)
    """``object_key``, ready for use."""

    def __post_init__(self) -> None:
        keys = KeyTemplate(self.object_key)
        object.__setattr__(self, "keys", keys)
        for name in ("client_keys", "overwrite"):
            self._check(name, type(getattr(self, name)) is bool, "True or False")
        self._check(
            "client_keys",
            not self.client_keys or keys.is_by_spender,
            "False where object_key has no {spender}: clients could write each other's pictures",
        )
        self._check(
            "overwrite",
            not self.overwrite or self.client_keys,
            "False without client_keys=True: no key that is made here is there already",
        )
        self._check(
            "models",
            isinstance(self.models, list | tuple)
            and all(isinstance(model, str) and model for model in self.models),
            "a list of names of models",
        )
        origins = self.allowed_origins
        self._check(
            "allowed_origins",
            isinstance(origins, list | tuple) and all(_is_origin(origin) for origin in origins),
            "a list of origins, as ['https://app.example.com']",
        )
        limit = self.rate_limit
        self._check(
            "rate_limit",
            limit is None or (isinstance(limit, str) and limit.strip() != ""),
            "a limit of Flask-Limiter, as '10/minute', or None",
        )
        for name, least, most in (
            ("max_body", 256, 10_000_000),
            ("max_streams", 0, 100_000),
        ):
            value = getattr(self, name)
            is_right = type(value) is int and least <= value <= most
            self._check(name, is_right, f"an int from {least:,} to {most:,}")
        for name in ("max_wait", "events_seconds"):
            value = getattr(self, name)
            is_right = type(value) in (int, float) and 0 <= value <= 3600
            self._check(name, is_right, "a number of seconds from 0 to 3600")

    def _check(self, name: str, is_right: bool, allowed: str) -> None:
        if not is_right:
            raise ValueError(f"{name} is {getattr(self, name)!r:.120}; it must be {allowed}.")


def _is_origin(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    is_whole = parts.scheme in ("http", "https") and parts.netloc != ""
    return is_whole and value == f"{parts.scheme}://{parts.netloc}"
