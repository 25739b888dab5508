"""Hostile files through all that reads pictures: ``python -m tests.imaging.hostile [FOLDER]``.

Fetches test files of Pillow, libpng, libgd and gdk-pixbuf (some hundred MB on the way, kept in the
folder), verifies each, makes it anew and derives variants of it, in a process of its own, and
prints a table. It exits with 1 if one crashes, is refused by another error than ``InvalidImage``,
takes 2 seconds of CPU or 100 MB over what the interpreter with its imports takes.

Needs Linux, uv and, but for Pillow's files, Debian. It runs for minutes: every night, not with
every change; ``test_hostile_files.py`` runs a part of it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterable
from pathlib import Path

from flask_media.errors import InvalidImage
from flask_media.imaging import clean
from flask_media.imaging import derive
from flask_media.imaging import inspect
from flask_media.imaging import provenance
from flask_media.options import ImageFormat
from flask_media.variants import Variant
from flask_media.variants import VariantFit
from flask_media.variants import VariantSpec

from .corpus import CannotFetchError
from .corpus import debian
from .corpus import pillow

CPU_SECONDS = 2.0
MEMORY_MB = 100.0
HANG_SECONDS = 60
"""After which a process is ended; CPU is measured, but somebody has to stop it."""

VARIANTS: dict[str, VariantSpec] = {
    "wide": 640,
    "thumb": 96,
    "card": (320, 200),
    "png": Variant(width=200, format=ImageFormat.PNG),
    "jpeg": Variant(width=200, height=300, format=ImageFormat.JPEG),
    "avif": Variant(width=160, height=160, fit=VariantFit.CONTAIN, format=ImageFormat.AVIF),
}

ACCEPTED, REFUSED, WRONG, CRASHED = "accepted", "refused", "wrong", "crashed"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    name: str
    end: str
    said: str
    cpu: float
    """Seconds."""
    memory: float
    """MB."""

    @property
    def is_good(self) -> bool:
        """Whether it is within all bounds."""
        is_small = self.cpu < CPU_SECONDS and self.memory < MEMORY_MB
        return is_small and self.end in (ACCEPTED, REFUSED)


def look(data: bytes) -> str:
    """All that is done with a file: its format and size.

    :raises InvalidImage: it is refused.
    """
    picture = inspect(data, decode=True)
    made = clean(picture)
    assert inspect(made.data, decode=True) == made
    derived = derive(picture, VARIANTS)
    assert len(derived.variants) == len(VARIANTS)
    assert provenance(picture, made).c2pa_kept is False
    return f"{picture.format} {picture.width} x {picture.height}"


def outcome(path: Path) -> Outcome:
    """Look at a file in a forked process: it has the imports, and nothing of another file."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _in_child(path, write)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read()
    _, status, usage = os.wait4(child, 0)
    cpu = usage.ru_utime + usage.ru_stime
    lines = told.decode().split("\n", 2)
    if os.waitstatus_to_exitcode(status) != 0 or len(lines) < 3:
        code = os.waitstatus_to_exitcode(status)
        said = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Outcome(path.name, CRASHED, said, cpu, usage.ru_maxrss / 1000)
    memory = (usage.ru_maxrss * 1024 - int(lines[0])) / 1e6
    return Outcome(path.name, lines[1], lines[2], cpu, memory)


def _in_child(path: Path, write: int) -> None:
    code = 1
    try:
        signal.alarm(HANG_SECONDS)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident = pages * os.sysconf("SC_PAGE_SIZE")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            end, said = _ended(path.read_bytes())
        os.write(write, f"{resident}\n{end}\n{said[:2000]}".encode(errors="replace"))
        code = 0
    finally:
        os._exit(code)


def _ended(data: bytes) -> tuple[str, str]:
    try:
        return ACCEPTED, look(data)
    except InvalidImage as error:
        return REFUSED, str(error)
    except Exception:  # noqa: BLE001 - whatever it is, it is wrong
        return WRONG, traceback.format_exc(limit=-4)


def table(outcomes: dict[str, list[Outcome]]) -> str:
    """A line a source."""
    head = f"{'source':12} {'files':>5} {'accepted':>8} {'refused':>7} {'wrong':>5} {'crashes':>7}"
    lines = [f"{head}  slowest (s CPU), largest (MB over the imports)"]
    for source, found in outcomes.items():
        counts = [
            sum(one.end == end for one in found) for end in (ACCEPTED, REFUSED, WRONG, CRASHED)
        ]
        slow = max(found, key=lambda one: one.cpu)
        large = max(found, key=lambda one: one.memory)
        lines.append(
            "{:12} {:5} {:8} {:7} {:5} {:7}  ".format(source, len(found), *counts)
            + f"{slow.cpu:.2f} {slow.name}, {large.memory:.0f} {large.name}"
        )
    return "\n".join(lines)


def run(sources: dict[str, Iterable[Path]]) -> dict[str, list[Outcome]]:
    """Look at every file."""
    return {source: [outcome(path) for path in paths] for source, paths in sources.items()}


def main(arguments: list[str]) -> int:
    """Run it over all sources; with ``--only``, over files named on standard input, as JSON."""
    if arguments[:1] == ["--only"]:
        paths = [Path(line) for line in sys.stdin.read().splitlines()]
        print(json.dumps([dataclasses.asdict(outcome(path)) for path in paths]))
        return 0
    default = Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "flask-media-hostile"
    )
    folder = Path(arguments[0]) if arguments else default
    start = time.process_time()
    try:
        sources: dict[str, Iterable[Path]] = {"pillow": pillow(folder), **debian(folder)}
    except CannotFetchError as error:
        print(error, file=sys.stderr)
        return 2
    found = run(sources)
    print(table(found))
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{time.process_time() - start + usage.ru_utime + usage.ru_stime:.0f} s CPU in all")
    bad = [one for outcomes in found.values() for one in outcomes if not one.is_good]
    for one in bad:
        print(f"\n{one.name}: {one.end}, {one.cpu:.2f} s, {one.memory:.0f} MB\n{one.said}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
