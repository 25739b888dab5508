"""A journal and a storage, and the processes that are killed over them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import sqlalchemy as sa

from .campaign_checks import check
from .campaign_checks import find_row
from .campaign_checks import look
from .campaign_trials import KINDS
from .campaign_trials import MAX_ATTEMPTS
from .campaign_trials import STORED
from .campaign_trials import Kind
from .campaign_trials import Trial
from .child import Nursery

if TYPE_CHECKING:
    from .campaign import Campaign

RECOVERIES = ("resume_all", "ask", "ask and resume_all", "two at once", "resume_all twice at once")
"""Who comes after a kill."""

RECOVERIES_OF_RETURNED = ("resume_all", "resume_all twice at once", "resume_all and resume")
"""Who comes after a kill of ``generate()``: asked for again it is another picture."""


class Lane:
    """One journal and one storage, and the trials on them, one after the other.

    :param campaign: what it is part of.
    :param number: a number of its own.
    :param mode: MEDIA_ON_UNKNOWN.
    :param has_budget: whether its apps have budgets, too large to be used up.
    """

    def __init__(self, campaign: Campaign, number: int, mode: str, *, has_budget: bool) -> None:
        self.campaign, self.mode, self.has_budget = campaign, mode, has_budget
        self.dice = random.Random(f"{campaign.seed} {number}")
        self.instance = campaign.folder / f"lane{number}"
        self.instance.mkdir(parents=True)
        self.heard = self.instance / "heard"
        self.heard.touch()
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

    def discover(self) -> dict[Kind, list[str]]:
        """The points of an undisturbed run of each kind, with tables that are there."""
        points: dict[Kind, list[str]] = {}
        for kind in (STORED, *KINDS):  # the first one makes the tables
            trial = self.campaign.new_trial(self, kind)
            began = time.monotonic()
            self._run(trial, trial.asking)
            if kind is STORED:
                self.campaign.typical_seconds = time.monotonic() - began
            points[kind] = json.loads(self._report_file(0).read_text())["points"]
            check(self, trial)
        return points

    def trial(self, how: str, where: str | int, kind: Kind) -> None:
        """Kill a process at the point, have others recover, and look what came of it."""
        trial = self.campaign.new_trial(self, kind)
        points = self.campaign.points[kind, self.has_budget]
        match how:
            case "name":
                place = self.dice.randrange(points.count(str(where)))
                self._run(trial, trial.asking, kill_at=(str(where), place))
            case "point":
                self._run(trial, trial.asking, kill_at=int(where) % len(points))
            case "emulator":
                self._run(trial, trial.asking, at_emulator=str(where))
            case "time":
                self._run(trial, trial.asking, after=self._some_time())
            case _:
                self._together(trial)
        # Recovery is killed too, now and then more than once.
        while trial.kills and len(trial.kills) < 4 and self.dice.random() < 0.4:
            before = len(trial.kills)
            if self.dice.random() < 0.7:
                self._run(trial, "resume_all", kill_at=self.dice.randrange(25))
            else:
                self._run(trial, "resume_all", after=self._some_time())
            if len(trial.kills) == before:
                break
        self._recover(trial)
        check(self, trial)

    def _some_time(self) -> float:
        return self.dice.uniform(0, self.campaign.typical_seconds)

    def _together(self, trial: Trial) -> None:
        """Two ask for the same at once; one of them is killed, whether it is at work or waits."""
        trial.is_keyed = True
        tasks = [self._task(trial, number, "ask") for number in range(2)]
        began = self.nursery.start(*tasks)
        trial.started.set()
        time.sleep(self._some_time())
        kill(began[0])
        codes = self.nursery.wait()
        self._note(trial, codes, tasks, "one of two at the same")
        if -signal.SIGKILL in codes:
            look(self, trial)
            trial.cut_off = 1  # which of the two was in flight can't be told any more

    def _recover(self, trial: Trial) -> None:
        row = find_row(self, trial)
        recovery = self.dice.choice(RECOVERIES)
        is_over = row is None or row.state in ("done", "failed", "quarantined")
        if not trial.is_keyed and (is_over or recovery not in RECOVERIES[:2]):
            recovery = "resume_all"  # asked for again without a key, a finished one is a new one
        if recovery == "ask" and trial.kind.answer != "picture":
            recovery = "ask and resume_all"  # who asks is told, the receivers by resume_all
        if not trial.kind.is_stored:
            recovery = self.dice.choice(RECOVERIES_OF_RETURNED)
        match recovery:
            case "ask and resume_all":
                self._run(trial, "ask")
                self._run(trial, "resume_all")
            case "two at once":
                self._run(trial, "ask", "resume_all")
            case "resume_all twice at once":
                self._run(trial, "resume_all", "resume_all")
            case "resume_all and resume":
                self._run(trial, "resume_all")
                row = find_row(self, trial)
                if row is not None and row.state == "generated":
                    self._run(trial, "resume", job_id=row.id)
            case action:
                self._run(trial, action)

    # One start of processes

    def _run(
        self,
        trial: Trial,
        *actions: str,
        kill_at: int | tuple[str, int] | None = None,
        at_emulator: str = "",
        after: float | None = None,
        job_id: str | None = None,
    ) -> None:
        tasks = [
            self._task(trial, number, action) | {"kill_at": kill_at, "job_id": job_id}
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
            look(self, trial)

    def _task(self, trial: Trial, number: int, action: str) -> dict[str, Any]:
        report = self._report_file(number)
        report.unlink(missing_ok=True)
        budgets = {"MEDIA_BUDGET_USD_PER_DAY": 1000, "MEDIA_BUDGET_USD_PER_USER_PER_DAY": 500}
        return {
            "action": action,
            "instance": str(self.instance),
            "prompt": trial.prompt,
            "object_key": trial.object_key,
            "idempotency_key": trial.object_key if trial.is_keyed else None,
            "heard": str(self.heard),
            "unheard": [] if trial.kind.has_receivers else ["upload_finished"],
            "report": str(report),
            "spender": trial.spender,
            "references": self.campaign.references[: trial.kind.references],
            "config": {
                "GEMINI_API_KEY": "no-key-at-all",
                "GEMINI_BASE_URL": self.campaign.emulator.url,
                "GEMINI_MAX_ATTEMPTS": MAX_ATTEMPTS,
                "MEDIA_ON_UNKNOWN": trial.mode,
                "MEDIA_JOURNAL_URL": self.journal_url,
                **(budgets if self.has_budget else {}),
            },
        }

    def _report_file(self, number: int) -> Path:
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


def kill(pid: int) -> None:
    """Kill a process, if it still runs."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
