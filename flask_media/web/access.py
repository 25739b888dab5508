"""Who sends a request. Every route asks here."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable
from collections.abc import Callable
from typing import TypeAlias

from flask import Request
from flask import current_app
from flask import request

logger = logging.getLogger(__name__)

Authorize: TypeAlias = Callable[[Request], str | None] | Callable[[Request], Awaitable[str | None]]
"""Says who sends a request (any non-empty string), or None to deny it. May be ``async``."""


class Doorkeeper:
    """Asks the app who sends the current request.

    :param authorize: the app's own function.
    :raises TypeError: it is missing or can't be called.
    """

    def __init__(self, authorize: Authorize) -> None:
        if not callable(authorize):
            raise TypeError(
                "create_blueprint needs authorize=: a function that takes the request and returns "
                "who asks, or None to deny. Without it nobody is let in, so there is nothing to "
                "serve."
            )
        self._authorize = authorize
        self._warned = False

    def caller(self) -> str | None:
        """Who sends the current request, or None to deny it. What is no text says nothing."""
        who = current_app.ensure_sync(self._authorize)(request)
        if isinstance(who, str):
            return who or None
        if inspect.iscoroutine(who):
            who.close()  # of an object whose call is async, which Flask does not see
        if who is not None and not self._warned:
            self._warned = True
            logger.warning(
                "authorize returned a %s, which is taken as None: denied. It must return who "
                "sends the request as a non-empty str, or None.",
                type(who).__name__,
            )
        return None
