"""A process that forks others on request: each works on one task and may be killed in it.

Tasks come as lines of JSON on stdin; what the kernel says of the children goes out as lines of JSON
on stdout.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event

from flask_media import FlaskMedia
from flask_media import ImageGenerationConfig
from flask_media import MediaError
from flask_media import MediaService
from flask_media import StorageError
from flask_media import signals
from flask_media.storage.filesystem import FilesystemStorage

from ..programs import Program

DEADLINE = 60
"""Seconds after which a child is stuck."""

SIDE = 128
"""Width and height in pixels of every picture."""

SETTINGS = ImageGenerationConfig(size=(SIDE, SIDE), enhance_prompt=False)
"""Of every picture."""

SIGNALS = (
    "generation_started",
    "generation_finished",
    "generation_failed",
    "upload_started",
    "upload_finished",
    "upload_failed",
)


class Nursery:
    """The forking process, seen from the one that asks it."""

    def __init__(self) -> None:
        self._server = Program(__name__)

    def start(self, *tasks: dict[str, Any]) -> list[int]:
        """Start a child for each task, all at once; returns their process ids."""
        self._server.say(json.dumps(tasks))
        pids: list[int] = self._said()
        return pids

    def wait(self) -> list[int]:
        """Wait for the children of the last start; negative numbers are the signals that ended
        them."""
        codes: list[int] = self._said()
        return codes

    def run(self, *tasks: dict[str, Any]) -> list[int]:
        """Start and wait."""
        self.start(*tasks)
        return self.wait()

    def close(self) -> None:
        """End the process; children that are stopped or stuck are the caller's."""
        self._server.end()

    def _said(self) -> Any:
        line = self._server.line()
        if not line:
            raise RuntimeError("the forking process ended")
        return json.loads(line)


def serve() -> None:
    """Fork children as told, until the input ends."""
    for line in sys.stdin:
        tasks = json.loads(line)
        pids = []
        for task in tasks:
            pid = os.fork()
            if pid == 0:
                _child(task)
            pids.append(pid)
        print(json.dumps(pids), flush=True)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        print(json.dumps(codes), flush=True)


def _child(task: dict[str, Any]) -> None:
    code = 1
    try:
        signal.alarm(DEADLINE)
        os.close(0)
        os.dup2(2, 1)
        Child(task).run()
        code = 0
    except BaseException:  # noqa: BLE001 - a child of a fork must not run on
        traceback.print_exc()
    finally:
        os._exit(code)


class Child:
    """What runs in a child: one app, one task, and the points at which it may be killed.

    :param task: ``action`` (``ask``, ``generate``, ``resume_all``, ``resume`` or ``fork``),
        ``instance``, ``config``, ``prompt``, ``object_key``, ``idempotency_key``, ``spender``,
        ``references`` (files), ``job_id`` (to resume), ``heard`` (a file for the signals),
        ``unheard`` (signals without a receiver),
        ``report`` (a file), ``kill_at`` (number of a point, a name and its number among those of
        that name, or None).
    """

    def __init__(self, task: dict[str, Any]) -> None:
        self._task = task
        self._points: list[str] = []
        self._lock = threading.Lock()

    def run(self) -> None:
        """Do the task and write the report."""
        self._watch_database()
        app = Flask("shop", instance_path=self._task["instance"])
        app.config.update(self._task["config"])
        FlaskMedia(app)
        service: MediaService = app.extensions["media"]
        service._parts._storage = _PointedStorage(Path(self._task["instance"]) / "media", self)
        unheard = self._task.get("unheard", ())
        receivers = [self._receiver(name) for name in SIGNALS if name not in unheard]
        with app.app_context():
            outcomes = self._act(service)
        self._report({"points": self._points, "outcomes": outcomes, "heard": len(receivers)})

    @property
    def is_storage_down(self) -> bool:
        """Whether the storage takes nothing: as long as the file ``down`` is there."""
        return Path(self._task.get("down", "/nonexistent")).exists()

    def reach(self, name: str) -> None:
        """This is a point: die here, if it is the one."""
        with self._lock:
            here = (len(self._points), [name, self._points.count(name)])
            self._points.append(name)
            if self._task.get("kill_at") in here:
                self._report({"killed_at": name})
                os.kill(os.getpid(), signal.SIGKILL)

    def _act(self, service: MediaService) -> list[dict[str, Any]]:
        task = self._task
        match task["action"]:
            case "ask":
                return [self._ask(service, task["prompt"])]
            case "generate":
                return [_try(lambda: self._generate(service))]
            case "resume":
                return [_try(lambda: service.resume(task["job_id"]))]
            case "fork":
                return self._fork(service)
            case "resume_all":
                return [_outcome(result) for result in service.resume_all()]
            case other:
                raise ValueError(other)

    def _ask(self, service: MediaService, prompt: str) -> dict[str, Any]:
        task = self._task
        return _try(
            lambda: service.generate_and_upload(
                prompt,
                task["object_key"],
                {"goal": "7"},
                SETTINGS,
                reference_images=self._references(),
                idempotency_key=task.get("idempotency_key"),
                spender=task.get("spender"),
            )
        )

    def _generate(self, service: MediaService) -> Any:
        task = self._task
        return service.generate(
            task["prompt"],
            SETTINGS,
            reference_images=self._references(),
            spender=task.get("spender"),
        )

    def _references(self) -> list[bytes]:
        return [Path(path).read_bytes() for path in self._task.get("references", ())]

    def _fork(self, service: MediaService) -> list[dict[str, Any]]:
        """Ask in a thread, fork when told through a named pipe, and have the child ask too."""
        outcomes: list[dict[str, Any]] = []
        thread = threading.Thread(
            target=lambda: outcomes.append(self._ask(service, self._task["prompt"]))
        )
        thread.start()
        with Path(self._task["when"]).open("rb") as pipe:
            pipe.read()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # about threads, which is the point
            pid = os.fork()
        if pid == 0:
            self._task["report"] = self._task["report"].replace(".json", ".forked.json")
            found = {"resumed": len(service.resume_all())}
            self._report({"outcomes": [found, self._ask(service, self._task["forked"])]})
            os._exit(0)
        thread.join()
        os.waitpid(pid, 0)
        return outcomes

    def _watch_database(self) -> None:
        def begun(_connection: sa.Connection) -> None:
            self.reach("begin")

        def executed(connection: sa.Connection, *_: Any) -> None:
            if connection.in_transaction():
                self.reach("within a transaction")

        def committing(connection: sa.Connection) -> None:
            self.reach("before a commit")
            connection.info["media_committed"] = True

        def returned(_connection: Any, record: Any, _state: Any) -> None:
            if record.info.pop("media_committed", False):
                self.reach("after a commit")

        event.listen(sa.Engine, "begin", begun)
        event.listen(sa.Engine, "after_cursor_execute", executed)
        event.listen(sa.Engine, "commit", committing)
        event.listen(sa.pool.Pool, "reset", returned)

    def _receiver(self, name: str) -> Any:
        """Writes each signal down, as a receiver of an app would, and returns itself."""

        def receive(_sender: object, job_id: str, **_values: object) -> None:
            self.reach(f"in a receiver of {name}")
            _append(self._task["heard"], f"{job_id} {name}\n")

        getattr(signals, name).connect(receive)
        return receive

    def _report(self, report: dict[str, Any]) -> None:
        temporary = Path(f"{self._task['report']}.part")
        temporary.write_text(json.dumps(report))
        temporary.replace(self._task["report"])


class _PointedStorage(FilesystemStorage):
    """The filesystem's storage with points before and after a put."""

    def __init__(self, folder: Path, child: Child) -> None:
        super().__init__(folder)
        self._child = child

    def _put(self, key: str, data: bytes, *rest: Any) -> None:
        self._child.reach("before the put")
        if self._child.is_storage_down:
            raise StorageError("The storage is down.", retryable=True)
        super()._put(key, data, *rest)
        self._child.reach("after the put")


def _outcome(result: Any) -> dict[str, Any]:
    if isinstance(result, MediaError):
        return {"error": type(result).__name__, "job_id": result.job_id, "message": str(result)}
    cached = getattr(result, "cached", False)  # GeneratedImage has none
    return {"job_id": result.job_id, "sha256": result.sha256, "cached": cached}


def _try(call: Callable[[], Any]) -> dict[str, Any]:
    try:
        return _outcome(call())
    except MediaError as error:
        return _outcome(error)


def _append(path: str, line: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def sha256(data: bytes) -> str:
    """As the journal and the storage write it."""
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    serve()
