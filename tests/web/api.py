"""The blueprint as tests use it: asking, reading answers, and holding Gemini's."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from flask_media import current_media
from flask_media.emulator import Ask
from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply


@dataclasses.dataclass
class Api:
    """An app with the whole blueprint under ``/media``, and an emulator of Gemini behind it."""

    app: Flask
    emulator: GeminiEmulator
    who: str = "ann"

    def by(self, who: str) -> Api:
        """The same, for another caller."""
        return dataclasses.replace(self, who=who)

    def ask(self, body: Any = None, **headers: str) -> TestResponse:
        """POST /generate."""
        return self.post(
            "/generate", {"prompt": "A sea house"} if body is None else body, **headers
        )

    def post(self, path: str, body: Any, **headers: str) -> TestResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"X-User": self.who, "Content-Type": "application/json"} | _names(headers)
        return self.app.test_client().post(f"/media{path}", data=data, headers=sent)

    def get(self, path: str, **headers: str) -> TestResponse:
        path = path if path.startswith("/media") else f"/media{path}"
        sent = {"X-User": self.who} | _names(headers)
        return self.app.test_client().get(path, headers=sent, buffered=True)

    def made(self, body: Any = None, **headers: str) -> dict[str, Any]:
        """A picture that is asked for and waited for: its result."""
        response = self.ask(body, Prefer="wait", **headers)
        assert response.status_code == 201, response.text
        result: dict[str, Any] = json_of(response)
        return result

    def ended(self, job_id: str) -> dict[str, Any]:
        """The job's document once it has ended."""
        with self.app.app_context():
            job = current_media.job(job_id)
            while not job.has_ended:
                assert job.changed(30)
        document: dict[str, Any] = json_of(self.get(f"/jobs/{job_id}"))
        return document

    def hold(self) -> threading.Event:
        """Have Gemini not answer until the event is set."""
        release = threading.Event()

        def wait(ask: Ask) -> Reply | None:
            release.wait(30)
            return None

        self.emulator.handler(wait)
        return release

    def taken_up(self, job_id: str) -> None:
        """Wait until the job is worked on."""
        with self.app.app_context():
            job = current_media.job(job_id)
            while job.status == "requested":
                assert job.changed(30)


MakeApi = Callable[..., Api]


def json_of(response: TestResponse) -> Any:
    """The JSON of an answer."""
    return json.loads(response.data)


def problem_of(response: TestResponse, status: int, name: str) -> dict[str, Any]:
    """The problem that the answer must be."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    document: dict[str, Any] = json_of(response)
    assert document["type"] == f"urn:flask-media:problem:{name}"
    assert document["status"] == status
    assert isinstance(document["retryable"], bool)
    return document


def _names(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
