"""Calls to the outside that cost, or change what is kept: a test may forbid them.

The generators and storages that call over the network say so here before they do. In production
that is one look at a variable.
"""

from __future__ import annotations

from collections.abc import Callable

_guards: tuple[Callable[[str, str], None], ...] = ()


def announce(what: str, url: str) -> None:
    """Say that a call is about to be made. Whoever forbids it raises.

    :param what: the call in a few words, as ``asking Gemini``.
    :param url: where it goes.
    """
    for guard in _guards:
        guard(what, url)


def add_guard(guard: Callable[[str, str], None]) -> None:
    """Have it called with the arguments of each :func:`announce`."""
    global _guards  # noqa: PLW0603 - one assignment, so that no reader needs a lock
    _guards = (*_guards, guard)


def remove_guard(guard: Callable[[str, str], None]) -> None:
    """Have it called no more."""
    global _guards  # noqa: PLW0603 - as above
    rest = list(_guards)
    rest.remove(guard)
    _guards = tuple(rest)
