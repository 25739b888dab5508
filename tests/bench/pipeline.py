"""What a picture costs: ``python -m tests.bench.pipeline [--quick]``.

Against hand-written code and the migration guide's OLD code, all on loopback, the servers in
processes of their own. Prints tables and fails when a bound is broken; ``--quick`` measures less
and uses wider bounds, to find what is broken rather than what is slow.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from flask_media.journal.journal import Journal
from flask_media.journal.listing import Listing
from flask_media.journal.records import Asking
from flask_media.journal.records import Claim
from flask_media.journal.spend import Budgets
from flask_media.types import MediaResult
from flask_media.values import GenerationAnswer

from .contestants import CONTESTANTS
from .contestants import MODEL
from .contestants import Servers
from .contestants import environment
from .model import photograph
from .servers import running_servers

IMPORT = """
import resource, sys, time
import flask
app = flask.Flask("x")
before = resource.getrusage(resource.RUSAGE_SELF)
started = time.process_time()
if sys.argv[1] == "with":
    from flask_media import FlaskMedia
    FlaskMedia(app)
print((time.process_time() - started) * 1000)
with open("/proc/self/statm") as statm:
    print(int(statm.read().split()[1]) * resource.getpagesize() / 2**20)
"""


def measure_cpu(servers: Servers, rounds: int, pictures: int) -> dict[str, float]:
    """Median CPU milliseconds a picture, in interleaved rounds of one process."""
    makers = {name: make(servers) for name, make in CONTESTANTS.items()}
    times: dict[str, list[float]] = {name: [] for name in makers}
    for name, make in makers.items():  # connections, caches, lazy imports
        make(f"warm/{name}/0")
        make(f"warm/{name}/1")
    for turn in range(rounds):
        for name, make in makers.items():
            count = max(1, pictures // 10) if name == "OLD" else pictures
            started = time.process_time()
            for number in range(count):
                make(f"cpu/{name}/{turn}/{number}")
            times[name].append((time.process_time() - started) * 1000 / count)
    return {name: statistics.median(values) for name, values in times.items()}


def measure_load(servers: Servers, name: str, threads: int, pictures: int) -> dict[str, float]:
    """Pictures a second and peak memory over imports with many threads, in this process."""
    make = CONTESTANTS[name](servers)
    make(f"load/{name}/warm")
    base = _peak_mib()
    started = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(make, [f"load/{name}/{number}" for number in range(pictures)]))
    elapsed = time.monotonic() - started
    return {"rate": pictures / elapsed, "peak": _peak_mib() - base}


def measure_journal(servers: Servers, pictures: int) -> float:
    """Median wall milliseconds that the steps of a picture take in a SQLite journal, together."""
    folder = tempfile.mkdtemp()
    journal = Journal(f"sqlite:///{folder}/journal.sqlite3", lease=30, budgets=Budgets())
    answer = GenerationAnswer(data=photograph(), model=MODEL, cost_usd=Decimal("0.0336"))
    times = []
    for number in range(pictures):
        job_id = uuid.uuid4().hex
        asking = Asking(
            job_id=job_id,
            scope="bench",
            object_key=f"{number}.png",
            fingerprint=job_id,
            request_hash=job_id,
            reuse_hash=job_id,
            reuse=False,
            flight=job_id,
            joinable=True,
            key=None,
            task=None,
            spender="",
            spec="x" * 1500,
            references=(),
        )
        result = _result(job_id)
        listing = Listing(
            object_key=f"{number}.png",
            job_id=job_id,
            content_type="image/png",
            width=1024,
            height=1024,
            size_bytes=1_250_000,
            sha256="0" * 64,
            is_generated=True,
        )
        started = time.perf_counter()
        claim = journal.begin(asking, model=MODEL, estimate=Decimal("0.034"))
        assert isinstance(claim, Claim)
        journal.generated(claim, answer)
        journal.uploaded(claim, result, "bench", listing, True)
        journal.done(claim)
        journal.release(claim)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _result(job_id: str) -> MediaResult:
    return MediaResult(
        url="https://example.com/a.png",
        object_key="a.png",
        prompt="p" * 900,
        original_prompt="A house",
        content_type="image/png",
        width=1024,
        height=1024,
        size_bytes=1,
        sha256=job_id * 2,
        metadata={},
        model=MODEL,
        usage=None,
        cost_usd=Decimal("0.0336"),
        job_id=job_id,
        cached=False,
        attempts=1,
        created_at=datetime.now(UTC),
    )


def _peak_mib() -> float:
    """Most memory this process had, in MiB; unlike ``getrusage`` not its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def _child(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.pipeline", *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def measure_import(rounds: int) -> tuple[float, float]:
    """Median milliseconds of CPU and MiB that ``import flask_media`` and ``init_app`` add."""
    milliseconds, mebibytes = [], []
    for _ in range(rounds):
        values = {}
        for variant in ("without", "with"):
            out = subprocess.check_output([sys.executable, "-c", IMPORT, variant], text=True)
            values[variant] = [float(line) for line in out.split()]
        milliseconds.append(values["with"][0] - values["without"][0])
        mebibytes.append(values["with"][1] - values["without"][1])
    return statistics.median(milliseconds), statistics.median(mebibytes)


def main() -> int:
    """Run it all, print the tables, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run of under a minute")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        work, arguments = options.child[0], json.loads(options.child[1])
        servers = Servers(**arguments.pop("servers"))
        measure: Any = {
            "cpu": measure_cpu,
            "load": measure_load,
            "journal": measure_journal,
        }[work]
        print(json.dumps(measure(servers, **arguments)))
        return 0
    quick: bool = options.quick
    checks: list[tuple[str, float, float, bool]] = []

    added_ms, added_mib = measure_import(3 if quick else 15)
    print(f"import and init_app: {added_ms:.1f} ms, {added_mib:.1f} MiB over import flask")
    checks += [
        ("import and init_app, ms", added_ms, 60 if quick else 30, True),
        ("import and init_app, MiB", added_mib, 3, True),
    ]

    with running_servers() as servers:
        cpu = _child(
            "--child",
            "cpu",
            json.dumps(
                {
                    "servers": asdict(servers),
                    "rounds": 3 if quick else 9,
                    "pictures": 5 if quick else 20,
                }
            ),
        )
        wall = _child(
            "--child",
            "journal",
            json.dumps({"servers": asdict(servers), "pictures": 20 if quick else 200}),
        )
    checks.append(("the journal's own wall time, ms", wall, 60 if quick else 12, True))
    print("\nCPU a picture (1024 x 1024 PNG, 1.25 MB, stored untouched)")
    print(f"{'':<14}{'ms':>9}{'ours / it':>12}")
    for name, value in cpu.items():
        print(f"{name:<14}{value:>9.2f}{cpu['ours'] / value:>12.3f}")
    checks += [
        (
            "CPU against hand-written",
            cpu["ours"] / cpu["hand-written"],
            1.8 if quick else 1.35,
            True,
        ),
        ("CPU against OLD", cpu["ours"] / cpu["OLD"], 1 / 20 if quick else 1 / 60, True),
    ]

    load: dict[str, list[dict[str, float]]] = {"ours": [], "hand-written": []}
    with running_servers(latency=1.0) as servers:
        for _ in range(1 if quick else 5):
            for name, runs in load.items():
                arguments = {
                    "servers": asdict(servers),
                    "name": name,
                    "threads": 64,
                    "pictures": 64 if quick else 320,
                }
                runs.append(_child("--child", "load", json.dumps(arguments)))
    print("\n64 threads, 1 s of model latency (median of the runs)")
    print(f"{'':<14}{'pictures/s':>12}{'peak MiB':>10}")
    middle = {
        name: {key: statistics.median(run[key] for run in runs) for key in ("rate", "peak")}
        for name, runs in load.items()
    }
    for name, values in middle.items():
        print(f"{name:<14}{values['rate']:>12.1f}{values['peak']:>10.0f}")
    rate = middle["ours"]["rate"] / middle["hand-written"]["rate"]
    peak = middle["ours"]["peak"] / middle["hand-written"]["peak"]
    checks += [
        ("rate against hand-written", rate, 0.6 if quick else 0.9, False),
        ("peak memory against hand-written", peak, 1.5 if quick else 1.1, True),
    ]

    print(f"\n{'bound':<36}{'measured':>10}{'allowed':>12}")
    failed = 0
    for what, value, bound, is_most in checks:
        ok = value <= bound if is_most else value >= bound
        failed += not ok
        sign = "<=" if is_most else ">="
        print(f"{what:<36}{value:>10.3f}{sign:>5}{bound:>7.3f}  {'' if ok else 'BROKEN'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
