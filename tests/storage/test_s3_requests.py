"""What is sent to a store, and what its answers say of objects."""

from __future__ import annotations

import hashlib

import botocore.auth
import pytest

from flask_media.config_checks import Secret
from flask_media.options import StorageProvider
from flask_media.storage.s3 import S3Storage
from flask_media.storage.s3_client import OWN_METADATA

from ..faults import FaultServer
from .s3_tools import BODY
from .s3_tools import STORED
from .s3_tools import put

pytestmark = pytest.mark.usefixtures("no_backoff")


def test_what_a_put_sends(server: FaultServer, storage: S3Storage) -> None:
    """A PUT signs the known digest, waits for no 100, sends no checksum trailer and no ACL."""
    server.play(STORED)
    put(storage)
    (request,) = server.requests
    assert request.header("x-amz-content-sha256") == hashlib.sha256(BODY).hexdigest()
    assert request.header("content-length") == str(len(BODY))
    for name in ("expect", "transfer-encoding", "x-amz-trailer", "x-amz-acl"):
        assert request.header(name) is None
    assert "x-amz-checksum" not in request.head.decode().lower()
    assert "aws4_request" in (request.header("authorization") or "")


def test_body_is_not_hashed_again(real: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore signs a PUT without reading its body, and the server finds it well signed."""
    hashed: list[int] = []

    def watch(data: bytes = b"") -> object:
        hashed.append(len(data))
        return hashlib.sha256(data)

    monkeypatch.setattr(botocore.auth, "sha256", watch)
    put(real, "signed.png")
    assert hashed, "botocore.auth no longer hashes with what this test watches"
    assert max(hashed) < len(BODY)
    assert real.stat("signed.png").size_bytes == len(BODY)


def test_other_requests_are_signed_as_ever(real: S3Storage) -> None:
    """A PUT that is not ours, and a presigned one, are left to botocore's own signer."""
    client = real._client()
    client.put_object(Bucket="media", Key="plain.png", Body=BODY, Metadata={"who": "else"})
    url = client.generate_presigned_url("put_object", Params={"Bucket": "media", "Key": "k"})
    assert "X-Amz-Signature=" in url


@pytest.mark.parametrize(
    ("acl", "sent"), [(None, "public-read"), ("private", "private"), ("none", None)]
)
def test_acl_is_sent(server: FaultServer, acl: str | None, sent: str | None) -> None:
    """The provider's ACL goes with an object, or the one that SPACES_ACL names, or none."""
    server.play(STORED)
    storage = S3Storage(
        provider=StorageProvider.DIGITALOCEAN_SPACES,
        bucket="media",
        region="fra1",
        key=Secret("key"),
        secret=Secret("secret"),
        endpoint_url=server.url,
        acl=acl,
    )
    put(storage)
    assert server.requests[0].header("x-amz-acl") == sent


@pytest.mark.parametrize(
    "metadata", [{"who": "else"}, {}, {OWN_METADATA: "no line of ours"}, {"sha256": "0" * 64}]
)
def test_object_of_somebody_else(real: S3Storage, metadata: dict[str, str]) -> None:
    """An object that another program stored has its own metadata and no SHA-256 of ours."""
    real._client().put_object(Bucket="media", Key="foreign", Body=b"x", Metadata=metadata)
    stat = real.stat("foreign")
    assert stat.metadata == metadata
    assert stat.sha256 is None


def test_damaged_metadata_line(real: S3Storage) -> None:
    """A line that looks like ours and can't be read is handed back as it is."""
    metadata = {OWN_METADATA: "0" * 64 + ";no equals sign"}
    real._client().put_object(Bucket="media", Key="damaged", Body=b"x", Metadata=metadata)
    assert real.stat("damaged").metadata == metadata
