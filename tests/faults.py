"""A small HTTP server that answers as it is told: wrong, late, half or not at all."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
from collections.abc import Callable
from collections.abc import Iterator
from urllib.parse import urlsplit


@dataclasses.dataclass(frozen=True)
class Request:
    """One request as it came."""

    head: bytes
    body: bytes

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.head.split(b" ", 1)[0].decode()

    def header(self, name: str) -> str | None:
        """A header's value, or None."""
        return _header(self.head, name)


class CutOff(bytes):
    """Bytes after which the server hangs up."""


Answer = Callable[[Request], bytes | None]
"""Gives the bytes to send, or None to hang up."""


class FaultServer:
    """Answers the first requests as scripted, all others by the last word of the script."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        """What came since the last :meth:`play`."""
        self._script: tuple[Answer, ...] = (hang_up,)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def play(self, *script: Answer) -> None:
        """Begin another script."""
        with self._lock:
            self._script = script
            self.requests = []

    def close(self) -> None:
        """Hang up on everybody and stop."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(connection,))
                with self._lock:
                    self._open.add(connection)
                    self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as file:
            while (request := _read_request(file.readline, file.read)) is not None:
                with self._lock:
                    turn = min(len(self.requests), len(self._script) - 1)
                    self.requests.append(request)
                    ask = self._script[turn]
                answer = ask(request)
                if answer is None:
                    break
                connection.sendall(answer)
                if isinstance(answer, CutOff):
                    break
        with self._lock:
            self._open.discard(connection)


@contextlib.contextmanager
def fault_server() -> Iterator[FaultServer]:
    """A server that follows a script, closed at the end."""
    server = FaultServer()
    try:
        yield server
    finally:
        server.close()


def answer(status: str, body: bytes = b"", **headers: str) -> Answer:
    """Always the same answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    data = "\r\n".join([*lines, "", ""]).encode() + body
    return lambda request: data


def s3_error(status: str, code: str, message: str | None = "because", **headers: str) -> Answer:
    """An error of the S3 API; without a message as Ceph sends it."""
    said = "" if message is None else f"<Message>{message}</Message>"
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code>{said}</Error>"
    return answer(status, body.encode(), Content_Type="application/xml", **headers)


def hang_up(request: Request) -> None:
    """No answer at all."""


def cut_off(half: bytes) -> Answer:
    """Half an answer, then the end."""
    return lambda request: CutOff(half)


def forward(upstream: str, *, lose_answer: bool = False) -> Answer:
    """Let a real server do it, and hand its answer on or lose it."""

    def ask(request: Request) -> bytes | None:
        parts = urlsplit(upstream)
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            connection.sendall(request.head + request.body)
            with connection.makefile("rb") as file:
                reply = _read_request(file.readline, file.read)
        return None if lose_answer or reply is None else reply.head + reply.body

    return ask


def _read_request(readline: Callable[[], bytes], read: Callable[[int], bytes]) -> Request | None:
    lines = []
    while line := readline():
        lines.append(line)
        if line == b"\r\n":
            break
    if not line:
        return None
    head = b"".join(lines)
    return Request(head, read(int(_header(head, "content-length") or 0)))


def _header(head: bytes, name: str) -> str | None:
    for line in head.split(b"\r\n")[1:]:
        field, _, value = line.partition(b":")
        if field.decode().lower() == name.lower():
            return value.strip().decode()
    return None
