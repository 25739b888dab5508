"""The record of every job: what was asked, what was paid, and the bytes until they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..config import MediaConfig
from ..config_checks import Secret

if TYPE_CHECKING:
    from .journal import Journal


def make_journal(config: MediaConfig, *, home: Path) -> Journal:
    """The journal that MEDIA_JOURNAL_URL names. Opens nothing yet.

    :param home: the folder that a relative SQLite path is in.
    """
    from .journal import Journal
    from .spend import Budgets

    budgets = Budgets(app=config.budget_per_day, spender=config.budget_per_user_per_day)
    return Journal(
        _url(config, home).reveal(),
        lease=config.lease,
        budgets=budgets,
        has_webhook=config.webhook_url is not None,
    )


def _url(config: MediaConfig, home: Path) -> Secret:
    url = config.journal_url or Secret("sqlite:///media.sqlite3")
    scheme, slashes, path = url.reveal().partition(":///")
    if scheme != "sqlite":
        return url
    # Absolute, since connections are opened later too, wherever the process then stands.
    return Secret(f"{scheme}{slashes}{home.absolute() / path}")
