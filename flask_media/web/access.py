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


CanRead: TypeAlias = Callable[[str, str], bool] | Callable[[str, str], Awaitable[bool]]
"""Says whether who asks may see the object of that key. May be ``async``."""


class Doorkeeper:
    """Asks the app who sends the current request, and what they may see.

    :param authorize: the app's own function.
    :param can_read: another; None lets whoever is let in see everything.
    :param by_folder: whether ``can_read`` says the same of all objects in a folder.
    :raises TypeError: one can't be called, or ``authorize`` is missing.
    """

    def __init__(
        self, authorize: Authorize, can_read: CanRead | None = None, *, by_folder: bool = False
    ) -> None:
        if not callable(authorize):
            raise TypeError(
                "create_blueprint needs authorize=: a function that takes the request and returns "
                "who asks, or None to deny. Without it nobody is let in, so there is nothing to "
                "serve."
            )
        if can_read is not None and not callable(can_read):
            raise TypeError(
                "can_read must be a function that takes who asks and an object key and returns a "
                f"bool, not {type(can_read).__name__}."
            )
        self._authorize = authorize
        self._can_read = can_read
        self.by_folder = by_folder or can_read is None
        """Whether who may see a picture may see its variants, by their keys alone."""
        self._warned: set[str] = set()

    def caller(self) -> str | None:
        """Who sends the current request, or None to deny it. What is no text says nothing."""
        who = current_app.ensure_sync(self._authorize)(request)
        if isinstance(who, str):
            return who or None
        if who is not None:
            self._refuse(
                who,
                "authorize returned a %s, which is taken as None: denied. It must return who "
                "sends the request as a non-empty str, or None.",
            )
        return None

    def may_read(self, who: str, key: str) -> bool:
        """Whether they may see the object of that key. Only True says so."""
        if self._can_read is None:
            return True
        answer = current_app.ensure_sync(self._can_read)(who, key)
        if isinstance(answer, bool):
            return answer
        self._refuse(
            answer, "can_read returned a %s, which is taken as False. It must return a bool."
        )
        return False

    def _refuse(self, answer: object, message: str) -> None:
        """Warn once of an answer that is none."""
        if inspect.iscoroutine(answer):
            answer.close()  # of an object whose call is async, which Flask does not see
        if message not in self._warned:
            self._warned.add(message)
            logger.warning(message, type(answer).__name__)
