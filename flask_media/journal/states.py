"""The states of a job.

::

    requested --> generating --> generated --> uploaded --> done
      ^  ^          | | |            |
      |  +----------+ | |            +--> quarantined
      |    refused    | |                  no usable picture came
      |               | |
      |               | +--> unknown --> generating
      |               v       cut off; again as MEDIA_ON_UNKNOWN says
      +----------- failed
       asked again    no picture came of it

A new job begins in ``generating``: its row and its first call are one commit. A picture that
``generate`` returns goes from ``generated`` to ``done``, and so does one that is stored where
``upload_finished`` has no receivers. An answer that can't be read at all goes
from ``generating`` to ``quarantined``.

``requested``, ``generating``, ``generated``, ``uploaded`` and ``unknown`` are unfinished: a
process works on them, or has left them for the next asking, ``resume`` or ``resume_all``.
"""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    """Where a job stands; each is committed before what follows it is begun."""

    REQUESTED = "requested"
    """Recorded; no call is under way."""
    GENERATING = "generating"
    """A call is under way: after a crash it may have been charged."""
    GENERATED = "generated"
    """The picture's bytes are in the journal, not yet in the storage."""
    UPLOADED = "uploaded"
    """The storage has it; the last signals are not yet out."""
    DONE = "done"
    """Stored, and told."""
    FAILED = "failed"
    """Ended without a picture."""
    UNKNOWN = "unknown"
    """A call was cut off and may have been charged."""
    QUARANTINED = "quarantined"
    """What came is no usable picture; its bytes are kept."""


UNFINISHED = (
    State.REQUESTED,
    State.GENERATING,
    State.GENERATED,
    State.UPLOADED,
    State.UNKNOWN,
)
"""The states that somebody still has to do something about."""

NEXT: dict[State, frozenset[State]] = {
    State.REQUESTED: frozenset({State.GENERATING, State.FAILED}),
    State.GENERATING: frozenset(
        {
            State.REQUESTED,
            State.GENERATED,
            State.FAILED,
            State.UNKNOWN,
            State.QUARANTINED,
            # The journal could not be written when the picture came, and can be again.
            State.UPLOADED,
            State.DONE,
        }
    ),
    State.GENERATED: frozenset({State.UPLOADED, State.QUARANTINED, State.DONE}),
    State.UPLOADED: frozenset({State.DONE}),
    State.DONE: frozenset(),
    State.FAILED: frozenset({State.REQUESTED}),
    State.UNKNOWN: frozenset({State.GENERATING, State.FAILED}),
    State.QUARANTINED: frozenset(),
}
"""Which state may follow which."""
