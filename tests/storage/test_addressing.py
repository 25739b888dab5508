"""The bucket as a host and as a path, on a real store that checks each signature."""

from __future__ import annotations

import hashlib
import socket
from typing import Any

import pytest

from flask_media.errors import NotFound
from flask_media.storage.s3 import MULTIPART_BYTES
from flask_media.storage.s3 import S3Storage

from ..servers import S3Server
from .s3_tools import put
from .test_signed_urls import fetch

KEY = "addressed/Être libre+a.png"


@pytest.fixture(params=["virtual", "path"])
def storage(
    request: pytest.FixtureRequest, seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch
) -> S3Storage:
    """A storage that addresses the bucket that way."""
    resolve = socket.getaddrinfo

    def resolve_localhost(host: Any, *args: Any, **values: Any) -> Any:
        """As RFC 6761 has it, and not every resolver does."""
        is_local = isinstance(host, str) and host.endswith("localhost")
        return resolve("127.0.0.1" if is_local else host, *args, **values)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_localhost)
    return seaweedfs.storage(
        endpoint_url=seaweedfs.endpoint_url.replace("127.0.0.1", "localhost"),
        addressing_style=request.param,
    )


def test_every_request(storage: S3Storage, seaweedfs: S3Server) -> None:
    """Objects are put, read, copied and deleted where the URL says, for the same bucket."""
    host = "media.localhost" if storage._uses_virtual_host() else "localhost"
    assert storage.url(KEY).startswith(f"http://{host}:")
    assert storage.url(KEY) in storage.signed_url(KEY, 60)
    put(storage, KEY, b"small")
    assert storage.stat(KEY).size_bytes == 5
    with seaweedfs.storage().open(KEY) as file:
        assert file.read() == b"small"
    storage.copy(KEY, f"{KEY}.copy")
    with storage.open(f"{KEY}.copy") as file:
        assert file.read() == b"small"
    storage.delete(KEY)
    with pytest.raises(NotFound):
        storage.stat(KEY)


def test_parts(storage: S3Storage) -> None:
    """Large objects go there too."""
    data = bytes(MULTIPART_BYTES + 1)
    put(storage, KEY, data)
    assert storage.holds(KEY, hashlib.sha256(data).hexdigest(), size_bytes=len(data))


def test_signed_url(storage: S3Storage) -> None:
    """A signed URL lets in whoever has it, and nobody else gets in."""
    put(storage, KEY, b"small")
    assert fetch(storage.signed_url(KEY, 60)) == (200, "image/png", b"small")
    assert fetch(storage.url(KEY))[0] == 403
