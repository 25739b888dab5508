"""The road: refused, redirected, proxied, encrypted, reused and closed connections."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme

from flask_media import transport
from flask_media.config_checks import Secret
from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply
from flask_media.emulator.pictures import make_picture
from flask_media.errors import NotConfigured
from flask_media.errors import OutcomeUnknown
from flask_media.errors import ProviderRefused
from flask_media.errors import ProviderUnavailable
from flask_media.generators.gemini import GeminiGenerator

from .conftest import KEY
from .conftest import MakeGenerator
from .support import ask
from .support import assert_clean


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority for the loopback."""
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[GeminiEmulator]:
    """An emulator over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with GeminiEmulator(width=64, height=64, ssl_context=context) as server:
        yield server


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SSL_CERT_FILE names the authority."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.mark.parametrize(
    "url",
    [f"http://127.0.0.1:{closed_port()}", "http://no.such.invalid"],
    ids=["refused", "unknown"],
)
def test_out_of_reach(make: MakeGenerator, url: str) -> None:
    """A refused connection or an unknown name was not charged and can be tried again."""
    with pytest.raises(ProviderUnavailable, match="Nothing was sent") as caught:
        make(url).generate(ask())
    assert caught.value.retryable
    assert_clean(caught.value)


def test_resolver_that_hangs(make: MakeGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that never answers is given up at GEMINI_TIMEOUT, and nothing was sent."""
    given_up = threading.Event()

    def getaddrinfo(*_: object) -> object:
        given_up.wait(20)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(ProviderUnavailable, match=r"slow\.invalid was not resolved") as caught:
        make("http://slow.invalid", timeout=0.3).generate(ask())
    given_up.set()
    assert caught.value.retryable
    assert_clean(caught.value)


def test_no_more_threads(
    emulator: GeminiEmulator, make: MakeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends, or a system without threads to give, asks all the same."""
    start, own = threading.Thread.start, threading.get_ident()

    def refused(thread: threading.Thread) -> None:
        if threading.get_ident() == own:
            raise RuntimeError("can't start new thread")
        start(thread)  # one of the emulator's

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert make(emulator.url).generate(ask()).data
    with pytest.raises(ProviderUnavailable, match="Nothing was sent"):
        make("http://no.such.invalid").generate(ask())


def test_before_anything_is_sent(
    emulator: GeminiEmulator, make: MakeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the interpreter that came before the request was not charged."""

    def getaddrinfo(*_: object) -> object:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(ProviderUnavailable, match="Nothing was sent") as caught:
        make(emulator.url).generate(ask())
    assert caught.value.retryable
    assert_clean(caught.value)


def test_connect_timeout(make: MakeGenerator) -> None:
    """A host that takes no connection in time was sent nothing."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):  # the queue of one is full now
            url = f"http://127.0.0.1:{full.getsockname()[1]}"
            with pytest.raises(ProviderUnavailable, match="Nothing was sent"):
                make(url, timeout=0.3).generate(ask())


def test_redirect_is_not_followed(emulator: GeminiEmulator, generator: GeminiGenerator) -> None:
    """A redirect names its host and GEMINI_BASE_URL, and the key does not go there."""
    with GeminiEmulator() as other:
        emulator.script(f"redirect,to={other.url}/v1/x?key={KEY}")
        with pytest.raises(ProviderRefused, match=r"to 127\.0\.0\.1\..*GEMINI_BASE_URL") as caught:
            generator.generate(ask())
        assert other.connections == 0
    assert caught.value.status == 302
    assert_clean(caught.value)
    emulator.handler(lambda _: Reply(302, raw=b"", headers={"Location": "http://[bad"}))
    with pytest.raises(ProviderRefused, match="an unknown host"):
        generator.generate(ask())


def test_connections_are_reused(emulator: GeminiEmulator, generator: GeminiGenerator) -> None:
    """Calls in a row share one connection, and closing leaves the generator usable."""
    for _ in range(4):
        generator.generate(ask())
    assert emulator.connections == 1
    generator.close()
    generator.generate(ask())
    assert emulator.connections == 2


def test_connection_closed_while_idle(emulator: GeminiEmulator, make: MakeGenerator) -> None:
    """A connection that the server closed while it was idle is not used again."""
    small = b'{"candidates": [{"content": {"parts": [{"inlineData": '
    small += b'{"mimeType": "image/png", "data": "' + b"QUJD" * 400 + b'"}}]}}]}'
    emulator.handler(lambda _: Reply(raw=small))
    closed, accepted = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def relay() -> None:
            """Answer one request, then close the connection a moment later."""
            for _ in range(2):
                client, _address = server.accept()
                accepted.append(client)
                with client, socket.create_connection((emulator.host, emulator.port)) as upstream:
                    upstream.sendall(client.recv(1 << 16))
                    whole = b""
                    while not whole.endswith(b"]}}]}"):
                        whole += upstream.recv(1 << 16)
                    client.sendall(whole)
                closed.set()

        thread = threading.Thread(target=relay)
        thread.start()
        generator = make(f"http://127.0.0.1:{server.getsockname()[1]}")
        for _ in range(2):
            closed.clear()
            assert generator.generate(ask()).data == b"ABC" * 400
            assert closed.wait(10)
        thread.join()
    assert len(accepted) == 2


def test_old_connection_is_not_reused(
    emulator: GeminiEmulator, generator: GeminiGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that was idle for too long is closed and not used."""
    monkeypatch.setattr(transport, "IDLE_SECONDS", -1.0)
    generator.generate(ask())
    generator.generate(ask())
    assert emulator.connections == 2


def test_idle_connections_have_a_limit(
    emulator: GeminiEmulator, generator: GeminiGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more connections are kept than MAX_IDLE."""
    monkeypatch.setattr(transport, "MAX_IDLE", 0)
    generator.generate(ask())
    generator.generate(ask())
    assert emulator.connections == 2


def test_server_that_closes(emulator: GeminiEmulator, generator: GeminiGenerator) -> None:
    """An answer with Connection: close is read whole and its connection dropped."""
    body = b'{"candidates": [{"content": {"parts": [{"text": "bye"}]}}]}'
    emulator.handler(lambda _: Reply(raw=body, headers={"Connection": "close"}))
    for _ in range(2):
        with pytest.raises(Exception, match="bye"):
            generator.generate(ask())
    assert emulator.connections == 2


def serve_once(server: socket.socket, answer: bytes) -> threading.Thread:
    """Take a connection, read a little, answer and reset it."""

    def serve() -> None:
        client, _ = server.accept()
        with client:
            client.recv(1000)
            client.sendall(answer)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def big_request() -> Any:
    """A request that no socket buffer takes whole."""
    return ask("x" * 20_000_000)


def test_request_that_was_not_taken(make: MakeGenerator) -> None:
    """A connection that breaks while the request is written can't have been charged."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = serve_once(server, b"")
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ProviderUnavailable, match="could not be written") as caught:
            make(url).generate(big_request())
        thread.join()
    assert caught.value.retryable


def test_request_that_is_not_read(make: MakeGenerator) -> None:
    """A server that does not read the request in time can't have charged it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ProviderUnavailable, match="could not be written"):
            make(url, timeout=0.8).generate(big_request())


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 2",
    ],
)
def test_no_http(make: MakeGenerator, answer: bytes) -> None:
    """What is no HTTP, or a cut answer, may have been charged."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = serve_once(server, answer)
        with pytest.raises(OutcomeUnknown) as caught:
            make(f"http://127.0.0.1:{server.getsockname()[1]}").generate(ask())
        thread.join()
    assert_clean(caught.value)


def test_line_break_in_the_key(emulator: GeminiEmulator, make: MakeGenerator) -> None:
    """A key with a line break in it can't smuggle a header in."""
    generator = make(emulator.url, api_key=Secret("secret\r\nX-Evil: 1"))
    with pytest.raises(ProviderUnavailable, match="line break") as caught:
        generator.generate(ask())
    assert not caught.value.retryable
    assert emulator.calls == 0


@pytest.mark.usefixtures("trusted")
def test_https(secure: GeminiEmulator, make: MakeGenerator) -> None:
    """An https host is asked over TLS, on one connection."""
    generator = make(secure.url)
    for _ in range(3):
        assert generator.generate(ask()).data
    assert secure.connections == 1


def test_wrong_certificate(secure: GeminiEmulator, make: MakeGenerator) -> None:
    """A host without a trusted certificate gets no request, and waiting won't help."""
    with pytest.raises(ProviderUnavailable, match=r"(?i)certificate") as caught:
        make(secure.url).generate(ask())
    assert not caught.value.retryable
    assert secure.calls == 0
    assert_clean(caught.value)


def test_http_proxy(
    emulator: GeminiEmulator, make: MakeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy of the environment is used, with its credentials, except where NO_PROXY says."""
    monkeypatch.setenv("http_proxy", f"http://user:p%40ss@127.0.0.1:{emulator.port}")
    monkeypatch.setenv("no_proxy", "")
    make("http://media.invalid:81").generate(ask())
    sent = emulator.requests[0]
    assert sent.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"
    assert sent.headers["host"] == "media.invalid:81"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    make(emulator.url).generate(ask())
    assert "proxy-authorization" not in emulator.requests[1].headers


class TunnelProxy:
    """A proxy that takes one CONNECT."""

    def __init__(self, answer: bytes, port: int) -> None:
        self.answer, self.upstream = answer, port
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.head = b""
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        client, _ = self.server.accept()
        with client:
            while b"\r\n\r\n" not in self.head:
                self.head += client.recv(4096)
            client.sendall(self.answer)
            if b" 200 " not in self.answer:
                return
            with socket.create_connection(("127.0.0.1", self.upstream)) as upstream:
                back = threading.Thread(target=self.copy, args=(upstream, client))
                back.start()
                self.copy(client, upstream)
                back.join()

    def copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def __enter__(self) -> TunnelProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()
        self.thread.join(10)


@pytest.mark.usefixtures("trusted")
def test_tunnel(
    secure: GeminiEmulator, make: MakeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An https host behind a proxy is reached through a tunnel that hides the key."""
    monkeypatch.setenv("no_proxy", "")
    with TunnelProxy(b"HTTP/1.1 200 Go\r\n\r\n", secure.port) as proxy:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
        generator = make(f"https://localhost:{secure.port}")
        assert generator.generate(ask()).data
        generator.close()
    assert proxy.head.startswith(f"CONNECT localhost:{secure.port} HTTP/1.1\r\n".encode())
    assert KEY.encode() not in proxy.head


@pytest.mark.usefixtures("trusted")
def test_tunnel_refused(
    secure: GeminiEmulator, make: MakeGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that makes no tunnel is named, and nothing was sent."""
    monkeypatch.setenv("no_proxy", "")
    with TunnelProxy(b"HTTP/1.1 407 No\r\n\r\n", secure.port) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(ProviderUnavailable, match="CONNECT with 407"):
            make(secure.url).generate(ask())


def test_proxy_of_an_unknown_kind(make: MakeGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy is refused in words, before anything is sent."""
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    with pytest.raises(NotConfigured, match="socks5 proxy") as caught:
        make("http://127.0.0.1:9").generate(ask())
    assert_clean(caught.value)


def test_sixty_four_at_once(make: MakeGenerator) -> None:
    """Sixty-four threads are in flight together, and each gets the answer to its own prompt."""
    with GeminiEmulator(width=32, height=32, vary=True) as emulator:
        generator: GeminiGenerator = make(emulator.url)
        all_are_here = threading.Barrier(64)

        @emulator.handler
        def wait(_: object) -> None:
            all_are_here.wait(60)

        prompts = [f"prompt {number}" for number in range(64)]
        with ThreadPoolExecutor(64) as pool:
            answers = list(pool.map(lambda prompt: generator.generate(ask(prompt)).data, prompts))
        import zlib

        expected = [
            make_picture("image/png", 32, 32, 0, zlib.crc32(prompt.encode())) for prompt in prompts
        ]
        assert answers == expected
        assert emulator.calls == 64
        assert emulator.max_inflight == 64
