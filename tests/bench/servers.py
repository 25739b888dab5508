"""The servers that the benchmarks talk to, each in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.servers import running_seaweedfs

from .contestants import Servers


@contextlib.contextmanager
def running_servers(latency: float = 0.0) -> Iterator[Servers]:
    """A Gemini emulator with a photograph and SeaweedFS on free ports of the loopback interface.

    :param latency: seconds before each of the model's answers.
    """
    command = [sys.executable, "-m", "tests.bench.model", str(latency)]
    with (
        tempfile.TemporaryDirectory() as folder,
        running_seaweedfs(Path(folder)) as s3,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as emulator,
    ):
        assert emulator.stdout
        gemini_url = emulator.stdout.readline().split()[-1]
        try:
            yield Servers(
                gemini_url=gemini_url,
                s3_url=s3.endpoint_url,
                bucket=s3.bucket,
                key=s3.key,
                secret=s3.secret,
            )
        finally:
            emulator.terminate()
