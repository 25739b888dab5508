"""schemathesis over the whole API; by hand ``python -m tests.web.fuzzing 3000``."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from flask_media.emulator import GeminiEmulator

from .serving import ROOT
from .serving import gunicorn

CONFIG = """
[checks.positive_data_acceptance]
# 422 is what no schema can say: metadata that is too large, a colour that there is none of, a key
# that stands for another request.
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "422", "429"]

[checks.negative_data_rejection]
# 413 too, which is not among the defaults.
expected-statuses = ["400", "403", "404", "405", "413", "415", "422"]
"""

OPERATIONS = 5
"""By which the cases are divided, so that rather more come than are asked for."""


def fuzz(folder: Path, *, cases: int, seed: int, arguments: Sequence[str] = ()) -> tuple[int, str]:
    """Send about that many requests, and at least those that cover each constraint once.

    :returns: how many it were, and what schemathesis says.
    :raises AssertionError: it found something.
    """
    (folder / "schemathesis.toml").write_text(CONFIG)
    with (
        GeminiEmulator(width=64, height=64, vary=True) as emulator,
        gunicorn(
            folder,
            *("--threads=8", "--limit-request-line=0"),
            options={"max_wait": 1, "events_seconds": 1},
            GEMINI_API_KEY="key-of-the-tests",
            GEMINI_BASE_URL=emulator.url,
            MEDIA_STORAGE="filesystem",
            MEDIA_QUEUE_SIZE=100_000,
        ) as url,
    ):
        command = [
            *(str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/openapi.json"),
            *("--url", url, "--header", "X-User: ann", "--no-color", f"--seed={seed}"),
            f"--max-examples={max(1, cases // OPERATIONS)}",
            *arguments,
        ]
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ
            | {"SCHEMATHESIS_HOOKS": "tests.web.fuzzing_hooks", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    counted = re.search(r"([\d,]+) generated", done.stdout)
    output = "\n".join(line[:2000] for line in done.stdout.splitlines())
    assert done.returncode == 0, output
    assert counted, output
    return int(counted[1].replace(",", "")), output


def main() -> None:
    """Fuzz, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=int, nargs="?", default=3000)
    parser.add_argument("--seed", type=int, default=1)
    arguments, others = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        count, output = fuzz(
            Path(folder), cases=arguments.cases, seed=arguments.seed, arguments=others
        )
    print(output[-1000:])
    print(f"{count} cases, nothing found")


if __name__ == "__main__":
    main()
