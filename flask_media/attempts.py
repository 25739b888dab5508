"""How often a model is asked: again only when it is sure that nothing was charged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from .errors import MediaError
from .errors import ProviderUnavailable
from .errors import RateLimited

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_WAIT = 0.5
"""Seconds before the second call, where the provider does not say; doubled each time."""

LONGEST_WAIT = 20.0
"""Longest wait between two calls, in seconds. A provider that asks for more gets no further call:
the error says how long (``retry_after``), and whoever called decides."""


def ask(call: Callable[[], T], *, max_attempts: int, job_id: str) -> tuple[T, int]:
    """Make the call, and again while it is refused for a passing reason.

    Called again are :class:`RateLimited` and :class:`ProviderUnavailable`, which charge nothing,
    after the wait that the provider asks for. A call that was cut off may have been charged and
    is never made again here.

    :param call: makes one call.
    :param max_attempts: most calls in all.
    :param job_id: for the log.
    :returns: what the call returned, and the number of calls made.
    """
    import stamina

    def wait(error: Exception) -> bool | float:
        if not isinstance(error, RateLimited | ProviderUnavailable) or not error.retryable:
            return False
        if isinstance(error, RateLimited) and error.daily:
            return False
        if error.retry_after is None:
            return True
        return error.retry_after if error.retry_after <= LONGEST_WAIT else False

    for attempt in stamina.retry_context(
        on=wait,
        attempts=max_attempts,
        timeout=None,
        wait_initial=FIRST_WAIT,
        wait_max=LONGEST_WAIT,
        wait_jitter=FIRST_WAIT,
    ):
        with attempt:
            try:
                return call(), attempt.num
            except MediaError as error:
                logger.info(
                    "Job %s: call %d of at most %d failed: %s",
                    job_id,
                    attempt.num,
                    max_attempts,
                    type(error).__name__,
                )
                raise
    raise AssertionError("the last attempt returns or raises")  # pragma: no cover
