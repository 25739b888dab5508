"""The campaign, as long as CI has time for; ``python -m tests.journal.campaign`` runs longer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .campaign import AT_THE_EMULATOR
from .campaign import Campaign
from .campaign_trials import KINDS
from .campaign_trials import STORED


def _assert_nothing_lost(campaign: Campaign, kills: int) -> None:
    total = campaign.total()
    print(campaign.report())
    assert campaign.faults == []
    assert campaign.kills >= kills
    assert (total.unauthorised, total.lost, total.silent) == (0, 0, 0)
    # Otherwise the points are not what they claim to be, and the figures above mean nothing.
    for (kind, _), points in campaign.points.items():
        steps = 4 if kind is STORED else 3
        assert points.count("after a commit") == points.count("before a commit") >= steps
    killed = {trial.kind for trial in campaign.trials if trial.kills}
    assert killed == {*KINDS}


@pytest.mark.timeout(300)
def test_300_kills_lose_nothing_on_sqlite(tmp_path: Path) -> None:
    """After 300 SIGKILLs nothing is lost, paid twice without leave, or passed over in silence."""
    campaign = Campaign(tmp_path, seed=1)
    campaign.run(300)
    _assert_nothing_lost(campaign, 300)
    named = {name for trial in campaign.trials for name in trial.kills}
    points = {name for points in campaign.points.values() for name in points}
    assert named >= {*points, *AT_THE_EMULATOR, "at a random time", "one of two at the same"}


@pytest.mark.timeout(300)
def test_60_kills_lose_nothing_on_postgresql(postgres: Callable[[], str], tmp_path: Path) -> None:
    """The same on a PostgreSQL server."""
    campaign = Campaign(tmp_path, url=postgres(), seed=2)
    campaign.run(60)
    _assert_nothing_lost(campaign, 60)
