"""A part of ``python -m tests.imaging.hostile``: Pillow's own test files, the crashers first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .corpus import CannotFetchError
from .corpus import pillow
from .hostile import Outcome

MADE_TO_BREAK = ("crash", "timeout", "oom", "bomb", "hopper_")
"""Parts of the names of files that broke a decoder once, or that hold every mode and option."""

EACH = 4
"""One of so many of the others is looked at."""


@pytest.fixture(scope="module")
def files(request: pytest.FixtureRequest) -> list[Path]:
    """The sample; Pillow's source distribution is fetched once and kept in pytest's cache."""
    cache = request.config.cache
    assert cache is not None
    try:
        found = pillow(cache.mkdir("hostile"))
    except CannotFetchError as error:
        if os.environ.get("FLASK_MEDIA_REQUIRE") == "all":
            raise
        pytest.skip(f"Pillow's files can't be had: {error}")
    assert len(found) > 1000
    marked = [path for path in found if any(part in path.name for part in MADE_TO_BREAK)]
    return sorted({*marked, *found[::EACH]})


@pytest.mark.timeout(400)  # the fetch has 300 seconds of its own
def test_files_of_others(files: list[Path]) -> None:
    """None crashes, is refused by any other error, or takes 2 s of CPU or 100 MB."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.imaging.hostile", "--only"],
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        check=True,
    )
    outcomes = [Outcome(**one) for one in json.loads(done.stdout)]
    assert [one for one in outcomes if not one.is_good] == []
    ends = [one.end for one in outcomes]
    assert len(ends) == len(files)
    assert ends.count("accepted") > 50
    assert ends.count("refused") > 50


def test_crash_is_told(tmp_path: Path) -> None:
    """A process that dies over a file is told with the file's name, and the rest goes on."""
    bad, good = tmp_path / "bad", tmp_path / "good"
    bad.write_bytes(b"")
    good.write_bytes(b"GIF89a")
    code = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from tests.imaging import hostile\n"
        "look = hostile.look\n"
        "hostile.look = lambda data: look(data) if data else os.kill(os.getpid(), signal.SIGSEGV)\n"
        f"one, two = hostile.run({{'a': [Path({str(bad)!r}), Path({str(good)!r})]}})['a']\n"
        "print(one.name, one.end, one.said, one.is_good, two.name, two.end, two.is_good)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["bad", "crashed", "SIGSEGV", "False", "good", "refused", "True"]
