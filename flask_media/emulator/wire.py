"""HTTP/1.1 over a socket: how requests come in, and how answers and faults go out."""

from __future__ import annotations

import gzip
import json
import re
import socket
import struct
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING
from typing import Any
from typing import cast
from urllib.parse import parse_qsl
from urllib.parse import unquote
from urllib.parse import urlsplit

from .choice import header_options
from .choice import parse_mode
from .messages import NOT_FOUND
from .messages import Ask
from .messages import Recorded
from .messages import Reply
from .messages import answer_parts
from .messages import mode_error

if TYPE_CHECKING:
    from .server import GeminiEmulator

PATH = re.compile(
    r"^/(?P<version>v\d\w*)/(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/[^/]+/)?"
    r"models(?:/(?P<model>[^/:]+))?(?::(?P<action>\w+))?$"
)


def _events(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The streamed form of an answer: one event a part, the rest with the last."""
    parts = answer_parts(body)
    for part in parts[:-1]:
        yield {"candidates": [{"index": 0, "content": {"parts": [part], "role": "model"}}]}
    if parts:
        last = body["candidates"][0] | {"content": {"parts": parts[-1:], "role": "model"}}
        yield body | {"candidates": [last]}
    else:
        yield body


class WireServer(ThreadingHTTPServer):
    """One thread a connection, for one emulator."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], emulator: GeminiEmulator) -> None:
        super().__init__(address, _Connection)
        self.emulator = emulator
        if emulator.ssl_context:
            self.socket = emulator.ssl_context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: clients hang up on purpose."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "gemini-emulator"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def setup(self) -> None:
        super().setup()
        self.emulator = cast("WireServer", self.server).emulator
        self.number = self.emulator.connected()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's name)
        """Keep quiet: the requests are recorded."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        emulator = self.emulator
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        found = PATH.match(unquote(url.path))
        rec = Recorded(
            method=self.command,
            path=url.path,
            query=dict(parse_qsl(url.query)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            model=(found and found["model"]) or "",
            action=(found and found["action"]) or "",
            connection=self.number,
        )
        options, problem = {}, None
        if found:
            try:
                name, of_mode = parse_mode(emulator.choose(rec))
                rec.mode, options = name, header_options(rec.headers) | of_mode
            except ValueError as error:
                problem = mode_error(str(error))
        ask = Ask(rec, options, emulator, emulator.record(rec))
        emulator.enter()
        try:
            emulator.stopping.wait(ask.opt("latency", emulator.latency))
            reply = problem or (emulator.reply(ask) if found else NOT_FOUND)
            if not emulator.keep_bodies:
                rec.body = b""
            self._send(ask, reply)
        finally:
            emulator.leave()

    def _send(self, ask: Ask, reply: Reply) -> None:
        rec = ask.rec
        rec.status = reply.status
        if reply.fault in ("hang", "reset", "close"):
            self._cut(reply.fault, ask.opt("seconds", 3600.0))
        elif rec.action == "streamGenerateContent" and reply.status == 200 and reply.raw is None:
            self._send_events(reply.body)
        else:
            self._send_whole(ask, reply)

    def _cut(self, fault: str, seconds: float) -> None:
        self.close_connection = True
        if fault == "hang":
            self.emulator.stopping.wait(seconds)
        elif fault == "reset":
            # Lingering for 0 s sends RST in the place of FIN.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()

    def _send_whole(self, ask: Ask, reply: Reply) -> None:
        emulator = self.emulator
        payload = json.dumps(reply.body).encode() if reply.raw is None else reply.raw
        headers = {"Content-Type": reply.content_type} | reply.headers
        if emulator.gzip and "gzip" in ask.rec.headers.get("accept-encoding", ""):
            payload, headers["Content-Encoding"] = gzip.compress(payload, 1), "gzip"
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        if emulator.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(payload)))
        if reply.fault == "drip-headers":
            self._drip(ask, b"".join(f"X-Drip-{n}: 1\r\n".encode() for n in range(20)))
        self.end_headers()
        if reply.fault == "truncate":
            payload, self.close_connection = payload[: len(payload) // 2], True
        if reply.fault == "drip":
            self._drip(ask, payload)
        elif emulator.chunked:
            self._write_chunks(payload, whole=reply.fault != "truncate")
        else:
            self.wfile.write(payload)
        self.wfile.flush()

    def _drip(self, ask: Ask, payload: bytes) -> None:
        self.flush_headers()
        steps, pause = ask.opt("steps", 20), ask.opt("pause", 0.1)
        size = max(1, len(payload) // steps)
        for start in range(0, len(payload), size):
            self.wfile.write(payload[start : start + size])
            self.wfile.flush()
            self.emulator.stopping.wait(pause)

    def _write_chunks(self, payload: bytes, *, whole: bool) -> None:
        for start in range(0, len(payload), 1 << 16):
            chunk = payload[start : start + (1 << 16)]
            self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        if whole:
            self.wfile.write(b"0\r\n\r\n")

    def _send_events(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        events = (b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in _events(body))
        for data in events:
            self._write_chunks(data, whole=False)
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
