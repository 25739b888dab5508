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
import json
import os
import random
import re
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from flask_media.emulator import Ask
from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply
from flask_media.emulator.messages import answer
from flask_media.emulator.messages import data_part
from flask_media.emulator.pictures import make_picture

from .child import SIDE
from .child import Nursery
from .child import sha256

MAX_ATTEMPTS = 3
"""GEMINI_MAX_ATTEMPTS of all children."""

PICTURE_BYTES = 80_000
"""A picture fills several pages of the database, so that it can be torn."""

MARK = re.compile(r"trial \d+ ")

RECOVERIES = ("resume_all", "ask", "ask and resume_all", "two at once", "resume_all twice at once")
"""Who comes after a kill."""

AT_THE_EMULATOR = ("request received", "answer half sent", "answer sent")


@dataclasses.dataclass
class Trial:
    """One picture, the processes that were killed over it, and what came of it."""

    prompt: str
    object_key: str
    mode: str
    """MEDIA_ON_UNKNOWN."""
    is_keyed: bool
    sent: list[str] = dataclasses.field(default_factory=list)
    """SHA-256 of each picture that the emulator sent for it, or began to."""
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
    def allowed_calls(self) -> int:
        """The first, and one for each that was cut off, if that was authorised."""
        return min(MAX_ATTEMPTS, 1 + self.cut_off) if self.mode == "retry" else 1


@dataclasses.dataclass
class Tally:
    """What is counted for one point."""

    kills: int = 0
    calls: int = 0
    authorised: int = 0
    unauthorised: int = 0
    lost: int = 0
    silent: int = 0


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
        self.points: list[str] = []
        """The points of an undisturbed run, in order."""
        self.seconds = 0.0
        self.typical_seconds = 0.3
        """What an undisturbed process takes."""
        self.faults: list[str] = []
        self._by_mark: dict[str, Trial] = {}
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._base = make_picture("image/png", SIDE, SIDE)
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
            row = table[trial.kills[0] if trial.kills else "(not killed)"]
            row.calls += len(trial.sent)
            row.authorised += min(len(trial.sent), trial.allowed_calls)
            row.unauthorised += max(0, len(trial.sent) - trial.allowed_calls)
            row.lost += "lost" in trial.faults
            row.silent += "silent" in trial.faults
            for name in trial.kills:
                table[name].kills += 1
        return dict(table)

    def total(self) -> Tally:
        """The sums of all points."""
        rows = [dataclasses.astuple(row) for row in self.tally().values()]
        return Tally(*map(sum, zip(*rows, strict=True)))

    def report(self) -> str:
        """The table that is printed."""
        columns = [field.name for field in dataclasses.fields(Tally)]
        lines = [f"{'killed':40}" + "".join(f"{name:>14}" for name in columns)]
        rows = [*sorted(self.tally().items()), ("all", self.total())]
        lines += [
            f"{name:40}" + "".join(f"{value:14}" for value in dataclasses.astuple(row))
            for name, row in rows
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
            with self._lane(0, "retry") as lane:
                self.points = lane.discover()
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

    def _plans(self) -> Iterator[tuple[str, int | str]]:
        """Each point of an undisturbed run once in a round, each at the emulator, random times."""
        while True:
            plans: list[tuple[str, int | str]] = [
                ("point", number) for number in range(len(self.points))
            ]
            plans += [("emulator", name) for name in AT_THE_EMULATOR] * 3
            plans += [("time", 0)] * 12
            plans += [("together", 0)] * 4
            yield from plans

    def _work(self, number: int, plans: Iterator[tuple[str, int | str]], kills: int) -> None:
        try:
            with contextlib.ExitStack() as stack:
                lanes = [
                    stack.enter_context(self._lane(10 * number + place, mode))
                    for place, mode in enumerate(("retry", "raise"))
                ]
                for turn in itertools.count():
                    with self._lock:
                        if self.kills >= kills or self.faults:
                            return
                        kind, value = next(plans)
                    lanes[(turn + number) % 2].trial(kind, value)
        except Exception as error:
            self.faults.append(f"lane {number}: {error!r}")
            raise

    @contextlib.contextmanager
    def _lane(self, number: int, mode: str) -> Iterator[Lane]:
        lane = Lane(self, number, mode)
        try:
            yield lane
        finally:
            lane.close()

    def new_trial(self, mode: str, is_keyed: bool) -> Trial:
        """A picture that nobody asked for before."""
        with self._lock:
            number = next(self._numbers)
            trial = Trial(f"trial {number} of the campaign", f"t/{number}.png", mode, is_keyed)
            self._by_mark[f"trial {number} "] = trial
            self.trials.append(trial)
        return trial

    def _answer(self, ask: Ask) -> Reply | None:
        found = MARK.search(ask.prompt)
        if found is None:
            return None
        trial = self._by_mark[found[0]]
        data = self._picture(ask.seq)
        with self._lock:
            trial.sent.append(sha256(data))
            where, trial.at_emulator = trial.at_emulator, ""
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


class Lane:
    """One journal and one storage, and the trials on them, one after the other."""

    def __init__(self, campaign: Campaign, number: int, mode: str) -> None:
        self.campaign, self.mode = campaign, mode
        self.dice = random.Random(f"{campaign.seed} {number}")
        self.instance = campaign.folder / f"lane{number}"
        self.instance.mkdir(parents=True)
        self.heard = self.instance / "heard"
        self.journal_url = campaign.url or f"sqlite:///{self.instance / 'media.sqlite3'}"
        if campaign.url:
            name = f"campaign_{os.getpid()}_{number}"
            engine = sa.create_engine(campaign.url, poolclass=sa.pool.NullPool)
            with engine.begin() as connection:
                connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {name} CASCADE")
                connection.exec_driver_sql(f"CREATE SCHEMA {name}")
            url = sa.make_url(campaign.url).update_query_dict({"options": f"-csearch_path={name}"})
            self.journal_url = url.render_as_string(hide_password=False)
        self.engine = sa.create_engine(self.journal_url, poolclass=sa.pool.NullPool)
        self.nursery = Nursery()

    def close(self) -> None:
        """End the forking process."""
        self.nursery.close()
        self.engine.dispose()

    def discover(self) -> list[str]:
        """The points of an undisturbed run with tables that are there."""
        for _ in range(2):  # the first one makes the tables
            trial = self.campaign.new_trial(self.mode, is_keyed=True)
            began = time.monotonic()
            self._run(trial, "ask")
            self.campaign.typical_seconds = time.monotonic() - began
            self._check(trial)
        points: list[str] = json.loads(self._report_file(trial, 0).read_text())["points"]
        return points

    def trial(self, kind: str, value: int | str) -> None:
        """Kill a process at the point, have others recover, and look what came of it."""
        trial = self.campaign.new_trial(self.mode, is_keyed=self.dice.random() < 0.5)
        if kind == "point":
            self._run(trial, "ask", kill_at=int(value))
        elif kind == "emulator":
            self._run(trial, "ask", at_emulator=str(value))
        elif kind == "time":
            self._run(trial, "ask", after=self.dice.uniform(0, self.campaign.typical_seconds))
        else:
            self._together(trial)
        # Recovery is killed too, now and then more than once.
        while trial.kills and len(trial.kills) < 4 and self.dice.random() < 0.4:
            before = len(trial.kills)
            if self.dice.random() < 0.7:
                self._run(trial, "resume_all", kill_at=self.dice.randrange(25))
            else:
                self._run(
                    trial, "resume_all", after=self.dice.uniform(0, self.campaign.typical_seconds)
                )
            if len(trial.kills) == before:
                break
        self._recover(trial)
        self._check(trial)

    def _together(self, trial: Trial) -> None:
        """Two ask for the same at once; one of them is killed, whether it is at work or waits."""
        trial.is_keyed = True
        tasks = [self._task(trial, number, "ask") for number in range(2)]
        began = self.nursery.start(*tasks)
        trial.started.set()
        time.sleep(self.dice.uniform(0, self.campaign.typical_seconds))
        kill(began[0])
        codes = self.nursery.wait()
        self._note(trial, codes, tasks, "one of two at the same")
        if -signal.SIGKILL in codes:
            self._look(trial)
            trial.cut_off = 1  # which of the two was in flight can't be told any more

    def _recover(self, trial: Trial) -> None:
        row = self._row(trial)
        recovery = self.dice.choice(RECOVERIES)
        if not trial.is_keyed and (
            row is None or row.state == "done" or recovery not in RECOVERIES[:2]
        ):
            recovery = "resume_all"  # asked for again without a key, a finished one is a new one
        match recovery:
            case "ask and resume_all":
                self._run(trial, "ask")
                self._run(trial, "resume_all")
            case "two at once":
                self._run(trial, "ask", "resume_all")
            case "resume_all twice at once":
                self._run(trial, "resume_all", "resume_all")
            case action:
                self._run(trial, action)

    # One start of processes

    def _run(
        self,
        trial: Trial,
        *actions: str,
        kill_at: int | None = None,
        at_emulator: str = "",
        after: float | None = None,
    ) -> None:
        tasks = [
            self._task(trial, number, action, kill_at=kill_at)
            for number, action in enumerate(actions)
        ]
        trial.started.clear()
        trial.at_emulator = at_emulator
        pids = self.nursery.start(*tasks)
        trial.victim = pids[0]
        trial.started.set()
        if after is not None:
            time.sleep(after)  # the kill is at a random time: there is nothing to wait for
            kill(pids[0])
        codes = self.nursery.wait()
        self._note(trial, codes, tasks, at_emulator or "at a random time")
        if -signal.SIGKILL in codes:
            self._look(trial)

    def _task(
        self, trial: Trial, number: int, action: str, *, kill_at: int | None = None
    ) -> dict[str, Any]:
        report = self._report_file(trial, number)
        report.unlink(missing_ok=True)
        return {
            "action": action,
            "instance": str(self.instance),
            "prompt": trial.prompt,
            "object_key": trial.object_key,
            "idempotency_key": trial.object_key if trial.is_keyed else None,
            "heard": str(self.heard),
            "report": str(report),
            "kill_at": kill_at,
            "config": {
                "GEMINI_API_KEY": "no-key-at-all",
                "GEMINI_BASE_URL": self.campaign.emulator.url,
                "GEMINI_MAX_ATTEMPTS": MAX_ATTEMPTS,
                "MEDIA_ON_UNKNOWN": trial.mode,
                "MEDIA_JOURNAL_URL": self.journal_url,
            },
        }

    def _report_file(self, trial: Trial, number: int) -> Path:
        return self.instance / f"report{number}.json"

    def _note(
        self, trial: Trial, codes: list[int], tasks: list[dict[str, Any]], where: str
    ) -> None:
        for code, task in zip(codes, tasks, strict=True):
            report: dict[str, Any] = {}
            with contextlib.suppress(FileNotFoundError):
                report = json.loads(Path(task["report"]).read_text())
            if code == -signal.SIGKILL:
                trial.kills.append(report.get("killed_at") or where)
            elif code:
                trial.faults.append(f"a process ended with {code}")
            trial.reported += report.get("outcomes", [])

    # What the journal, the storage and the receivers say

    def _row(self, trial: Trial) -> Any:
        query = sa.text(
            "SELECT j.id, j.state, j.paid_calls, p.data FROM media_jobs j "
            "LEFT JOIN media_pictures p ON p.job_id = j.id WHERE j.object_key = :key"
        )
        with self.engine.connect() as connection:
            if not sa.inspect(connection).has_table("media_jobs"):
                return None
            rows = connection.execute(query, {"key": trial.object_key}).all()
        if len(rows) > 1:
            trial.faults.append(f"{len(rows)} jobs")
        return rows[0] if rows else None

    def _look(self, trial: Trial) -> None:
        """What a kill left."""
        row = self._row(trial)
        if row is None:
            return
        trial.had_row = True
        trial.cut_off += row.state == "generating"
        trial.was_safe |= row.state in ("generated", "uploaded", "done")
        if row.state == "generated":
            if row.data is None:
                trial.faults.append("lost")
                return
            trial.committed = sha256(row.data)
            if trial.committed != trial.sent[-1]:
                trial.faults.append("other bytes are committed than were sent")

    def _check(self, trial: Trial) -> None:
        row = self._row(trial)
        if row is None:
            if trial.had_row or trial.sent:
                trial.faults.append("lost")
        elif row.state == "done":
            self._check_done(trial, row)
        elif trial.was_safe:
            trial.faults.append("lost")
        elif row.state == "unknown":
            if not any(
                outcome.get("error") == "OutcomeUnknown" and outcome["job_id"] == row.id
                for outcome in trial.reported
            ):
                trial.faults.append("silent")
            if trial.mode == "retry" and row.paid_calls < MAX_ATTEMPTS:
                trial.faults.append("not asked again though that is authorised")
        else:
            trial.faults.append("silent")
        if len(trial.sent) > trial.allowed_calls:
            trial.faults.append("unauthorised")
        if trial.faults:
            state = row.state if row is not None else "no row"
            self.campaign.faults.append(f"{self.instance.name}: {state}: {trial}")

    def _check_done(self, trial: Trial, row: Any) -> None:
        file = self.instance / "media" / trial.object_key
        stored = sha256(file.read_bytes()) if file.exists() else None
        if stored is None or stored != trial.sent[-1] or stored != (trial.committed or stored):
            trial.faults.append("lost")
        if row.data is not None:
            trial.faults.append("the bytes of a stored picture are still in the journal")
        if f"{row.id} upload_finished\n" not in self.heard.read_text():
            trial.faults.append("nobody heard of it")


def kill(pid: int) -> None:
    """Kill a process, if it still runs."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


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
