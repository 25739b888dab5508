"""The apps of the journal's tests, with a queue."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..journal.conftest import blocked_storage
from ..journal.conftest import config
from ..journal.conftest import emulator
from ..journal.conftest import gate
from ..journal.conftest import halting
from ..journal.conftest import journal_url
from ..journal.conftest import make_media
from ..journal.conftest import media
from ..journal.conftest import threads
from .support import Process

__all__ = [
    "blocked_storage",
    "config",
    "emulator",
    "gate",
    "halting",
    "journal_url",
    "make_media",
    "media",
    "threads",
]

Start = Callable[..., Process]


@pytest.fixture
def start(config: dict[str, Any], tmp_path: Path) -> Iterator[Start]:
    """Starts processes of the app; keywords are config keys."""
    running: list[Process] = []

    def make(**changes: Any) -> Process:
        running.append(Process(config | changes, str(tmp_path / "instance-process")))
        return running[-1]

    yield make
    for process in running:
        if process.is_running:
            process.kill()
