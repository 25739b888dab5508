"""What several tests of queues need."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any

from flask_media import ImageGenerationConfig
from flask_media import MediaJob
from flask_media import signals
from flask_media.service import MediaService
from flask_media.values import Terms
from flask_media.values import Wanted

from ..programs import Program

SMALL = ImageGenerationConfig(size=(64, 64), enhance_prompt=False)
"""Of pictures that only have to be there."""


def later(media: MediaService, number: int = 0, **values: Any) -> MediaJob:
    """The job of a picture of that number, with some values changed."""
    arguments: dict[str, Any] = {
        "prompt": f"House {number}",
        "object_key": f"houses/{number}.png",
        "config": SMALL,
    }
    return media.generate_later(**arguments | values)


def drop(media: MediaService, number: int) -> str:
    """The id of a job that waited in the queue of a process that ended then."""
    wanted = Wanted(prompt=f"House {number}", object_key=f"houses/{number}.png", config=SMALL)
    entered = media._pipeline.enter(wanted, Terms(is_queued=True))
    assert isinstance(entered, tuple)
    media._pipeline.let_go(entered[0])
    return entered[0].id


class Heard:
    """The names of the signals about each job, in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.by_job: dict[str, list[str]] = {}
        self.errors: dict[str, list[str]] = {}

    def of(self, job: MediaJob) -> list[str]:
        """The names of those about that job."""
        return self.by_job.get(job.id, [])

    def hear(self, name: str, job_id: str, error: Exception | None) -> None:
        """One more."""
        with self._lock:
            self.by_job.setdefault(job_id, []).append(name)
            if error is not None:
                self.errors.setdefault(job_id, []).append(type(error).__name__)


@contextlib.contextmanager
def heard() -> Iterator[Heard]:
    """Listens to the six signals."""
    said = Heard()
    with contextlib.ExitStack() as stack:
        for name in (
            "generation_started",
            "generation_finished",
            "generation_failed",
            "upload_started",
            "upload_finished",
            "upload_failed",
        ):

            def receive(
                sender: object,
                *,
                job_id: str,
                name: str = name,
                error: Exception | None = None,
                **_: object,
            ) -> None:
                said.hear(name, job_id, error)

            stack.enter_context(getattr(signals, name).connected_to(receive))
        yield said


class Process:
    """Another process of the app, which does what it is told: see ``process.py``."""

    def __init__(self, config: dict[str, Any], instance: str) -> None:
        self._program = Program("tests.jobs.process")
        self.send({"config": config, "instance": instance})
        assert self.answer() == "ready"

    def send(self, command: Any) -> None:
        """Tell it something."""
        self._program.say(json.dumps(command))

    def answer(self) -> Any:
        """What it says next."""
        return json.loads(self._program.line())

    def ask(self, **command: Any) -> Any:
        """Tell it something and wait for its answer."""
        self.send(command)
        return self.answer()

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more."""
        self._program.kill()

    def begin_to_end(self) -> None:
        """Have it end as a process ends."""
        self._program.stdin.close()

    def end(self) -> int | None:
        """Have it end as a process ends, and wait for that."""
        self._program.end()
        return self._program.exit_code

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._program.exit_code is None
