"""What a forked child must not share with its parent: held locks and open connections."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Resettable(Protocol):
    """Whatever holds a lock or a connection."""

    def _after_fork(self) -> None: ...


class Holder(Protocol):
    """Whatever has moments in which a copy of the process would be of no use."""

    def _before_fork(self) -> None: ...

    def _after_fork_in_parent(self) -> None: ...


_instances: weakref.WeakSet[Resettable] = weakref.WeakSet()

_holders: weakref.WeakSet[Holder] = weakref.WeakSet()


def reset_after_fork(instance: Resettable) -> None:
    """Call ``instance._after_fork()`` in each child forked from now on, as long as it lives.

    Not by process id: those come again, and a child would keep its parent's connections open.
    """
    _instances.add(instance)


def hold_forks(instance: Holder) -> None:
    """Call ``instance._before_fork()`` before each fork, which may wait until such a moment is
    over, and ``instance._after_fork_in_parent()`` behind it, as long as it lives."""
    _holders.add(instance)


def _before_fork() -> None:
    for holder in list(_holders):
        holder._before_fork()  # noqa: SLF001 (the protocol's)


def _after_fork_in_parent() -> None:
    for holder in list(_holders):
        holder._after_fork_in_parent()  # noqa: SLF001 (the protocol's)


def _after_fork_in_child() -> None:
    for instance in list(_instances):
        instance._after_fork()  # noqa: SLF001 (the protocol's only method, and nobody else's)


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
