"""How often a model is asked: again only when it is sure that nothing was charged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import TypeVar

from .errors import ProviderError
from .errors import ProviderUnavailable
from .errors import RateLimited

if TYPE_CHECKING:
    import tenacity

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
    import tenacity

    def log(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        logger.info(
            "Job %s: call %d of at most %d was refused (%s); the next one in %.2f s",
            *(job_id, state.attempt_number, max_attempts),
            *(type(error).__name__, state.upcoming_sleep),
        )

    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_can_pass),
        wait=_wait,
        stop=tenacity.stop_after_attempt(max_attempts),
        before_sleep=log,
        reraise=True,
    )
    answer = attempts(call)
    return answer, int(attempts.statistics["attempt_number"])


def _can_pass(error: BaseException) -> bool:
    """Whether the same call may succeed soon; it charged nothing."""
    if not isinstance(error, RateLimited | ProviderUnavailable) or not error.retryable:
        return False
    if isinstance(error, RateLimited) and error.daily:
        return False
    return error.retry_after is None or error.retry_after <= LONGEST_WAIT


def _wait(state: tenacity.RetryCallState) -> float:
    """Seconds to the next call: what the provider says, else ever longer."""
    import tenacity

    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ProviderError) and error.retry_after is not None:
        return error.retry_after
    growing = tenacity.wait_exponential_jitter(FIRST_WAIT, LONGEST_WAIT, jitter=FIRST_WAIT)
    return growing(state)
