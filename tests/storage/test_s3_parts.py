"""Large objects go to a bucket in parts: what is sent, what is tried again, and what is left."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from collections.abc import Iterator

import pytest

from flask_media.errors import StorageError
from flask_media.options import StorageProvider
from flask_media.storage.pieces import PIECE_BYTES
from flask_media.storage.s3 import MULTIPART_BYTES
from flask_media.storage.s3 import S3Storage
from flask_media.storage.s3_bucket import ATTEMPTS
from flask_media.storage.s3_client import OWN_METADATA

from ..faults import Answer
from ..faults import FaultServer
from ..faults import Request
from ..faults import answer
from ..faults import forward
from ..faults import hang_up
from ..faults import s3_error
from ..servers import S3Server
from .s3_tools import assert_safe
from .s3_tools import put

pytestmark = pytest.mark.usefixtures("no_backoff")

BODY = os.urandom(MULTIPART_BYTES + 1)
SHA256 = hashlib.sha256(BODY).hexdigest()
PARTS = -(-len(BODY) // PIECE_BYTES)

CREATE, PART, COMPLETE, ABORT = "POST ?uploads", "PUT part", "POST complete", "DELETE"


@pytest.fixture
def upstream(moto: S3Server) -> Iterator[S3Server]:
    """A server that does what is forwarded to it; nothing may be left there of any upload."""
    yield moto
    client = moto.storage()._client()
    assert "Uploads" not in client.list_multipart_uploads(Bucket=moto.bucket)


@pytest.fixture(params=["put", "put_file"])
def put_big(request: pytest.FixtureRequest, storage: S3Storage) -> Callable[[str], None]:
    """Puts the body under a key, as bytes or as a file."""
    if request.param == "put":
        return lambda key: put(storage, key, BODY)
    return lambda key: storage.put_file(
        key, io.BytesIO(BODY), content_type="image/png", sha256=SHA256, size_bytes=len(BODY)
    )


def read(server: S3Server, key: str) -> bytes:
    """What the server has under the key."""
    with server.storage().open(key) as file:
        return file.read()


def kinds(server: FaultServer) -> list[str]:
    """What was asked, in order."""
    return [kind_of(request) for request in server.requests]


def kind_of(request: Request) -> str:
    """Which request of an upload it is."""
    target = request.head.split(b" ", 2)[1].decode()
    if request.method == "PUT":
        return PART if "partNumber=" in target else "PUT"
    if request.method == "POST":
        return COMPLETE if "uploadId=" in target else CREATE
    return request.method


def breaking(upstream: S3Server, kind: str, fault: Answer, *, times: int) -> Answer:
    """Hands on all requests but the first so many of a kind."""
    left = [times]

    def ask(request: Request) -> bytes | None:
        if kind_of(request) == kind and left[0]:
            left[0] -= 1
            return fault(request)
        return forward(upstream.endpoint_url)(request)

    return ask


def test_smaller_objects_go_in_one(server: FaultServer, storage: S3Storage) -> None:
    """Up to the threshold one PUT does."""
    server.play(answer("200 OK", ETag='"x"'))
    put(storage, "parts/small", BODY[:MULTIPART_BYTES])
    assert kinds(server) == ["PUT"]


def test_what_is_sent(
    upstream: S3Server, server: FaultServer, put_big: Callable[[str], None]
) -> None:
    """The object is described at the beginning; parts are signed, and wait for no 100."""
    server.play(forward(upstream.endpoint_url))
    put_big("parts/sent.png")
    assert kinds(server) == [CREATE] + [PART] * PARTS + [COMPLETE]
    create, *parts, _ = server.requests
    assert create.header("content-type") == "image/png"
    assert (create.header(f"x-amz-meta-{OWN_METADATA}") or "").startswith(SHA256)
    assert b"".join(part.body for part in parts) == BODY
    for part in parts:
        assert part.header("x-amz-content-sha256") == hashlib.sha256(part.body).hexdigest()
        for name in ("expect", "transfer-encoding", "x-amz-trailer"):
            assert part.header(name) is None
        assert "x-amz-checksum" not in part.head.decode().lower()
    stat = upstream.storage().stat("parts/sent.png")
    assert (stat.size_bytes, stat.sha256, stat.content_type) == (len(BODY), SHA256, "image/png")
    assert read(upstream, "parts/sent.png") == BODY


def test_acl_and_headers(moto: S3Server, server: FaultServer) -> None:
    """ACL, Cache-Control and Content-Disposition go with the beginning of an upload."""
    server.play(forward(moto.endpoint_url))
    storage = S3Server(endpoint_url=server.url).storage(
        provider=StorageProvider.DIGITALOCEAN_SPACES,
        cache_control="max-age=60",
        content_disposition="attachment",
    )
    put(storage, "parts/headers.png", BODY)
    create = server.requests[0]
    names = ("x-amz-acl", "cache-control", "content-disposition")
    assert [create.header(name) for name in names] == ["public-read", "max-age=60", "attachment"]


@pytest.mark.parametrize("kind", [CREATE, PART, COMPLETE])
@pytest.mark.parametrize(
    "fault", [hang_up, s3_error("503 Slow Down", "SlowDown")], ids=["dropped", "503"]
)
def test_transient_fault(
    upstream: S3Server,
    server: FaultServer,
    storage: S3Storage,
    kind: str,
    fault: Answer,
) -> None:
    """A fault that goes away costs the one request that met it."""
    server.play(breaking(upstream, kind, fault, times=ATTEMPTS - 1))
    put(storage, "parts/transient.png", BODY)
    assert kinds(server).count(kind) == ATTEMPTS - 1 + (PARTS if kind == PART else 1)
    assert len(server.requests) == PARTS + 2 + ATTEMPTS - 1
    assert read(upstream, "parts/transient.png") == BODY


@pytest.mark.parametrize(
    ("fault", "retryable"),
    [(hang_up, True), (s3_error("403 Forbidden", "AccessDenied", "test-access-key"), False)],
    ids=["dropped", "refused"],
)
@pytest.mark.parametrize("kind", [PART, COMPLETE])
def test_nothing_is_left(  # noqa: PLR0917 - fixtures
    upstream: S3Server,
    server: FaultServer,
    storage: S3Storage,
    kind: str,
    fault: Answer,
    retryable: bool,
) -> None:
    """An upload that fails for good is ended, and leaves no part and no object."""
    server.play(breaking(upstream, kind, fault, times=100))
    with pytest.raises(StorageError) as caught:
        put(storage, "parts/failed.png", BODY)
    assert caught.value.retryable == retryable
    assert_safe(caught.value)
    assert kinds(server)[-1] == ABORT
    assert not upstream.storage().exists("parts/failed.png")


def test_end_that_fails_too(
    moto: S3Server, server: FaultServer, storage: S3Storage, caplog: pytest.LogCaptureFixture
) -> None:
    """Where an upload can't be ended either, the first error is raised and the rest is logged."""

    def down(request: Request) -> bytes | None:
        return forward(moto.endpoint_url)(request) if kind_of(request) == CREATE else None

    server.play(down)
    with pytest.raises(StorageError, match="No answer") as caught:
        put(storage, "parts/left.png", BODY)
    assert_safe(caught.value)
    assert "Parts of 'parts/left.png' may be left" in caplog.text
    client = moto.storage()._client()
    (left,) = client.list_multipart_uploads(Bucket=moto.bucket)["Uploads"]
    client.abort_multipart_upload(
        Bucket=moto.bucket, Key="parts/left.png", UploadId=left["UploadId"]
    )


@pytest.mark.parametrize(
    "lost",
    [hang_up, answer("502 Bad Gateway"), s3_error("404 Not Found", "NoSuchUpload")],
    ids=["dropped", "gateway", "unknown-by-then"],
)
def test_lost_answer(
    upstream: S3Server, server: FaultServer, put_big: Callable[[str], None], lost: Answer
) -> None:
    """An upload that was completed and whose answer was lost is recognised."""

    def complete_and_lose(request: Request) -> bytes | None:
        forward(upstream.endpoint_url)(request)
        return lost(request)

    upstream.storage().delete("parts/lost.png")
    server.play(breaking(upstream, COMPLETE, complete_and_lose, times=ATTEMPTS))
    put_big("parts/lost.png")
    assert kinds(server)[-ATTEMPTS - 1 :] == [COMPLETE] * ATTEMPTS + ["HEAD"]
    assert read(upstream, "parts/lost.png") == BODY


def test_wrong_bytes(upstream: S3Server, server: FaultServer, storage: S3Storage) -> None:
    """Bytes that are not those of the SHA-256 are found before the object appears."""
    server.play(forward(upstream.endpoint_url))
    with pytest.raises(StorageError, match="SHA-256") as caught:
        storage.put("parts/wrong.png", BODY, content_type="image/png", sha256="0" * 64)
    assert not caught.value.retryable
    assert kinds(server)[-1] == ABORT
    assert not upstream.storage().exists("parts/wrong.png")


def test_file_that_breaks(upstream: S3Server, server: FaultServer, storage: S3Storage) -> None:
    """A file that can't be read to its end ends the upload too."""

    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= PIECE_BYTES:
                raise OSError("the disk is gone")
            return super().read(size)

    server.play(forward(upstream.endpoint_url))
    with pytest.raises(OSError, match="the disk is gone"):
        storage.put_file(
            "parts/broken.png",
            Breaking(BODY),
            content_type="image/png",
            sha256=SHA256,
            size_bytes=len(BODY),
        )
    assert kinds(server) == [CREATE, PART, ABORT]
