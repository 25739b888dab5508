"""A store whose ACLs count: everybody gets what is public, and nobody else what is not."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import pytest

from flask_media.options import StorageProvider
from flask_media.storage.base import Storage
from flask_media.storage.s3 import MULTIPART_BYTES
from flask_media.storage.s3 import S3Storage
from flask_media.testing.storage_contract import StorageContract

from ..servers import S3Server
from .s3_tools import put

KEY = "acl/é a+b.png"


def storage_at(server: S3Server, **values: Any) -> S3Storage:
    """A storage as it is for Spaces."""
    return server.storage(provider=StorageProvider.DIGITALOCEAN_SPACES, **values)


def anybody_gets(storage: S3Storage, key: str) -> int:
    """The status that a client without credentials gets."""
    try:
        with urllib.request.urlopen(storage.public_url(key), timeout=10) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


class TestCeph(StorageContract):
    """Ceph over HTTP, with objects that are private."""

    @pytest.fixture(scope="class")
    @classmethod
    def storage(cls, ceph: S3Server) -> Storage:
        return storage_at(ceph, acl="private")


@pytest.mark.parametrize("size", [5, MULTIPART_BYTES + 1], ids=["small", "in parts"])
def test_who_gets_it(ceph: S3Server, size: int) -> None:
    """An object is served as its storage's ACL says, until it is published, hidden, put again."""
    public, private = storage_at(ceph), storage_at(ceph, acl="private")
    put(public, KEY, bytes(size))
    assert anybody_gets(public, KEY) == 200
    public.unpublish(KEY)
    assert anybody_gets(public, KEY) == 403
    put(private, KEY, bytes(size))
    assert anybody_gets(private, KEY) == 403
    private.publish(KEY)
    assert anybody_gets(private, KEY) == 200
    put(private, KEY, bytes(size))
    assert anybody_gets(private, KEY) == 403


def test_copies(ceph: S3Server) -> None:
    """A copy is served as the storage says that made it, whatever its source is."""
    public, private = storage_at(ceph), storage_at(ceph, acl="private")
    put(public, KEY)
    private.copy(KEY, "acl/private.png")
    public.copy("acl/private.png", "acl/public.png")
    assert anybody_gets(private, "acl/private.png") == 403
    assert anybody_gets(public, "acl/public.png") == 200
