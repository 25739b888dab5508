"""Whose job it is: a dead process loses it at once, a stopped one later, a live one never."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from flask_media.emulator import GeminiEmulator
from flask_media.journal.leases import Keeper
from flask_media.journal.owner import is_gone
from flask_media.journal.owner import this_process
from flask_media.journal.records import Claim
from flask_media.journal.states import State

from .child import Nursery
from .support import Gate

LONG = 600
"""A lease in seconds that no test lives to see the end of."""


class Stage:
    """An emulator, a journal, and two processes that fork others."""

    def __init__(
        self, emulator: GeminiEmulator, folder: Path, nurseries: tuple[Nursery, Nursery]
    ) -> None:
        self.emulator, self.folder = emulator, folder
        self.one, self.other = nurseries

    def task(self, name: str, action: str = "ask", *, lease: float, **values: Any) -> Any:
        """A task for a child; ``name`` is that of its report."""
        return {
            "action": action,
            "instance": str(self.folder),
            "prompt": "A house",
            "object_key": "goals/7/house.png",
            "heard": str(self.folder / "heard"),
            "report": str(self.folder / f"{name}.json"),
            "config": {
                "GEMINI_API_KEY": "key",
                "GEMINI_BASE_URL": self.emulator.url,
                "MEDIA_LEASE": lease,
            },
        } | values

    def report(self, name: str) -> list[dict[str, Any]]:
        """What came of a task."""
        outcomes: list[dict[str, Any]] = json.loads((self.folder / f"{name}.json").read_text())[
            "outcomes"
        ]
        return outcomes

    def rows(self) -> list[Any]:
        """All jobs of the journal."""
        engine = sa.create_engine(
            f"sqlite:///{self.folder / 'media.sqlite3'}", poolclass=sa.pool.NullPool
        )
        with engine.connect() as connection:
            return list(connection.execute(sa.text("SELECT * FROM media_jobs")))

    def heard(self, name: str) -> list[str]:
        """The ids of the jobs that the signal was heard for."""
        lines = (line.split() for line in (self.folder / "heard").read_text().splitlines())
        return [job_id for job_id, heard in lines if heard == name]


@pytest.fixture(scope="module")
def nurseries() -> Iterator[tuple[Nursery, Nursery]]:
    """Two processes that fork others."""
    one, other = Nursery(), Nursery()
    yield one, other
    one.close()
    other.close()


@pytest.fixture
def stage(emulator: GeminiEmulator, tmp_path: Path, nurseries: tuple[Nursery, Nursery]) -> Stage:
    """Two forking processes with one journal."""
    return Stage(emulator, tmp_path, nurseries)


@pytest.mark.alone  # a lease of a second is short on a busy machine
def test_a_stopped_holder_loses_its_job_and_records_nothing(stage: Stage, gate: Gate) -> None:
    """A holder that is stopped loses the job after MEDIA_LEASE, and continued it can't commit."""
    (holder,) = stage.one.start(stage.task("holder", lease=1))
    gate.arrived()
    os.kill(holder, signal.SIGSTOP)
    try:
        gate.open()
        began = time.monotonic()
        assert stage.other.run(stage.task("taker", lease=1)) == [0]
        seconds = time.monotonic() - began
        assert seconds > 0.5, "a holder that may live was robbed within its lease"
        (before,) = stage.rows()
    finally:
        os.kill(holder, signal.SIGCONT)
    assert stage.one.wait() == [0]
    (taken,), (lost,) = stage.report("taker"), stage.report("holder")
    assert lost == taken | {"cached": True}
    (row,) = stage.rows()
    assert row == before
    assert (row.state, row.paid_calls, row.epoch) == ("done", 2, 2)
    assert [one["outcome"] for one in json.loads(row.attempts)] == ["unknown", "generated"]
    assert stage.emulator.calls == 2
    assert stage.heard("upload_finished") == [row.id]


@pytest.mark.alone  # a lease of a second is short on a busy machine
def test_a_stopped_holder_does_not_ask_again_after_its_lease(stage: Stage, gate: Gate) -> None:
    """With ``raise`` the job of a stopped holder is unknown, and stays so when it goes on."""
    task = stage.task("holder", lease=1)
    task["config"]["MEDIA_ON_UNKNOWN"] = "raise"
    (holder,) = stage.one.start(task)
    gate.arrived()
    os.kill(holder, signal.SIGSTOP)
    try:
        assert stage.other.run(task | {"report": str(stage.folder / "taker.json")}) == [0]
    finally:
        os.kill(holder, signal.SIGCONT)
    gate.open()
    assert stage.one.wait() == [0]
    assert [stage.report(name)[0]["error"] for name in ("taker", "holder")] == [
        "OutcomeUnknown",
        "OutcomeUnknown",
    ]
    (row,) = stage.rows()
    assert (row.state, row.paid_calls) == ("unknown", 1)
    assert stage.emulator.calls == 1


def test_a_dead_process_is_noticed_at_once(stage: Stage, gate: Gate) -> None:
    """A process that was killed on this host keeps no job for the rest of its lease."""
    (holder,) = stage.one.start(stage.task("holder", lease=LONG))
    gate.arrived()
    began = time.monotonic()
    assert stage.other.start(stage.task("waiter", lease=LONG))
    os.kill(holder, signal.SIGKILL)
    gate.open()
    assert stage.one.wait() == [-signal.SIGKILL]
    assert stage.other.wait() == [0]
    assert time.monotonic() - began < 20
    assert "sha256" in stage.report("waiter")[0]
    assert stage.emulator.calls == 2


def test_a_live_process_is_never_robbed(stage: Stage) -> None:
    """A call that takes three leases keeps its job: it is renewed all the while."""
    stage.emulator.latency = 3
    stage.one.start(stage.task("holder", lease=1))
    codes = stage.other.run(
        stage.task("waiter", lease=1), stage.task("resumer", "resume_all", lease=1)
    )
    assert codes == [0, 0]
    assert stage.one.wait() == [0]
    (held,), (joined,) = stage.report("holder"), stage.report("waiter")
    assert {held["cached"], joined["cached"]} == {False, True}
    assert held["sha256"] == joined["sha256"]
    assert stage.report("resumer") == []
    assert stage.emulator.calls == 1
    (row,) = stage.rows()
    assert row.epoch == 1


def test_a_fork_in_the_middle_takes_no_job_along(stage: Stage, gate: Gate) -> None:
    """A child forked within a call has no part in it, and works on its own jobs."""
    when = stage.folder / "when"
    os.mkfifo(when)
    stage.one.start(stage.task("parent", "fork", lease=1, forked="A boat", when=str(when)))
    gate.arrived()
    when.write_bytes(b"now")
    gate.arrived()  # the child's own call, after it looked for jobs to resume
    gate.open()
    assert stage.one.wait() == [0]
    (resumed, own) = stage.report("parent.forked")
    assert resumed == {"resumed": 0}
    (mine,) = stage.report("parent")
    assert "sha256" in mine
    assert "sha256" in own
    assert own["job_id"] != mine["job_id"]
    assert sorted(row.state for row in stage.rows()) == ["done", "done"]
    assert stage.emulator.calls == 2


def test_two_that_resume_all_at_once_share_the_jobs(stage: Stage) -> None:
    """Each job that is left is resumed once, whoever of two processes gets to it."""
    obstacle = stage.folder / "down"
    obstacle.touch()
    keys = [f"goals/{number}.png" for number in range(12)]
    tasks = [
        stage.task(f"ask{number}", lease=30, object_key=key, down=str(obstacle))
        for number, key in enumerate(keys)
    ]
    assert stage.one.run(*tasks) == [0] * len(keys)
    assert {row.state for row in stage.rows()} == {"generated"}
    obstacle.unlink()
    names = [f"resume{number}" for number in range(4)]
    assert stage.one.run(*(stage.task(name, "resume_all", lease=30) for name in names)) == [0] * 4
    results = [outcome for name in names for outcome in stage.report(name)]
    ids = sorted(row.id for row in stage.rows())
    assert sorted(outcome["job_id"] for outcome in results) == ids
    assert sorted(stage.heard("upload_finished")) == ids
    assert all("sha256" in outcome for outcome in results)
    assert {row.state for row in stage.rows()} == {"done"}
    assert all((stage.folder / "media" / key).exists() for key in keys)
    assert stage.emulator.calls == len(keys)


def test_an_owner_is_a_process_not_its_number() -> None:
    """Another process that got the same number later is not the owner."""
    host, pid, started = this_process().split()
    assert int(pid) == os.getpid()
    assert not is_gone(this_process())
    assert is_gone(f"{host} {pid} {int(started) - 1}")


def test_a_zombie_works_on_nothing() -> None:
    """A process that ended is gone before its parent takes note, and after."""
    source = "from flask_media.journal.owner import this_process; print(this_process())"
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as process:
        assert process.stdout
        owner = process.stdout.readline().decode().strip()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert Path(f"/proc/{process.pid}").exists()
        assert is_gone(owner)
        process.wait()
        assert is_gone(owner)


def test_nothing_is_known_of_processes_on_other_hosts() -> None:
    """Only its lease tells whether a process on another host works."""
    _, pid, _ = this_process().split()
    assert not is_gone(f"other-host/pid:[1] {pid} 1")


def test_who_can_not_be_read_is_not_gone() -> None:
    """Out of files, a live process is not taken for an ended one, by itself or by others."""
    source = """
import os, resource
from flask_media.journal import owner
name = owner.this_process()
owner._host()
lowest = os.open("/dev/null", os.O_RDONLY)
resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, lowest + 1))
assert not owner.is_gone(name)
owner._own_name.cache_clear()
unreadable = owner.this_process()
os.close(lowest)
assert unreadable.endswith(" ?"), unreadable
assert not owner.is_gone(unreadable)
"""
    subprocess.run([sys.executable, "-c", source], check=True, timeout=60)


def test_each_hold_is_its_own() -> None:
    """Who took a job over keeps it, when the one before it lets go late."""
    renewed: list[list[int]] = []
    told = threading.Event()

    def renew(held: list[Claim]) -> None:
        renewed.append([claim.epoch for claim in held])
        told.set()
        raise RuntimeError("the thread lives on")

    keeper = Keeper(0.03, renew)
    first, second, dropped = _claim(1), _claim(2), _claim(3)
    for claim in (first, second, dropped):
        keeper.hold(claim)
    keeper.release(first)
    del claim, dropped  # as an exception from outside does, before anybody could release it
    for _ in range(2):  # a second time, after it raised
        told.clear()
        assert told.wait(10)
    keeper.release(second)
    assert renewed[-1] == [2]


def _claim(epoch: int) -> Claim:
    return Claim(
        id="7f",
        epoch=epoch,
        state=State.GENERATING,
        attempts=[],
        paid_calls=0,
        spender="",
        day="2026-11-22",
    )
