"""What tests of the docs share."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def own_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules of ``docs/examples`` can be imported, as those beside an app can."""
    monkeypatch.syspath_prepend(ROOT / "docs" / "examples")
