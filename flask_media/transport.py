"""One HTTP exchange with a total deadline: the road under the Gemini SDK and the webhooks.

The SDK builds its requests with ``httpx2``; this is what carries them. It is written on the
standard library's HTTP parser because a picture's body then arrives as one ``bytes`` object: that
takes half the CPU and memory of the default road, and makes place for what that one lacks: a
deadline over all reads together and an answer to the question whether a failed request can have
been charged.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import http.client
import io
import select
import socket
import ssl
import threading
import time
import urllib.request
import weakref
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from typing import TypeVar
from urllib.parse import SplitResult
from urllib.parse import unquote
from urllib.parse import urlsplit

CONNECT_TIMEOUT = 10.0
"""Most seconds for connecting to one address, within the deadline."""

IDLE_SECONDS = 50.0
"""Reuse no connection that was idle for longer: balancers commonly cut after 60 s, and a request
written to a dead connection can't be told from a paid one."""

MAX_IDLE = 64
"""Most idle connections kept."""

MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""Longest answer read, several times what a 4K picture takes in base64."""

BUFFER_BYTES = 64 * 1024

T = TypeVar("T")


class Fault(enum.Enum):
    """How an exchange failed, by what may have been charged."""

    NOT_SENT = "not sent"
    """The request did not get through whole: nothing can have been charged."""
    TIMEOUT = "timeout"
    """No whole answer in time."""
    CUT = "cut"
    """The connection broke, or what came is no HTTP."""


@dataclasses.dataclass(repr=False)
class Exchange:
    """One request and what came of it: a status, or a fault."""

    deadline: float
    """When to give up, on the monotonic clock, in seconds."""
    started: bool = False
    """Whether the SDK handed a request over."""
    status: int = 0
    """The HTTP status; 0 where none came."""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    """The answer's headers, names in lower case."""
    body: bytes = b""
    """The answer's body, decompressed."""
    fault: Fault | None = Fault.CUT
    """What went wrong, None once a whole answer came."""
    detail: str = "no answer"
    """The fault in words."""
    retry_useless: bool = False
    """Whether the fault stays until somebody changes the configuration."""

    def fail(self, fault: Fault, detail: object) -> None:
        """Note a fault."""
        self.fault, self.detail, self.body = fault, str(detail), b""


class Road:
    """The connections to one host, for all threads of one process.

    A proxy named by the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) is used, since in many
    networks it is the only way out; it sees no key on the way to an https host, because it
    carries an encrypted tunnel.

    :param base_url: where to; only scheme, host and port count.
    :param make_ssl_context: makes the TLS context, for an https host.
    :raises ValueError: the environment names a proxy of a kind that is not supported.
    """

    def __init__(self, base_url: str, make_ssl_context: Callable[[], ssl.SSLContext]) -> None:
        url = urlsplit(base_url)
        self._secure = url.scheme == "https"
        self._host = url.hostname or ""
        self._port = url.port or (443 if self._secure else 80)
        self._authority = url.netloc
        self._context = make_ssl_context() if self._secure else None
        self._proxy = _proxy(url)
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        # Not a __del__ and not the caller's duty: nobody closes an extension's sockets.
        self.close = weakref.finalize(self, _close_all, self._idle)
        """Close the idle connections."""

    def run(
        self,
        method: str,
        target: str,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        to: Exchange,
    ) -> None:
        """Make one exchange and write into ``to`` what came of it. Raises nothing.

        :param target: path and query.
        :param to: says the deadline and takes the outcome.
        """
        try:
            head = self._head(method, target, headers)
            connection = self._take() or self._open(to.deadline)
        except (OSError, http.client.HTTPException, ValueError, RuntimeError) as error:
            # A wrong certificate or a line break in the key stays what it is.
            to.retry_useless = isinstance(error, ssl.SSLCertVerificationError | ValueError)
            to.fail(Fault.NOT_SENT, error)
            return
        reusable = False
        try:
            reusable = connection.run(head, body, to)
        finally:
            if reusable:
                self._give_back(connection)
            else:
                connection.sock.close()

    def _head(self, method: str, target: str, headers: list[tuple[bytes, bytes]]) -> bytes:
        if self._proxy and not self._secure:
            target = f"http://{self._authority}{target}"
            headers = headers + _proxy_credentials(self._proxy)
        lines = [f"{method} {target} HTTP/1.1".encode("ascii")]
        lines += [name + b": " + value for name, value in headers]
        if any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines):
            raise ValueError("a header with a line break was not sent")
        return b"\r\n".join([*lines, b"", b""])

    def _take(self) -> _Connection | None:
        """The connection that was idle for the shortest time, None if there is none fit."""
        oldest = time.monotonic() - IDLE_SECONDS
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if connection.idle_since > oldest and connection.is_quiet():
                    return connection
                connection.sock.close()
        return None

    def _give_back(self, connection: _Connection) -> None:
        connection.idle_since = time.monotonic()
        with self._lock:
            if len(self._idle) < MAX_IDLE and self.close.alive:
                self._idle.append(connection)
                return
        connection.sock.close()

    def _open(self, deadline: float) -> _Connection:
        proxy = self._proxy
        host, port = (proxy.hostname, proxy.port or 80) if proxy else (self._host, self._port)
        sock = _connect(host or "", port, deadline)
        try:
            if self._context is not None:
                if proxy is not None:
                    self._tunnel(sock, proxy, deadline)
                sock.settimeout(remaining(deadline, CONNECT_TIMEOUT))
                sock = self._context.wrap_socket(sock, server_hostname=self._host)
        except BaseException:
            sock.close()
            raise
        return _Connection(sock)

    def _tunnel(self, sock: socket.socket, proxy: SplitResult, deadline: float) -> None:
        host = f"[{self._host}]" if ":" in self._host else self._host
        place = f"{host}:{self._port}".encode()
        lines = [b"CONNECT " + place + b" HTTP/1.1", b"Host: " + place]
        lines += [name + b": " + value for name, value in _proxy_credentials(proxy)]
        sock.settimeout(remaining(deadline, CONNECT_TIMEOUT))
        sock.sendall(b"\r\n".join([*lines, b"", b""]))
        response = http.client.HTTPResponse(_Source(sock, deadline, 1), method="CONNECT")  # type: ignore[arg-type]
        response.begin()
        response.close()
        if response.status != 200:
            raise OSError(f"the proxy {proxy.hostname} answered CONNECT with {response.status}")


class _Connection:
    """One open connection."""

    __slots__ = ("idle_since", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.idle_since = 0.0

    def is_quiet(self) -> bool:
        """Whether nothing waits to be read: an idle connection that has news was closed."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def run(self, head: bytes, body: bytes, to: Exchange) -> bool:
        """Make an exchange; returns whether the connection can be used again."""
        unsent = None
        try:
            for data in (head + body,) if len(body) <= BUFFER_BYTES else (head, body):
                self.sock.settimeout(remaining(to.deadline))
                self.sock.sendall(data)
        except OSError as error:
            # The server lacks a part of the request, but may have said why it hung up.
            unsent = f"the request could not be written: {error}"
        try:
            return self._receive(to)
        except TimeoutError:
            to.fail(Fault.NOT_SENT if unsent else Fault.TIMEOUT, unsent or "the time was up")
        except http.client.RemoteDisconnected:
            to.fail(Fault.NOT_SENT if unsent else Fault.CUT, unsent or "closed without an answer")
        except (OSError, http.client.HTTPException, ValueError, zlib.error) as error:
            to.fail(Fault.NOT_SENT if unsent else Fault.CUT, unsent or _in_words(error))
        return False

    def _receive(self, to: Exchange) -> bool:
        source = _Source(self.sock, to.deadline, BUFFER_BYTES)
        response = http.client.HTTPResponse(source, method="POST")  # type: ignore[arg-type]
        try:
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            body = response.read()
        finally:
            response.close()
        to.body = _decompressed(body, headers.get("content-encoding", "identity").strip().lower())
        to.status, to.headers, to.fault = response.status, headers, None
        return not response.will_close


class _Source:
    """What ``http.client`` takes for a socket: gives it a file that keeps the deadline."""

    def __init__(self, sock: socket.socket, deadline: float, buffer_bytes: int) -> None:
        self._reader = _DeadlineReader(sock, deadline)
        self._buffer_bytes = buffer_bytes

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader, self._buffer_bytes)


class _DeadlineReader(io.RawIOBase):
    """Reads a socket for no longer than the deadline in all, however small the pieces are."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._left = MAX_ANSWER_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(remaining(self._deadline))
        count = self._sock.recv_into(buffer)
        self._left -= count
        if self._left < 0:
            raise ValueError(f"the answer is longer than {MAX_ANSWER_BYTES:,} bytes")
        return count


def remaining(deadline: float, at_most: float = float("inf")) -> float:
    """Seconds to the deadline.

    :raises TimeoutError: it has passed.
    """
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("the time was up")
    return min(seconds, at_most)


def in_background(work: Callable[[], T]) -> Future[T]:
    """Start work that can't be interrupted, in a thread of its own that no exit waits for.

    A pool's threads would be waited for, and a few that hang would block it. Where no thread can
    be started, as in a process that ends, it is done at once.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 (it is raised where the result is wanted)
            future.set_exception(error)

    try:
        threading.Thread(target=run, name="flask-media-background", daemon=True).start()
    except RuntimeError:
        run()
    return future


def _connect(host: str, port: int, deadline: float) -> socket.socket:
    """A connection to the first address of the host that takes one."""
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in _addresses(host, port, deadline):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(remaining(deadline, CONNECT_TIMEOUT))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A picture takes minutes at times, and address translators forget silent connections.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_KEEPIDLE"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


def _addresses(host: str, port: int, deadline: float) -> list[Any]:
    """What ``getaddrinfo`` says; it takes no time limit, and a resolver may hang."""
    lookup = in_background(lambda: socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
    try:
        return lookup.result(remaining(deadline))
    except TimeoutError:
        raise TimeoutError(f"the name {host} was not resolved in time") from None


def _proxy(url: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for a URL."""
    host = url.hostname or ""
    named = urllib.request.getproxies()
    address = named.get(url.scheme) or named.get("all")
    if not address or urllib.request.proxy_bypass(host):
        return None
    proxy = urlsplit(address if "://" in address else f"http://{address}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise ValueError(
            f"the environment names a {proxy.scheme} proxy; use an http:// proxy, or name "
            f"{host} in NO_PROXY"
        )
    return proxy


def _proxy_credentials(proxy: SplitResult) -> list[tuple[bytes, bytes]]:
    if proxy.username is None:
        return []
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return [(b"Proxy-Authorization", b"Basic " + base64.b64encode(pair))]


def _decompressed(body: bytes, encoding: str) -> bytes:
    """The body in clear. Nothing compressed is asked for: pictures in base64 gain little by it and
    cost 10 ms of CPU each; but a gateway may compress all the same."""
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"the answer has the unknown content encoding {encoding!r:.40}")
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
    clear = inflater.decompress(body, MAX_ANSWER_BYTES)
    if not inflater.eof:
        raise ValueError("the compressed answer is cut or too long")
    return clear


def _in_words(error: Exception) -> str:
    """A fault without the bytes that some of these exceptions quote."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__ if isinstance(error, http.client.HTTPException) else str(error)


def _close_all(connections: list[_Connection]) -> None:
    while connections:
        connections.pop().sock.close()
