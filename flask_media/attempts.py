"""How often a model is asked: again only when it is sure that nothing was charged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import TypeVar

from .errors import ProviderError
from .errors import ProviderRefused
from .errors import ProviderUnavailable
from .errors import RateLimited
from .fields import fields

if TYPE_CHECKING:
    import tenacity

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_WAIT = 0.5
"""Seconds before the second call, where the provider does not say; doubled each time."""

LONGEST_WAIT = 20.0
"""Longest wait between two calls, in seconds. A provider that asks for more gets no further call:
the error says how long (``retry_after``), and whoever called decides."""


def ask(
    call: Callable[[str], T],
    *,
    models: Sequence[str],
    max_calls: int,
    job_id: str,
    sleep: Callable[[float], None] | None = None,
) -> tuple[T, int]:
    """Make the call, and again while it is refused for a passing reason.

    Called again are :class:`RateLimited` and :class:`ProviderUnavailable`, which charge nothing:
    with the next model at once if there is one, else after the wait that the provider asks for.
    A model that is gone (404) gives way to the next one too. A call that was cut off may have
    been charged and is never made again here, and what was blocked is asked of no other model.

    :param call: makes one call, to the model of that name.
    :param models: the models to ask, in order.
    :param max_calls: most calls in all.
    :param job_id: for the log.
    :param sleep: waits so many seconds; None for real ones.
    :returns: what the call returned, and the number of calls made.
    """
    import tenacity

    rest = list(models)
    gave_way = False

    def is_next(error: BaseException) -> bool:
        nonlocal gave_way
        gave_way = len(rest) > 1 and _gives_way(error)
        if gave_way:
            rest.pop(0)
        return gave_way or _can_pass(error)

    def wait(state: tenacity.RetryCallState) -> float:
        return 0.0 if gave_way else _wait(state)

    def log(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        logger.info(
            "Job %s: call %d of at most %d was refused (%s); asking %s in %.2f s",
            *(job_id, state.attempt_number, max_calls, type(error).__name__, rest[0]),
            state.upcoming_sleep,
            extra=fields(
                job_id=job_id,
                attempt=state.attempt_number,
                seconds=state.upcoming_sleep,
                error=error,
            ),
        )

    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_next),
        wait=wait,
        stop=tenacity.stop_after_attempt(max_calls),
        before_sleep=log,
        sleep=sleep or tenacity.nap.sleep,
        reraise=True,
    )
    answer = attempts(lambda: call(rest[0]))
    return answer, int(attempts.statistics["attempt_number"])


def _gives_way(error: BaseException) -> bool:
    """Whether another model may do: this one is overloaded, over its quota or gone."""
    if isinstance(error, ProviderRefused):
        return error.status == 404
    return isinstance(error, RateLimited | ProviderUnavailable)


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
