"""What a forked child must not share with its parent: held locks and open connections."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Resettable(Protocol):
    """Whatever holds a lock or a connection."""

    def _after_fork(self) -> None: ...


_instances: weakref.WeakSet[Resettable] = weakref.WeakSet()


def reset_after_fork(instance: Resettable) -> None:
    """Call ``instance._after_fork()`` in each child forked from now on, as long as it lives.

    Not by process id: those come again, and a child would keep its parent's connections open.
    """
    _instances.add(instance)


def _after_fork_in_child() -> None:
    for instance in list(_instances):
        instance._after_fork()  # noqa: SLF001 (the protocol's only method, and nobody else's)


os.register_at_fork(after_in_child=_after_fork_in_child)
