"""How far a batch is, on a terminal: a bar, the cost so far, the time left."""

from __future__ import annotations

import sys
import threading
import time
from decimal import Decimal

import click

from ...errors import AnswerError
from ...errors import MediaError
from ...types import MediaResult
from ..output import plural
from ..output import usd
from ..output import width


class Progress:
    """Counts rows that ended, and draws that on stderr, where that is a terminal.

    :param total: how many rows there are.
    :param already: how many of them were done before.
    """

    def __init__(self, total: int, already: int) -> None:
        self.total = total
        """Rows in all."""
        self.already = already
        """Rows that were done before, in an earlier run or by another way."""
        self.done = 0
        """Pictures made."""
        self.failed = 0
        """Rows that ended with an error."""
        self.final = 0
        """Those of them that would fail again."""
        self.cost = Decimal(0)
        """US dollars, as far as they are known."""
        self.unpriced = 0
        """Pictures whose price is not known."""
        self._started = time.monotonic()
        self._is_shown = sys.stderr.isatty()
        self._lock = threading.RLock()

    @property
    def ended(self) -> int:
        """Rows that are at an end."""
        return self.already + self.done + self.failed

    def count(self, outcome: MediaResult | MediaError, *, goes_on: bool) -> None:
        """One row more has ended.

        :param goes_on: whether it can succeed when it is asked for again, if it failed.
        """
        with self._lock:
            if isinstance(outcome, MediaError):
                self.failed += 1
                self.final += not goes_on
                cost = outcome.cost_usd if isinstance(outcome, AnswerError) else None
                self.cost += cost or 0
            elif outcome.cached:
                self.already += 1
            else:
                self.done += 1
                self.unpriced += outcome.cost_usd is None
                self.cost += outcome.cost_usd or 0
            self.draw()

    @property
    def goes_on(self) -> bool:
        """Whether the same command again has something to do."""
        return self.ended < self.total or self.failed > self.final

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        with self._lock:
            self.clear()
            click.echo(text, err=True)
            self.draw()

    def draw(self) -> None:
        """Draw the bar anew."""
        if self._is_shown:
            with self._lock:
                line = self._line()
                sys.stderr.write(f"\r{line[: width() - 1]}\033[K")
                sys.stderr.flush()

    def clear(self) -> None:
        """Take the bar away."""
        if self._is_shown:
            with self._lock:
                sys.stderr.write("\r\033[K")
                sys.stderr.flush()

    def _line(self) -> str:
        cost = usd(self.cost) + (f" + {self.unpriced} unpriced" if self.unpriced else "")
        facts = [f"{self.ended:,}/{self.total:,}", cost]
        if self.failed:
            facts.append(f"{self.failed:,} failed")
        if (left := self._left()) is not None:
            facts.append(f"{left} left")
        words = "  ".join(facts)
        size = max(5, min(40, width() - len(words) - 6))
        full = self.ended * size // max(self.total, 1)
        return f"[{'#' * full}{'-' * (size - full)}]  {words}"

    def _left(self) -> str | None:
        """The time left, by what the rows of this run took; None before the first."""
        worked, open_rows = self.done + self.failed, self.total - self.ended
        if not worked or not open_rows:
            return None
        seconds = round((time.monotonic() - self._started) / worked * open_rows)
        hours, minutes = seconds // 3600, seconds // 60 % 60
        return (
            f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"
        )

    def summary(self) -> str:
        """What came of it, in a sentence or two."""
        left = self.total - self.ended
        parts = [f"{self.done:,} made"]
        parts += [f"{self.already:,} done already"] if self.already else []
        parts += [f"{self.failed:,} failed"] if self.failed else []
        parts += [f"{left:,} left"] if left else []
        unpriced = f" and {plural(self.unpriced, 'picture')} without a price"
        cost = f"Cost: {usd(self.cost)}{unpriced if self.unpriced else ''}."
        return f"{plural(self.total, 'picture')}: {', '.join(parts)}. {cost}"
