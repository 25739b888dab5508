"""What is to happen at the n-th call."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Generic
from typing import TypeVar

Seen = TypeVar("Seen")
Act = TypeVar("Act")


@dataclasses.dataclass(kw_only=True)
class Rule(Generic[Seen, Act]):
    """What is to happen to the calls that fit."""

    act: Act
    """What is to happen."""
    fits: Callable[[Seen], bool]
    """Which calls it is about."""
    on_call: int | None
    """Which of these, from 1; None begins with the next one."""
    times: int | None
    """To how many; None to all."""
    seen: int = 0
    """How many there were."""
    used: int = 0
    """To how many it happened."""

    def is_due(self) -> bool:
        """Whether it happens to the call that was just counted."""
        if self.times is not None and self.used >= self.times:
            return False
        return self.on_call is None or self.seen >= self.on_call


class Script(Generic[Seen, Act]):
    """Rules in the order they were given; threads may share it.

    Those for some calls come before those for all, of which the newest counts.
    """

    def __init__(self) -> None:
        self._rules: list[Rule[Seen, Act]] = []
        self._lock = threading.Lock()

    def add(
        self,
        act: Act,
        fits: Callable[[Seen], bool],
        *,
        on_call: int | None,
        times: int | None,
    ) -> None:
        """Add a rule.

        :raises ValueError: ``on_call`` or ``times`` is no whole number from 1.
        """
        for name, value in (("on_call", on_call), ("times", times)):
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"{name} is {value!r}; it must be a whole number from 1, or None.")
        with self._lock:
            self._rules.append(Rule(act=act, fits=fits, on_call=on_call, times=times))

    def next(self, seen: Seen) -> Act | None:
        """What is to happen to this call; None for nothing in particular."""
        with self._lock:
            fitting = [rule for rule in self._rules if rule.fits(seen)]
            for rule in fitting:
                rule.seen += 1
            due = [rule for rule in fitting if rule.is_due()]
            if not due:
                return None
            for_some = [rule for rule in due if rule.times is not None]
            rule = for_some[0] if for_some else due[-1]
            rule.used += 1
            return rule.act
