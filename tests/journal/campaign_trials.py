"""What a campaign tries, and what it counts."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

MAX_ATTEMPTS = 3
"""GEMINI_MAX_ATTEMPTS of all children."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is asked for, and what the provider makes of it."""

    name: str
    is_stored: bool = True
    """False for ``generate()``, which nobody can ask for again."""
    references: int = 0
    """Reference pictures."""
    answer: str = "picture"
    """``picture``, ``no picture`` or ``broken picture``."""
    has_receivers: bool = True
    """Whether ``upload_finished`` has a receiver."""


STORED = Kind("stored")

KINDS = (
    STORED,
    Kind("stored, with references", references=2),
    Kind("stored, and nobody is told", has_receivers=False),
    Kind("returned", is_stored=False),
    Kind("returned, with a reference", is_stored=False, references=1),
    Kind("no picture", answer="no picture"),
    Kind("broken picture", references=1, answer="broken picture"),
)


@dataclasses.dataclass
class Trial:
    """One picture, the processes that were killed over it, and what came of it."""

    prompt: str
    object_key: str
    kind: Kind
    mode: str
    """MEDIA_ON_UNKNOWN."""
    is_keyed: bool
    spender: str | None
    sent: list[str] = dataclasses.field(default_factory=list)
    """SHA-256 of each picture that the emulator sent for it, or began to."""
    references: list[list[str]] = dataclasses.field(default_factory=list)
    """SHA-256 of the reference pictures of each call."""
    kills: list[str] = dataclasses.field(default_factory=list)
    """Where it was killed."""
    cut_off: int = 0
    """Kills that left a call in flight, as far as the journal tells."""
    committed: str | None = None
    """SHA-256 of the bytes that were in the journal after a kill."""
    had_row: bool = False
    was_safe: bool = False
    """Whether the journal said after a kill that the picture is there."""
    reported: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """What the processes that came after got."""
    at_emulator: str = ""
    victim: int = 0
    started: threading.Event = dataclasses.field(default_factory=threading.Event)
    faults: list[str] = dataclasses.field(default_factory=list)

    @property
    def asking(self) -> str:
        """What a process does that asks for it."""
        return "ask" if self.kind.is_stored else "generate"

    @property
    def allowed_calls(self) -> int:
        """The first, and one for each that was cut off, if that was authorised."""
        if self.mode == "raise" or not self.kind.is_stored:
            return 1
        return min(MAX_ATTEMPTS, 1 + self.cut_off)


@dataclasses.dataclass
class Tally:
    """What is counted for one point, or one kind."""

    kills: int = 0
    calls: int = 0
    authorised: int = 0
    unauthorised: int = 0
    lost: int = 0
    silent: int = 0

    def add(self, trial: Trial, *, kills: int = 0) -> None:
        """Count what came of a trial, and so many kills."""
        self.kills += kills
        self.calls += len(trial.sent)
        self.authorised += min(len(trial.sent), trial.allowed_calls)
        self.unauthorised += max(0, len(trial.sent) - trial.allowed_calls)
        self.lost += "lost" in trial.faults
        self.silent += "silent" in trial.faults
