"""Copies within a bucket: made by the store, with answers lost and sources replaced meanwhile."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from flask_media.errors import NotFound
from flask_media.errors import StorageError
from flask_media.options import StorageProvider
from flask_media.storage.s3 import S3Storage
from flask_media.storage.s3_bucket import ATTEMPTS

from ..faults import FaultServer
from ..faults import Request
from ..faults import answer
from ..faults import forward
from ..faults import hang_up
from ..faults import s3_error
from ..servers import S3Server
from .s3_tools import BODY
from .s3_tools import assert_safe
from .s3_tools import put

pytestmark = pytest.mark.usefixtures("no_backoff")

COPIED = answer("200 OK", b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>")


def methods(server: FaultServer) -> list[str]:
    """What was asked, in order."""
    return [request.method for request in server.requests]


def test_what_is_sent(server: FaultServer, storage: S3Storage) -> None:
    """One request copies; the store is told to keep what the object is."""
    server.play(COPIED)
    storage.copy("a/b c+d.png", "e.png")
    (request,) = server.requests
    assert request.header("x-amz-copy-source") == "media/a/b%20c%2Bd.png"
    assert request.header("x-amz-metadata-directive") == "COPY"
    assert request.header("x-amz-acl") is None
    assert request.body == b""


def test_acl_is_sent_again(server: FaultServer) -> None:
    """A copy has the ACL of any object that is put, as a store takes over no ACL."""
    server.play(COPIED)
    storage = S3Server(endpoint_url=server.url).storage(
        provider=StorageProvider.DIGITALOCEAN_SPACES
    )
    storage.copy("a", "b")
    assert server.requests[0].header("x-amz-acl") == "public-read"


@pytest.mark.parametrize("lost", [hang_up, answer("502 Bad Gateway")], ids=["dropped", "gateway"])
def test_lost_answer(moto: S3Server, server: FaultServer, storage: S3Storage, lost: Any) -> None:
    """A copy that was made and never answered is recognised by what is there."""
    put(moto.storage(), "copies/source.png")
    moto.storage().delete("copies/target.png")

    def copy_and_lose(request: Request) -> bytes | None:
        forward(moto.endpoint_url)(request)
        answered: bytes | None = lost(request)
        return answered

    server.play(*[copy_and_lose] * ATTEMPTS, forward(moto.endpoint_url))
    storage.copy("copies/source.png", "copies/target.png")
    assert methods(server) == ["PUT"] * ATTEMPTS + ["HEAD", "HEAD"]
    with moto.storage().open("copies/target.png") as file:
        assert file.read() == BODY


@pytest.mark.parametrize("there", [None, b"another picture"])
def test_never_made(
    moto: S3Server, server: FaultServer, storage: S3Storage, there: bytes | None
) -> None:
    """A copy that was not made is retryable, and a move then deletes nothing."""
    moto.storage().delete("copies/never.png")
    put(moto.storage(), "copies/source.png")
    if there is not None:
        put(moto.storage(), "copies/never.png", there)
    server.play(*[hang_up] * ATTEMPTS, forward(moto.endpoint_url))
    with pytest.raises(StorageError, match=r"No answer .* to copy") as caught:
        storage.move("copies/source.png", "copies/never.png")
    assert caught.value.retryable
    assert_safe(caught.value)
    assert "DELETE" not in methods(server)
    assert moto.storage().exists("copies/source.png")


def test_outage(server: FaultServer, storage: S3Storage) -> None:
    """Where nothing answers, the copy's own error is told, and is retryable."""
    server.play(hang_up)
    with pytest.raises(StorageError, match=r"No answer .* to copy 'a'") as caught:
        storage.copy("a", "b")
    assert caught.value.retryable


def test_another_word_for_a_missing_source(server: FaultServer, storage: S3Storage) -> None:
    """A store that calls a missing source a wrong argument is looked into."""
    server.play(
        s3_error("400 Bad Request", "InvalidArgument"),
        answer("404 Not Found"),  # the HEAD of the source
        answer("200 OK"),  # the HEAD of the bucket
    )
    with pytest.raises(NotFound, match="'a'"):
        storage.copy("a", "b")


def test_error_within_an_answer(server: FaultServer, storage: S3Storage) -> None:
    """A 200 that turns into an error while the store copies is an error, and tried again."""
    error = b"<Error><Code>InternalError</Code><Message>sorry</Message></Error>"
    server.play(answer("200 OK", error, Content_Type="application/xml"), COPIED)
    storage.copy("a", "b")
    assert methods(server) == ["PUT", "PUT"]


@pytest.mark.parametrize("name", ["moto", "seaweedfs"])
def test_object_of_somebody_else(request: pytest.FixtureRequest, name: str) -> None:
    """An object that another program stored is copied with all that it has."""
    server: S3Server = request.getfixturevalue(name)
    for cache_control in (None, "max-age=60"):
        storage = server.storage(cache_control=cache_control)
        storage._client().put_object(
            Bucket="media", Key="foreign", Body=b"x", ContentType="a/b", Metadata={"who": "else"}
        )
        storage.copy("foreign", "copies/foreign")
        stat = storage.stat("copies/foreign")
        assert (stat.metadata, stat.sha256) == ({"who": "else"}, None)
        assert (stat.size_bytes, stat.content_type) == (1, "a/b")


def test_foreign_object_is_not_recognised_by_its_size(
    moto: S3Server, server: FaultServer, storage: S3Storage
) -> None:
    """Of an object without a SHA-256 nothing is known: a lost answer stays an error."""
    for key in ("foreign", "copies/other"):
        moto.storage()._client().put_object(Bucket="media", Key=key, Body=b"x")
    server.play(*[hang_up] * ATTEMPTS, forward(moto.endpoint_url))
    with pytest.raises(StorageError, match="No answer"):
        storage.copy("foreign", "copies/other")


def test_source_replaced_meanwhile(seaweedfs: S3Server) -> None:
    """What one object is said to be never goes with the bytes of another."""
    storage = seaweedfs.storage(cache_control="max-age=60")
    put(storage, "copies/source.png", b"older")

    def replace(**_: Any) -> None:
        put(seaweedfs.storage(), "copies/source.png", b"a newer one")

    storage._client().meta.events.register("before-send.s3.CopyObject", replace)
    storage.delete("copies/replaced.png")
    with pytest.raises(StorageError, match="PreconditionFailed") as caught:
        storage.copy("copies/source.png", "copies/replaced.png")
    assert caught.value.retryable
    assert not storage.exists("copies/replaced.png")
    put(storage, "copies/source.png", b"a newer one")
    storage.copy("copies/source.png", "copies/replaced.png")
    stat = storage.stat("copies/replaced.png")
    assert stat.sha256 == hashlib.sha256(b"a newer one").hexdigest()
    assert stat.size_bytes == len(b"a newer one")
