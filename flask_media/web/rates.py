"""How often one may ask: counted by the app's own Flask-Limiter, if it has one."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING
from typing import Any

from flask import current_app
from flask import g

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping

CALLER = "_flask_media_caller"
"""Where a request has who sends it, for the limiter to count by."""


def check_limiter(extensions: Mapping[str, Any], rate_limit: str) -> None:
    """Refuse a limit that nobody would keep, or that is none.

    :raises RuntimeError: the app has no Flask-Limiter.
    :raises ValueError: Flask-Limiter can't read it.
    """
    if not extensions.get("limiter"):
        raise RuntimeError(
            f"rate_limit={rate_limit!r} needs Flask-Limiter, and the app has none. "
            "Install it, and call Limiter(get_remote_address).init_app(app), or one like it, "
            "before the blueprint is registered."
        )
    from limits import parse_many  # comes with Flask-Limiter

    try:
        parse_many(rate_limit)
    except ValueError:
        raise ValueError(
            f"rate_limit is {rate_limit!r:.120}; it must be a limit of Flask-Limiter, as "
            "'10/minute'."
        ) from None


def count(rate_limit: str, who: str) -> None:
    """Count the current request.

    :raises RateLimitExceeded: (a werkzeug ``TooManyRequests``) it is one too many.
    """
    setattr(g, CALLER, who)
    for limiter in _limiters():
        # The app's default limits stay in force beside this one.
        with limiter.limit(rate_limit, key_func=_caller, override_defaults=False):
            pass


def seconds_to_reset() -> int | None:
    """Whole seconds until the limit that the current request broke starts anew, if one did."""
    broken = [
        limit.reset_at
        for limiter in _limiters()
        for limit in limiter.current_limits
        if limit.breached
    ]
    return max(1, math.ceil(max(broken) - time.time())) if broken else None


def _caller() -> str:
    who: str = getattr(g, CALLER)
    return who


def _limiters() -> Iterable[Any]:
    limiters: Iterable[Any] = current_app.extensions.get("limiter") or ()
    return limiters
