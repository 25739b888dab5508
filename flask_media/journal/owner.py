"""Who works on a job: a name for each process that shows whether it still lives."""

from __future__ import annotations

import functools
import os
import platform
import uuid
from pathlib import Path


@functools.cache
def _host() -> str:
    """This kernel and process-id space: within it, a process id means what it says.

    Host names don't do: containers on two machines may share one.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{platform.node()}/{uuid.getnode():x}"


def _stat(pid: int) -> tuple[str, str] | None:
    """State and start (in the kernel's ticks) of a process; None where they can't be read."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return None


QUEUE = "queue"
"""The owner of a job that waits in a queue for one of many processes to take it."""


def this_process() -> str:
    """The name of this process as an owner."""
    return _own_name()


@functools.cache
def _own_name() -> str:
    stat = _stat(os.getpid())
    return f"{_host()} {os.getpid()} {stat[1] if stat else UNREADABLE}"


UNREADABLE = "?"
"""Stands for the start of a process that could not be read."""

os.register_at_fork(after_in_child=_own_name.cache_clear)


def is_gone(owner: str) -> bool:
    """Whether it is certain that the owner's process has ended; where not, its lease decides.

    What can't be read is not certain: other users' processes may be hidden, or files run out.
    """
    host, _, rest = owner.partition(" ")
    pid, _, started = rest.partition(" ")
    if host != _host():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it lives, as another user's
    stat = _stat(int(pid))
    if stat is None or started == UNREADABLE:
        return False
    state, start = stat
    return state in ("Z", "X") or start != started  # a zombie works on nothing
