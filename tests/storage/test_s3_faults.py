"""What an S3 storage does on faults: what it tries again, and what it takes for done."""

from __future__ import annotations

import hashlib
import socket
from types import SimpleNamespace

import pytest
import tenacity

from flask_media.errors import NotFound
from flask_media.errors import StorageError
from flask_media.storage.s3 import S3Storage
from flask_media.storage.s3_bucket import ATTEMPTS
from flask_media.storage.s3_client import OWN_METADATA

from ..faults import Answer
from ..faults import FaultServer
from ..faults import Request
from ..faults import answer
from ..faults import cut_off
from ..faults import forward
from ..faults import hang_up
from ..faults import s3_error
from ..servers import S3Server
from .s3_tools import BODY
from .s3_tools import SLOW_DOWN
from .s3_tools import STORED
from .s3_tools import assert_safe
from .s3_tools import put

pytestmark = pytest.mark.usefixtures("no_backoff")


@pytest.mark.parametrize(
    "fault",
    [
        hang_up,
        SLOW_DOWN,
        s3_error("500 Internal Server Error", "InternalError", None),
        answer("502 Bad Gateway", b"<html>bad gateway</html>"),
        s3_error("429 Too Many Requests", "Throttling"),
        s3_error("400 Bad Request", "RequestTimeout"),
        s3_error("501 Not Implemented", "NotImplemented"),
    ],
    ids=["dropped", "503", "500", "502-html", "429", "400-timeout", "501"],
)
def test_transient_fault(server: FaultServer, storage: S3Storage, fault: Answer) -> None:
    """A fault that goes away is tried again, with the whole body each time, and then over."""
    server.play(fault, fault, STORED)
    put(storage)
    assert [request.body for request in server.requests] == [BODY] * 3

    server.play(fault)
    with pytest.raises(StorageError) as caught:
        put(storage)
    assert caught.value.retryable
    asked = [request.method for request in server.requests]
    assert asked[: ATTEMPTS + 1] == ["PUT"] * ATTEMPTS + ["HEAD"]
    assert ATTEMPTS >= 3
    assert asked.count("PUT") == ATTEMPTS
    assert_safe(caught.value)


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (s3_error("403 Forbidden", "AccessDenied", None), "SPACES_KEY, SPACES_SECRET"),
        (s3_error("403 Forbidden", "InvalidAccessKeyId", "of test-access-key"), "SPACES_KEY"),
        (s3_error("403 Forbidden", "RequestTimeTooSkewed"), "clock"),
        (s3_error("404 Not Found", "NoSuchBucket", None), "SPACES_BUCKET"),
        (answer("404 Not Found"), "SPACES_BUCKET"),
        (s3_error("400 Bad Request", "AccessControlListNotSupported"), "SPACES_ACL"),
        (s3_error("400 Bad Request", "AuthorizationHeaderMalformed"), "SPACES_REGION"),
        (s3_error("301 Moved", "PermanentRedirect"), "SPACES_REGION"),
        (answer("418 Teapot", b"<html>"), "SPACES_PROVIDER"),
    ],
)
def test_final_refusal(server: FaultServer, storage: S3Storage, fault: Answer, named: str) -> None:
    """A refusal that stays is asked for once, and names the config key to look at."""
    server.play(fault)
    with pytest.raises(StorageError, match=named) as caught:
        put(storage)
    assert not caught.value.retryable
    assert [request.method for request in server.requests].count("PUT") == 1
    assert_safe(caught.value)


def test_no_server() -> None:
    """An endpoint where nobody listens is retryable, and named."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(StorageError, match=f"127.0.0.1:{port}.*SPACES_ENDPOINT_URL") as caught:
        put(S3Server(endpoint_url=f"http://127.0.0.1:{port}").storage())
    assert caught.value.retryable
    assert_safe(caught.value)


@pytest.mark.parametrize("body", [b"<html>", b"{}"])
def test_answer_that_is_not_s3(server: FaultServer, storage: S3Storage, body: bytes) -> None:
    """An answer that only some other server gives is an error that names the endpoint."""
    server.play(answer("404 Not Found", body, Content_Type="text/html"))
    with pytest.raises(StorageError, match="SPACES_ENDPOINT_URL"):
        put(storage)


def test_lost_answer(moto: S3Server, server: FaultServer, storage: S3Storage) -> None:
    """A PUT that was written and whose answer was lost is written again, and succeeds."""
    server.play(forward(moto.endpoint_url, lose_answer=True), forward(moto.endpoint_url))
    put(storage, "lost/answer.png")
    assert len(server.requests) == 2
    with moto.storage().open("lost/answer.png") as file:
        assert file.read() == BODY


@pytest.mark.parametrize("lost", [None, "502 Bad Gateway"], ids=["dropped", "gateway"])
def test_every_answer_lost(
    moto: S3Server, server: FaultServer, storage: S3Storage, lost: str | None
) -> None:
    """A PUT that was written and never answered is recognised by one HEAD, and is a success."""

    def write_and_lose(request: Request) -> bytes | None:
        forward(moto.endpoint_url)(request)
        return answer(lost)(request) if lost else None

    server.play(*[write_and_lose] * ATTEMPTS, forward(moto.endpoint_url))
    put(storage, f"lost/all-{lost}.png")
    assert [request.method for request in server.requests] == ["PUT"] * ATTEMPTS + ["HEAD"]


@pytest.mark.parametrize("there", [None, b"another picture", b"PICTURE" * 1000])
def test_never_written(
    moto: S3Server, server: FaultServer, storage: S3Storage, there: bytes | None
) -> None:
    """A PUT without an answer that wrote nothing is retryable, whatever lies under the key."""
    key = f"lost/never-{len(there or b'')}.png"
    if there is not None:
        put(moto.storage(), key, there)
    server.play(*[hang_up] * ATTEMPTS, forward(moto.endpoint_url))
    with pytest.raises(StorageError, match="No answer") as caught:
        put(storage, key)
    assert caught.value.retryable
    assert not isinstance(caught.value, NotFound)
    assert_safe(caught.value)


def test_same_bytes_with_other_metadata(
    moto: S3Server, server: FaultServer, storage: S3Storage
) -> None:
    """An older object of the same bytes is not taken for the one that was to be written."""
    sha256 = hashlib.sha256(BODY).hexdigest()
    put(moto.storage(), "lost/older.png")
    server.play(*[hang_up] * ATTEMPTS, forward(moto.endpoint_url))
    with pytest.raises(StorageError):
        storage.put(
            "lost/older.png", BODY, content_type="image/png", sha256=sha256, metadata={"goal": "7"}
        )


def test_bucket_that_may_not_be_asked_for(server: FaultServer, storage: S3Storage) -> None:
    """A key without the right to ask for the bucket finds no object; one outage proves nothing."""
    server.play(answer("404 Not Found"), answer("403 Forbidden"))
    with pytest.raises(NotFound):
        storage.stat("a")
    server.play(answer("404 Not Found"), SLOW_DOWN)
    with pytest.raises(StorageError) as caught:
        storage.stat("a")
    assert caught.value.retryable
    assert not isinstance(caught.value, NotFound)


def test_open_is_one_request(server: FaultServer, storage: S3Storage) -> None:
    """Bytes and description of an object come with one GET."""
    line = f"{'0' * 64};goal=7"
    server.play(
        answer("200 OK", b"abc", Content_Type="image/webp", **{f"x-amz-meta-{OWN_METADATA}": line})
    )
    with storage.open("a") as file:
        assert file.read() == b"abc"
    assert (file.stat.size_bytes, file.stat.content_type) == (3, "image/webp")
    assert (file.stat.metadata, file.stat.sha256) == ({"goal": "7"}, "0" * 64)
    assert len(server.requests) == 1


def test_body_cut_off(server: FaultServer, storage: S3Storage) -> None:
    """A body that ends early is a retryable error of ours, not a short picture."""
    server.play(cut_off(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"))
    with storage.open("a") as file, pytest.raises(StorageError, match="'a'") as caught:
        file.read()
    assert caught.value.retryable
    assert_safe(caught.value)


def test_delete_of_nothing(server: FaultServer, storage: S3Storage) -> None:
    """A store that answers 404 to a delete has nothing to delete, which is no error."""
    server.play(s3_error("404 Not Found", "NoSuchKey"))
    storage.delete("a")


@pytest.mark.parametrize(
    ("said", "allowed"), [("3", (3.0, 3.0)), ("3600", (10.0, 10.0)), ("soon", (0.0, 0.5))]
)
def test_retry_after(
    monkeypatch: pytest.MonkeyPatch,
    server: FaultServer,
    storage: S3Storage,
    said: str,
    allowed: tuple[float, float],
) -> None:
    """The seconds that a server asks for are waited, ten at most; a date or nonsense is not."""
    waits: list[float] = []
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=waits.append))
    server.play(s3_error("503 Slow Down", "SlowDown", Retry_After=said), STORED)
    put(storage)
    (wait,) = waits
    assert allowed[0] <= wait <= allowed[1]
