"""The ends of jobs, posted to a URL of the app's; and :func:`verify` for who receives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..config import MediaConfig
from .signing import verify

if TYPE_CHECKING:
    from ..journal.journal import Journal
    from .courier import Courier

__all__ = ["make_courier", "verify"]


def make_courier(
    config: MediaConfig, journal: Journal, *, scope: Callable[[], str]
) -> Courier | None:
    """What delivers the letters of the journal; None without MEDIA_WEBHOOK_URL. Starts nothing yet.

    :param scope: gives the storage whose jobs are told of.
    """
    if config.webhook_url is None or config.webhook_secret is None or journal.outbox is None:
        return None
    from .courier import Courier

    return Courier(
        journal.outbox,
        url=config.webhook_url,
        secret=config.webhook_secret,
        scope=scope,
        first_delay=config.webhook_retry_seconds,
        sweep_seconds=config.lease,
    )
