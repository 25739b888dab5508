"""What several tests of the commands need."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result
from flask import Flask

from flask_media import FlaskMedia
from flask_media.service import MediaService

from ..programs import ROOT

APP = """
import json
from pathlib import Path
from flask import Flask
from flask_media import FlaskMedia
here = Path(__file__).parent
app = Flask("shop", instance_path=str(here / "instance"))
app.config.update(json.loads((here / "config.json").read_text()))
media = FlaskMedia(app)
"""

SECRETS = ("key-of-the-tests", "test-secret-key-0123456789", "secret-password", "wrong-secret")


class Shop:
    """An app in a folder, whose commands are run.

    :param folder: of its module, its config and its instance.
    :param config: of the app.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder = folder
        self.app = Flask("shop", instance_path=str(folder / "instance"))
        self.app.config.update(config)
        FlaskMedia(self.app)
        self.media: MediaService = self.app.extensions["media"]
        (folder / "shop.py").write_text(APP)
        (folder / "config.json").write_text(json.dumps(config))

    def run(self, *arguments: str | Path) -> Result:
        """Run ``flask media`` here; a secret that it prints fails the test."""
        line = ["media", *map(str, arguments)]
        result: Result = self.app.test_cli_runner().invoke(args=line)
        for secret in SECRETS:
            assert secret not in result.output + result.stderr
        assert "Traceback" not in result.output + result.stderr
        return result

    def json(self, *arguments: str | Path) -> Any:
        """The one JSON document that a command prints."""
        result = self.run(*arguments, "--json")
        return json.loads(result.stdout)

    def lines(self, *arguments: str | Path) -> list[Any]:
        """The lines of JSON that a command prints."""
        result = self.run(*arguments, "--json")
        return [json.loads(line) for line in result.stdout.splitlines()]

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Run ``flask media`` in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "shop", "media", *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options,
        )

    def end(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run ``flask media`` in a process of its own, and wait for its end."""
        with self.start(*arguments) as process:
            said, errors = process.communicate(timeout=100)
        return subprocess.CompletedProcess(process.args, process.returncode, said, errors)

    def on_terminal(self, *arguments: str | Path, columns: int = 80) -> tuple[int, str]:
        """Run it on a terminal; the exit code and all that the terminal got."""
        ours, theirs = pty.openpty()
        process = self.start(
            *arguments,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        got = b""
        while True:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # Linux says so at the end
                break
            if not piece:
                break
            got += piece
        os.close(ours)
        return process.wait(60), got.decode()

    @property
    def environment(self) -> dict[str, str]:
        """Of processes: this checkout's code, and no config of the machine's own."""
        usual = {name: text for name, text in os.environ.items() if not name.startswith("FLASK_")}
        paths = [str(ROOT), *filter(None, sys.path)]
        return usual | {"PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "80", "LINES": "24"}

    def close(self) -> None:
        """End what its service has open."""
        self.media.close()


MakeShop = Callable[..., Shop]


def plain(text: str) -> str:
    """The text without colours and cursor movements."""
    return re.sub(r"\033\[[0-9;]*[A-Za-z]", "", text)


def interrupt(process: subprocess.Popen[str]) -> str:
    """Press Ctrl-C until it ends; what it says on stderr then. Pressed at once again, it counts
    once."""
    begun = time.monotonic()
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    assert time.monotonic() - begun > 0.9
    return process.communicate(timeout=60)[1]


def findings(shop: Shop) -> dict[str, dict[str, Any]]:
    """What ``check`` finds, by name, and that its exit code and its text say the same."""
    document = shop.json("check")
    found = {one["name"]: one for one in document["checks"]}
    assert document["ok"] is all(one["status"] != "fail" for one in document["checks"])
    return found
