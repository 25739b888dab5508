"""What README says is so: its commands, its table, its links."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import Any

from PIL import Image
from PIL import ImageChops
from PIL import ImageStat

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def _commands(mark: str) -> list[str]:
    found = re.search(rf"^<!-- {mark} -->\n```sh\n(.+?)\n```$", README, re.MULTILINE | re.DOTALL)
    assert found, f"README has no block marked {mark}"
    return found[1].splitlines()


def test_the_first_command_gives_a_picture(tmp_path: Path) -> None:
    """The marked command draws a picture and prints where it is."""
    install, draw = _commands("try")
    assert install == "pip install uv"
    start = "uv run --group example flask "
    assert draw.startswith(start)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("FLASK_")
    }
    environment |= {
        "FLASK_MEDIA_FOLDER": str(tmp_path),
        "FLASK_MEDIA_JOURNAL_URL": f"sqlite:///{tmp_path / 'media.sqlite3'}",
        "FLASK_SQLALCHEMY_ENGINES__default": "sqlite://",
    }
    done = subprocess.run(
        [sys.executable, "-m", "flask", *shlex.split(draw.removeprefix(start))],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r"^Picture:\s+(.+)$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    with Image.open(found[1]) as picture:
        picture.load()
    assert "placeholder" in done.stdout


def test_the_second_command_runs_the_tests() -> None:
    """The marked command is the one that runs all tests."""
    assert _commands("test") == ["pip install uv", "uv run --group test pytest -n 4"]
    assert README.index("<!-- try -->") < README.index("<!-- test -->")


def test_the_config_table_is_the_codes() -> None:
    """README's table has every key with the default and meaning that the code gives it."""
    table = _script("config_keys").markdown_table()
    assert table in README, "run docs/_ext/config_keys.py and put what it prints into README.md"


def test_the_picture_is_the_placeholders() -> None:
    """README's picture shows what the code draws today for the prompt of README's command."""
    house = _script("house")
    assert f'draw "{house.PROMPT}"' in README
    with Image.open(house.PICTURE) as picture:
        shown = picture.convert("RGB")
    drawn = house.draw()
    assert shown.size == drawn.size
    # WebP is lossy: letters ring a little. Another palette or text differs far more.
    worst = max(ImageStat.Stat(ImageChops.difference(shown, drawn)).mean)
    assert worst < 2, "run docs/_ext/house.py"


def _script(name: str) -> Any:
    """A module of ``docs/_ext``."""
    spec = util.spec_from_file_location(name, ROOT / "docs" / "_ext" / f"{name}.py")
    assert spec
    assert spec.loader
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
