"""The apps of the journal's tests, with a queue."""

from __future__ import annotations

from ..journal.conftest import config
from ..journal.conftest import emulator
from ..journal.conftest import gate
from ..journal.conftest import journal_url
from ..journal.conftest import make_media
from ..journal.conftest import media
from ..journal.conftest import threads

__all__ = [
    "config",
    "emulator",
    "gate",
    "journal_url",
    "make_media",
    "media",
    "threads",
]
