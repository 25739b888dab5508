"""The shop of the tests, and its workers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from celery import Celery
from celery.result import AsyncResult
from flask import Flask

from flask_media import ImageGenerationConfig
from flask_media.jobs.handle import MediaJob
from flask_media.service import MediaService

from ..programs import ROOT
from .shop import create_app

SMALL = ImageGenerationConfig(size=(64, 64), enhance_prompt=False)
"""Of pictures that only have to be there."""


class Worker:
    """A worker in a process group of its own: the one that listens and its children.

    :param config: of its app.
    :param folder: of its app's instance and its log.
    :param name: tells it from others.
    :param module: what it loads.
    """

    def __init__(self, config: dict[str, Any], folder: Path, name: str, module: str) -> None:
        self.log = folder / f"{name}.log"
        told, tell = os.pipe()
        environment = os.environ | {
            "TEST_CONFIG": json.dumps(config),
            "TEST_INSTANCE": str(folder),
            "TEST_READY": str(tell),
        }
        options = ["--concurrency=1", "--without-gossip", "--without-mingle", "--loglevel=INFO"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "celery", "-A", f"tests.celery_queue.{module}"),
                    *("worker", *options, f"--hostname={name}@shop"),
                ],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                pass_fds=[tell],
                start_new_session=True,
            )
        os.close(tell)
        self._told = told

    def ready(self) -> Worker:
        """Wait until it takes tasks; returns itself."""
        said = os.read(self._told, 1)
        assert said == b"1", self.log.read_text()[-3000:]
        return self

    def ended(self) -> int:
        """Wait until it has ended by itself; returns how."""
        try:
            return self._process.wait(60)
        finally:
            os.close(self._told)

    def kill(self) -> None:
        """SIGKILL to all its processes: nothing of it runs any more."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            os.close(self._told)


class Shop:
    """The app, as the process has it that asks.

    :param config: of the app.
    :param folder: of its instance.
    """

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        self.config = config
        self.app: Flask = create_app(config, str(folder))
        self.celery: Celery = self.app.extensions["celery"]
        self.media: MediaService = self.app.extensions["media"]
        self._folder = folder
        self._workers: list[Worker] = []

    def worker(self, module: str = "worker") -> Worker:
        """Start a worker."""
        worker = Worker(self.config, self._folder, f"w{len(self._workers)}", module)
        self._workers.append(worker)
        return worker

    def later(self, number: int = 0, **values: Any) -> MediaJob:
        """The job of a picture of that number, with some values changed."""
        arguments: dict[str, Any] = {
            "prompt": f"House {number}",
            "object_key": f"houses/{number}.png",
            "config": SMALL,
        }
        with self.app.app_context():
            return self.media.generate_later(**arguments | values)

    def send(self, task: str, *arguments: Any) -> AsyncResult:
        """Put a message into the queue, as a broker does that delivers one twice."""
        return self.celery.tasks[task].apply_async(arguments)

    def outcome(self, job: MediaJob) -> AsyncResult:
        """What the result backend says of the job."""
        return self.celery.AsyncResult(job.id)

    def until_state(self, job: MediaJob, state: str) -> None:
        """Wait until the result backend says so; it tells nobody of states but the last."""
        end = time.monotonic() + 40
        while self.outcome(job).state != state:
            assert time.monotonic() < end, self.logs()
            threading.Event().wait(0.05)

    def logs(self) -> str:
        """The ends of what the workers said."""
        return "\n".join(worker.log.read_text()[-3000:] for worker in self._workers)

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Has a time-out say what the workers said."""
        try:
            yield
        except TimeoutError as error:
            error.add_note(self.logs())
            raise

    def close(self) -> None:
        """Stop what is left."""
        for worker in self._workers:
            worker.kill()
        if self.config["CELERY"].get("result_backend", "").startswith("redis"):
            consumer = self.celery.backend.result_consumer
            if consumer._pubsub is not None:
                consumer.stop()
        self.celery.close()
        self.media.close()
