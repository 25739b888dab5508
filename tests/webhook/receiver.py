"""A server that receives webhooks."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import Any
from typing import Self
from typing import TypeAlias

Answer: TypeAlias = "int | tuple[int, dict[str, str]] | Callable[[], int]"
"""A status, one with headers, or what is called to give one."""

PATH = "/hooks/t0ken-of-the-path/?of=shop"


@dataclasses.dataclass(frozen=True)
class Post:
    """One request as it came."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def id(self) -> str:
        """Names the message."""
        return dict(self.headers)["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        """The body."""
        event: dict[str, Any] = json.loads(self.body)
        return event

    @property
    def job(self) -> dict[str, Any]:
        """The body's job."""
        job: dict[str, Any] = self.event["job"]
        return job


class Receiver:
    """Listens on the loopback and answers as told, with 204 unless told otherwise.

    :param port: where to listen; 0 is any free one.
    """

    def __init__(self, port: int = 0) -> None:
        self.posts: list[Post] = []
        self.usual: Answer = 204
        self._script: deque[Answer] = deque()
        self._changed = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver._received(self)

            do_GET = do_POST  # noqa: N815 - what a client that follows a redirect may send

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}{PATH}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def script(self, *answers: Answer) -> None:
        """Answer the next posts with these."""
        self._script.extend(answers)

    def wait(self, count: int = 1, *, timeout: float = 30) -> list[Post]:
        """Wait until so many posts have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.posts) >= count, timeout), self.posts
            return list(self.posts)

    def _received(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        with self._changed:
            self.posts.append(
                Post(request.command, request.path, list(request.headers.items()), body)
            )
            answer = self._script.popleft() if self._script else self.usual
            self._changed.notify_all()
        headers: dict[str, str] = {}
        if callable(answer):
            answer = answer()
        if isinstance(answer, tuple):
            answer, headers = answer
        request.send_response(answer)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "0")
        request.end_headers()
