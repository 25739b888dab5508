"""Processes are killed with SIGKILL at every point of a job; nothing is lost or paid twice.

By hand, for longer than in CI::

    python -m tests.journal.campaign --kills 5000 [--url postgresql://...] [--seed 7]
"""

from __future__ import annotations

import argparse
import base64
import collections
import contextlib
import dataclasses
import itertools
import random
import re
import shutil
import struct
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from flask_media.emulator import MODES
from flask_media.emulator import Ask
from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply
from flask_media.emulator.messages import answer
from flask_media.emulator.messages import data_part
from flask_media.emulator.pictures import make_picture

from .campaign_lane import Lane
from .campaign_lane import kill
from .campaign_trials import KINDS
from .campaign_trials import STORED
from .campaign_trials import Kind
from .campaign_trials import Tally
from .campaign_trials import Trial
from .child import SIDE
from .child import sha256
from .support import png

Plan: TypeAlias = tuple[str, str | int, Kind]
"""How a process is killed, where, and over what."""

PICTURE_BYTES = 80_000
"""A picture fills several pages of the database, so that it can be torn."""

MARK = re.compile(r"trial \d+ ")

AT_THE_EMULATOR = ("request received", "answer half sent", "answer sent")


class Campaign:
    """Runs trials against one kind of database, and counts.

    :param folder: for files of all lanes.
    :param url: of a PostgreSQL database; None for a SQLite file a lane.
    :param seed: of the random times and choices.
    :param lanes: how many processes are worked on at a time.
    """

    def __init__(
        self, folder: Path, *, url: str | None = None, seed: int = 1, lanes: int = 3
    ) -> None:
        self.folder, self.url, self.lanes = folder, url, lanes
        self.seed = seed
        self.trials: list[Trial] = []
        self.points: dict[tuple[Kind, bool], list[str]] = {}
        """The points of an undisturbed run of each kind, without a budget and with, in order."""
        self.seconds = 0.0
        self.typical_seconds = 0.3
        """What an undisturbed process takes."""
        self.faults: list[str] = []
        self._by_mark: dict[str, Trial] = {}
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._base = make_picture("image/png", SIDE, SIDE)
        self.references: list[str] = []
        """Files with reference pictures."""
        for color in ("navy", "olive"):
            file = folder / f"{color}.png"
            file.write_bytes(png(color))
            self.references.append(str(file))
        self.emulator = GeminiEmulator(keep_bodies=True)
        self.emulator.handler(self._answer)

    # What is counted

    @property
    def kills(self) -> int:
        """Processes that were killed."""
        return sum(len(trial.kills) for trial in self.trials)

    def tally(self) -> dict[str, Tally]:
        """The counts by the point of a trial's first kill."""
        table: dict[str, Tally] = collections.defaultdict(Tally)
        for trial in self.trials:
            table[trial.kills[0] if trial.kills else "(not killed)"].add(trial)
            for name in trial.kills:
                table[name].kills += 1
        return dict(table)

    def tally_of_kinds(self) -> dict[str, Tally]:
        """The counts by what was asked for."""
        table: dict[str, Tally] = collections.defaultdict(Tally)
        for trial in self.trials:
            table[trial.kind.name].add(trial, kills=len(trial.kills))
        return dict(table)

    def total(self) -> Tally:
        """The sums of all points."""
        rows = [dataclasses.astuple(row) for row in self.tally().values()]
        return Tally(*map(sum, zip(*rows, strict=True)))

    def report(self) -> str:
        """The tables that are printed."""
        columns = [field.name for field in dataclasses.fields(Tally)]
        head = "".join(f"{name:>14}" for name in columns)
        lines = []
        for title, table in (("killed", self.tally()), ("asked for", self.tally_of_kinds())):
            lines.append(f"{title:40}{head}")
            lines += [
                f"{name:40}" + "".join(f"{value:14}" for value in dataclasses.astuple(row))
                for name, row in [*sorted(table.items()), ("all", self.total())]
            ]
        where = "PostgreSQL" if self.url else "SQLite"
        lines += [f"{len(self.trials)} pictures in {self.seconds:.0f} s on {where}"]
        return "\n".join([*lines, *self.faults])

    # Running

    def run(self, kills: int) -> None:
        """Run trials until so many processes were killed."""
        began = time.monotonic()
        self.emulator.start()
        try:
            for has_budget in (False, True):
                with self._lane(int(has_budget), "retry", has_budget=has_budget) as lane:
                    for kind, points in lane.discover().items():
                        self.points[kind, has_budget] = points
            plans = self._plans()
            threads = [
                threading.Thread(target=self._work, args=(number, plans, kills))
                for number in range(1, self.lanes + 1)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            self.emulator.stop()
            self.seconds = time.monotonic() - began

    def _plans(self) -> Iterator[Plan]:
        """Each point of an undisturbed run once in a round, each at the emulator, random times."""
        dice = random.Random(self.seed)
        # First one of each name and of each kind, so that a short campaign has them all.
        named: dict[str, list[Kind]] = {}
        for (kind, _), points in self.points.items():
            for name in dict.fromkeys(points):
                named.setdefault(name, []).append(kind)
        for turn in range(12):  # where one ended before it came to its point, once more
            killed = {name for trial in self.trials for name in trial.kills}
            for name in sorted(named.keys() - killed):
                yield "name", name, named[name][turn % len(named[name])]
            kinds = {trial.kind for trial in self.trials if trial.kills}
            yield from (("point", 1, kind) for kind in KINDS if kind not in kinds)
        while True:
            plans: list[Plan] = []
            for kind in KINDS:
                often = 3 if kind is STORED else 1
                most = max(len(points) for (one, _), points in self.points.items() if one is kind)
                plans += [("point", number, kind) for number in range(most)]
                plans += [("emulator", name, kind) for name in AT_THE_EMULATOR] * often
                plans += [("time", "", kind)] * 4 * often
                if kind.is_stored:
                    plans += [("together", "", kind)] * 2
            dice.shuffle(plans)  # a short campaign has something of everything
            yield from plans

    def _work(self, number: int, plans: Iterator[Plan], kills: int) -> None:
        try:
            with contextlib.ExitStack() as stack:
                lanes = [
                    stack.enter_context(
                        self._lane(10 * number + place, mode, has_budget=(number + place) % 2 == 0)
                    )
                    for place, mode in enumerate(("retry", "raise"))
                ]
                for turn in itertools.count():
                    with self._lock:
                        if self.kills >= kills or self.faults:
                            return
                        how, where, kind = next(plans)
                    lanes[(turn + number) % 2].trial(how, where, kind)
        except Exception as error:
            self.faults.append(f"lane {number}: {error!r}")
            raise

    @contextlib.contextmanager
    def _lane(self, number: int, mode: str, *, has_budget: bool) -> Iterator[Lane]:
        lane = Lane(self, number, mode, has_budget=has_budget)
        try:
            yield lane
        finally:
            lane.close()

    def new_trial(self, lane: Lane, kind: Kind) -> Trial:
        """A picture that nobody asked for before."""
        with self._lock:
            number = next(self._numbers)
            trial = Trial(
                f"trial {number} of the campaign",
                f"t/{number}.png",
                kind,
                lane.mode,
                is_keyed=kind.is_stored and lane.dice.random() < 0.5,
                spender=lane.dice.choice([None, "ada", "bob"]),
            )
            self._by_mark[f"trial {number} "] = trial
            self.trials.append(trial)
        return trial

    def _answer(self, ask: Ask) -> Reply | None:
        found = MARK.search(ask.prompt)
        if found is None:
            return None
        trial = self._by_mark[found[0]]
        data = self._picture(ask.seq)
        if trial.kind.answer == "broken picture":
            data = data[:100]
        with self._lock:
            trial.sent.append(sha256(data))
            trial.references.append(_references(ask))
            where, trial.at_emulator = trial.at_emulator, ""
        if trial.kind.answer == "no picture":
            ask.rec.mode = "image-safety"
            reply = MODES["image-safety"](ask)
        else:
            reply = answer(ask, [data_part(base64.b64encode(data).decode())])
        if where:
            trial.started.wait(10)
        if where == "request received":
            kill(trial.victim)
        elif where == "answer half sent":
            reply.fault = "drip"
            ask.options |= {"steps": "4", "pause": "0.05"}
            threading.Timer(0.08, kill, (trial.victim,)).start()
        elif where == "answer sent":
            threading.Timer(0.002, kill, (trial.victim,)).start()
        return reply

    def _picture(self, number: int) -> bytes:
        """A picture with bytes of its own: a private chunk after the header, which is skipped."""
        body = random.Random(number).randbytes(PICTURE_BYTES)
        chunk = struct.pack(">I", len(body)) + b"stUb" + body
        chunk += struct.pack(">I", zlib.crc32(b"stUb" + body))
        return self._base[:33] + chunk + self._base[33:]


def _references(ask: Ask) -> list[str]:
    """SHA-256 of the pictures that came with a request."""
    return [
        sha256(base64.urlsafe_b64decode(part["inlineData"]["data"]))
        for content in ask.rec.json["contents"]
        for part in content["parts"]
        if "inlineData" in part
    ]


def main() -> int:
    """Run a campaign as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.journal.campaign", description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--url", help="of a PostgreSQL database; SQLite files without it")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--lanes", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="campaign-"))
    campaign = Campaign(folder, url=options.url, seed=options.seed, lanes=options.lanes)
    campaign.run(options.kills)
    print(campaign.report())
    print(f"seed {options.seed}")
    if campaign.faults:
        print(f"what is left is in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
