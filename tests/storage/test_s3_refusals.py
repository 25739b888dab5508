"""What a real store refuses, in words that say where to look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_media.errors import NotConfigured
from flask_media.errors import NotFound
from flask_media.errors import StorageError
from flask_media.storage.s3 import MULTIPART_BYTES
from flask_media.storage.s3 import S3Storage

from ..servers import S3Server
from .s3_tools import assert_safe
from .s3_tools import put

pytestmark = pytest.mark.usefixtures("no_backoff")


WRONG = [
    ({"key": "nobody"}, "SPACES_KEY"),
    ({"secret": "not-this-secret"}, "SPACES_SECRET"),
]


@pytest.mark.parametrize(("wrong", "named"), WRONG)
def test_wrong_config(seaweedfs: S3Server, wrong: dict[str, Any], named: str) -> None:
    """A wrong key or secret is a final error that names the config key to look at."""
    refused(seaweedfs.storage(**wrong), named, *wrong.values())


@pytest.mark.parametrize(("wrong", "named"), WRONG)
def test_wrong_config_over_tls(
    rclone: S3Server, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], named: str
) -> None:
    """The same over TLS, where the server checks the signature of version 4 too."""
    assert rclone.ca_bundle
    monkeypatch.setenv("AWS_CA_BUNDLE", rclone.ca_bundle)
    put(rclone.storage(), "tls.png")
    refused(rclone.storage(**wrong), named, *wrong.values())


def refused(storage: S3Storage, named: str, *secrets: str) -> None:
    """Every request is refused for good, by the config key's name and without a secret."""
    asked: list[Callable[[], object]] = [
        lambda: put(storage, "tls.png"),
        lambda: put(storage, "big.png", bytes(MULTIPART_BYTES + 1)),
        lambda: storage.open("tls.png"),
        lambda: storage.stat("tls.png"),
        lambda: storage.copy("tls.png", "copy.png"),
        lambda: storage.delete("tls.png"),
    ]
    for ask in asked:
        with pytest.raises(StorageError, match=named) as caught:
            ask()
        assert not caught.value.retryable
        assert not isinstance(caught.value, NotFound)
        assert_safe(caught.value, *secrets)


def test_missing_bucket(moto: S3Server) -> None:
    """A bucket that is not there is a final error that names SPACES_BUCKET, and no NotFound."""
    storage = moto.storage(bucket="no-such-bucket")
    asked: list[Callable[[], object]] = [
        lambda: put(storage),
        lambda: storage.open("a"),
        lambda: storage.stat("a"),
        lambda: storage.delete("a"),
    ]
    for ask in asked:
        with pytest.raises(StorageError, match="SPACES_BUCKET") as caught:
            ask()
        assert not caught.value.retryable
        assert not isinstance(caught.value, NotFound)


def test_wrong_secret_on_reading(seaweedfs: S3Server) -> None:
    """Reading and deleting with a wrong secret are no NotFound, and say where to look."""
    storage = seaweedfs.storage(secret="not-this-secret")
    for ask in (storage.open, storage.stat, storage.delete):
        with pytest.raises(StorageError, match="SPACES_SECRET") as caught:
            ask("a")
        assert not isinstance(caught.value, NotFound)
        assert not caught.value.retryable


def test_missing_object_names_the_bucket(real: S3Storage) -> None:
    """A missing object's error says in which bucket it was looked for."""
    with pytest.raises(NotFound, match=r"'a/missing'.*'media' \(SPACES_BUCKET\)") as caught:
        real.stat("a/missing")
    assert_safe(caught.value)


def test_unknown_certificate(rclone: S3Server) -> None:
    """A certificate that nobody vouches for is final, and AWS_CA_BUNDLE is named."""
    with pytest.raises(StorageError, match="AWS_CA_BUNDLE") as caught:
        put(rclone.storage())
    assert not caught.value.retryable
    assert_safe(caught.value)


def test_missing_certificates(storage: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An AWS_CA_BUNDLE that is not there is said before anything is paid."""
    monkeypatch.setenv("AWS_CA_BUNDLE", "/not/there.pem")
    with pytest.raises(NotConfigured, match=r"AWS_CA_BUNDLE is '/not/there\.pem'"):
        storage.check_ready()
