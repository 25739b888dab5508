"""How often a model is asked: again only when it is sure that nothing was charged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Sequence
from typing import TypeVar

from .errors import MediaError
from .errors import ProviderRefused
from .errors import ProviderUnavailable
from .errors import RateLimited

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_WAIT = 0.5
"""Seconds before the second call, where the provider does not say; doubled each time."""

LONGEST_WAIT = 20.0
"""Longest wait between two calls, in seconds. A provider that asks for more gets no further call:
the error says how long (``retry_after``), and whoever called decides."""


def ask(
    call: Callable[[str], T], *, models: Sequence[str], max_calls: int, job_id: str
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
    :returns: what the call returned, and the number of calls made.
    """
    import stamina

    rest = list(models)

    def wait(error: Exception) -> bool | float:
        if not isinstance(error, RateLimited | ProviderUnavailable | ProviderRefused):
            return False
        gone = isinstance(error, ProviderRefused)
        if gone and error.status != 404:
            return False
        if len(rest) > 1:
            rest.pop(0)
            return 0.0
        if gone or not error.retryable or (isinstance(error, RateLimited) and error.daily):
            return False
        if error.retry_after is None:
            return True
        return error.retry_after if error.retry_after <= LONGEST_WAIT else False

    for attempt in stamina.retry_context(
        on=wait,
        attempts=max_calls,
        timeout=None,
        wait_initial=FIRST_WAIT,
        wait_max=LONGEST_WAIT,
        wait_jitter=FIRST_WAIT,
    ):
        with attempt:
            try:
                return call(rest[0]), attempt.num
            except MediaError as error:
                logger.info(
                    "Job %s: call %d of at most %d failed: %s",
                    job_id,
                    attempt.num,
                    max_calls,
                    type(error).__name__,
                )
                raise
    raise AssertionError("the last attempt returns or raises")  # pragma: no cover
