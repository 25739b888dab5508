"""gunicorn, with the app of ``served`` in it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..servers import free_ports
from ..servers import wait_for

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def gunicorn(
    folder: Path, *arguments: str, options: dict[str, Any] | None = None, **config: Any
) -> Iterator[str]:
    """A server on a free port; gives the URL of the blueprint.

    :param arguments: of gunicorn, as ``--workers=4``.
    :param options: of the blueprint.
    :param config: of the app.
    """
    (port,) = free_ports(1)
    values = {"config": config, "options": options or {}, "folder": str(folder / "instance")}
    command = [
        *(sys.executable, "-m", "gunicorn", "tests.web.served:create_app()"),
        *(f"--bind=127.0.0.1:{port}", "--log-level=warning", "--no-control-socket"),
        *arguments,
    ]
    log = folder / "gunicorn.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"TEST_CONFIG": json.dumps(values), "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}/media"
    ask = urllib.request.Request(f"{url}/openapi.json", headers={"X-User": "ann"})
    try:
        wait_for(lambda: urllib.request.urlopen(ask, timeout=10).close())
        yield url
    except BaseException as error:
        error.add_note(log.read_text(errors="replace")[-3000:])
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its workers too
            process.wait()
    text = log.read_text(errors="replace")
    assert "Traceback" not in text, text[-3000:]
