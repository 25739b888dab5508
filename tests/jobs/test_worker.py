"""``flask media worker``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_media import FlaskMedia
from flask_media.service import MediaService

from ..journal.support import Gate
from .support import Process

APP = """
import json
from flask import Flask
from flask_media import FlaskMedia
settings = json.loads({settings!r})
app = Flask("shop", instance_path=settings.pop("instance"))
app.config.update(settings)
FlaskMedia(app)
"""


@pytest.fixture
def shop(config: dict[str, Any], tmp_path: Path) -> Path:
    """A folder with the app's module."""
    settings = config | {"instance": str(tmp_path / "instance")}
    (tmp_path / "shop.py").write_text(APP.format(settings=json.dumps(settings)))
    return tmp_path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_goes_on_with_what_others_left(
    config: dict[str, Any], media: MediaService, gate: Gate, shop: Path, number: signal.Signals
) -> None:
    """The worker ends the jobs of a process that was killed, and its own end is a clean one."""
    killed = Process(config, str(shop / "instance"))
    ids = killed.ask(do="later", numbers=[0, 1, 2])
    gate.arrived()
    killed.kill()
    gate.open()
    worker = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "flask", "--app", "shop", "media", "worker"],
        cwd=shop,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        done = [media.job(job_id).result(60).object_key for job_id in ids]
        worker.send_signal(number)
        said, errors = worker.communicate(timeout=60)
    finally:
        worker.kill()
    assert done == ["houses/0.png", "houses/1.png", "houses/2.png"]
    assert (worker.returncode, "Traceback" in errors) == (0, False)
    lines = said.splitlines()
    assert lines[0] == "Working on what dead processes left. Ctrl-C ends."
    assert lines[-1] == "Ending: waiting for what runs."
    stored = {f"Job {job_id}: stored {key}" for job_id, key in zip(ids, done, strict=True)}
    assert set(lines[1:-1]) == stored


def test_faults_are_one_line(tmp_path: Path) -> None:
    """A journal out of reach, or a queue that has workers of its own, is said in a line."""
    app = Flask("shop", instance_path=str(tmp_path))
    (tmp_path / "file").touch()
    app.config.update(MEDIA_JOURNAL_URL=f"sqlite:///{tmp_path}/file/journal.sqlite3")
    FlaskMedia(app)
    result = app.test_cli_runner().invoke(args=["media", "worker"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The journal (sqlite,")
    assert result.stderr.count("\n") == 1
