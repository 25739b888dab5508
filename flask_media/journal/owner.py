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


def _started(pid: int) -> str | None:
    """When the process started, in the kernel's ticks; None if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except OSError:
        return None
    else:
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]  # a zombie works on nothing
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "?"


@functools.lru_cache(maxsize=2)
def _name_of(pid: int) -> str:
    return f"{_host()} {pid} {_started(pid)}"


def this_process() -> str:
    """The name of this process as an owner."""
    return _name_of(os.getpid())


def is_gone(owner: str) -> bool:
    """Whether it is certain that the owner's process has ended; False for other hosts'."""
    host, _, rest = owner.partition(" ")
    pid, _, started = rest.partition(" ")
    return host == _host() and _started(int(pid)) != started
