"""Presigned URLs of a bucket: what a real store lets in by them."""

from __future__ import annotations

import hashlib
import logging
import ssl
import urllib.error
import urllib.request
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import quote
from urllib.parse import urlsplit

import botocore.auth
import pytest

from flask_media.config_checks import Secret
from flask_media.errors import InvalidRequest
from flask_media.errors import NotConfigured
from flask_media.options import StorageProvider
from flask_media.storage.base import Storage
from flask_media.storage.s3 import S3Storage

from ..servers import S3Server

BODY = b"\x89PNG and more"
KEY = "goals/7/Être libre.png"
ODD_KEYS = [
    KEY,
    "signed/a b+c&d=e?f#g%2F;.png",
    "signed/100%25.png",
    "signed/日本語/🏠~'(c)!*@$,.png",
    "signed/.../.hidden",
]


@pytest.fixture(scope="module")
def real(seaweedfs: S3Server) -> S3Storage:
    """A storage on a server that checks signatures, with a picture in it."""
    storage = seaweedfs.storage()
    put(storage, KEY)
    return storage


def put(storage: Storage, key: str, data: bytes = BODY) -> None:
    """Put an object without metadata."""
    storage.put(key, data, content_type="image/png", sha256=hashlib.sha256(data).hexdigest())


def fetch(url: str, method: str = "GET", *, ca: str | None = None, **headers: str) -> Any:
    """Status, type and bytes of what a client without credentials gets there."""
    request = urllib.request.Request(url, method=method, headers=headers)
    context = ssl.create_default_context(cafile=ca) if ca else None
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as response:
            return response.status, response.headers["Content-Type"], response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, None, b""


@pytest.mark.parametrize("key", ODD_KEYS)
def test_whoever_has_it_gets_the_object(real: S3Storage, key: str) -> None:
    """A private object of any key comes by its signed URL, whole and in parts, and not without."""
    put(real, key)
    assert fetch(real.url(key))[0] == 403
    url = real.signed_url(key, 60)
    assert url.startswith(f"{real.url(key)}?")
    assert fetch(url) == (200, "image/png", BODY)
    assert fetch(url, Range="bytes=1-3") == (206, "image/png", BODY[1:4])


def test_other_servers(moto: S3Server, rclone: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with moto, and with rclone over TLS."""
    put(moto.storage(), KEY)
    assert fetch(moto.storage().signed_url(KEY, 60)) == (200, "image/png", BODY)
    assert rclone.ca_bundle
    monkeypatch.setenv("AWS_CA_BUNDLE", rclone.ca_bundle)
    put(rclone.storage(), KEY)
    status, _, body = fetch(rclone.storage().signed_url(KEY, 60), ca=rclone.ca_bundle)
    assert (status, body) == (200, BODY)


def test_for_head(real: S3Storage) -> None:
    """A store takes a URL for the method that it was signed for."""
    get, head = (real.signed_url(KEY, 60, method=method) for method in ("GET", "HEAD"))
    assert fetch(head, "HEAD") == (200, "image/png", b"")
    assert fetch(head)[0] == fetch(get, "HEAD")[0] == 403


def test_another_object(real: S3Storage) -> None:
    """The signature of one object's URL is none for another's, nor for a longer life."""
    put(real, "signed/other.png")
    url = real.signed_url(KEY, 60)
    query = urlsplit(url).query
    assert fetch(f"{real.url('signed/other.png')}?{query}")[0] == 403
    assert fetch(url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"))[0] == 403
    for method in ("PUT", "DELETE"):
        assert fetch(url, method)[0] == 403
    assert fetch(url)[0] == 200


def test_expired(real: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store refuses a URL whose time is over."""
    an_hour_ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_args: an_hour_ago)
    assert fetch(real.signed_url(KEY, timedelta(hours=2)))[0] == 200
    assert fetch(real.signed_url(KEY, 3500))[0] == 403


def test_wrong_secret(seaweedfs: S3Server, real: S3Storage) -> None:
    """What another secret signed is refused."""
    url = seaweedfs.storage(secret="not-this-secret").signed_url(KEY, 60)
    assert fetch(url)[0] == 403


def test_nothing_there(real: S3Storage) -> None:
    """Whether the object is there is not asked; the store says so."""
    assert fetch(real.signed_url("signed/nothing.png", 60))[0] == 404


@pytest.mark.parametrize(
    ("provider", "values", "base"),
    [
        ("digitalocean_spaces", {"region": "fra1"}, "https://b-1.fra1.digitaloceanspaces.com/"),
        (
            "digitalocean_spaces",
            {"region": "fra1", "cdn_url": "https://cdn.example.com"},
            "https://b-1.fra1.digitaloceanspaces.com/",
        ),
        ("aws_s3", {"region": "us-east-1"}, "https://b-1.s3.us-east-1.amazonaws.com/"),
        ("aws_s3", {"region": "r", "bucket": "a.b"}, "https://s3.r.amazonaws.com/a.b/"),
        (
            "cloudflare_r2",
            {"endpoint_url": "https://1234.r2.cloudflarestorage.com", "acl": "private"},
            "https://1234.r2.cloudflarestorage.com/b-1/",
        ),
        ("minio", {"endpoint_url": "http://minio:9000"}, "http://minio:9000/b-1/"),
        ("backblaze_b2", {"region": "eu-3"}, "https://b-1.s3.eu-3.backblazeb2.com/"),
        ("wasabi", {"region": "eu-1"}, "https://b-1.s3.eu-1.wasabisys.com/"),
        ("google_cloud_storage", {}, "https://storage.googleapis.com/b-1/"),
    ],
)
def test_at_each_provider(provider: str, values: dict[str, Any], base: str) -> None:
    """The URL is the bucket's own in the provider's form, signed with version 4 for its region."""
    usual = {"bucket": "b-1", "region": None, "key": Secret("key-id"), "secret": Secret("s3cret")}
    storage = S3Storage(provider=StorageProvider(provider), **usual | values)
    url = storage.signed_url(KEY, 90.2)
    assert url.startswith(f"{base}goals/7/%C3%8Atre%20libre.png?")
    query = parse_qs(urlsplit(url).query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["91"]
    assert query["X-Amz-SignedHeaders"] == ["host"]
    (credential,) = query["X-Amz-Credential"]
    region = values.get("region") or ("us-east-1" if provider == "minio" else "auto")
    assert credential.startswith("key-id/")
    assert credential.endswith(f"/{region}/s3/aws4_request")
    assert "s3cret" not in url


@pytest.mark.parametrize(("expires_in", "seconds"), [(0.1, 1), (7 * 24 * 3600, 604_800)])
def test_how_long(real: S3Storage, expires_in: float, seconds: int) -> None:
    """A store counts whole seconds, of which it takes a week's."""
    url = real.signed_url(KEY, expires_in)
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == [str(seconds)]
    assert fetch(url)[0] == 200


@pytest.mark.parametrize(
    ("key", "expires_in", "named"),
    [
        ("../up", 60, "object_key"),
        (KEY, 0, "expires_in"),
        (KEY, 604_801, "expires_in"),
        (KEY, True, "expires_in"),
    ],
)
def test_wrong_arguments(real: S3Storage, key: str, expires_in: float, named: str) -> None:
    """A wrong key or life is refused before anything is signed."""
    with pytest.raises(InvalidRequest, match=named):
        real.signed_url(key, expires_in)


def test_missing_credentials() -> None:
    """Without credentials nothing is signed, in words that name the config keys."""
    storage = S3Storage(
        provider=StorageProvider.AWS_S3, bucket="b", region="r", key=None, secret=None
    )
    with pytest.raises(NotConfigured, match="SPACES_KEY and SPACES_SECRET"):
        storage.signed_url(KEY, 60)


@pytest.mark.parametrize("key", ["id-of-the/key+1", "short"])
def test_no_credential_is_logged(key: str, caplog: pytest.LogCaptureFixture) -> None:
    """Even at DEBUG, where botocore tells what it signs, no log has a credential or the URL."""
    caplog.set_level(logging.DEBUG)
    server = S3Server(endpoint_url="http://127.0.0.1:9", key=key)
    url = server.storage().signed_url(KEY, 60)
    assert "X-Amz-Credential=***" in caplog.text
    assert quote(key, safe="") in url
    for secret in (f"Credential={key[:5]}", server.secret, url):
        assert secret not in caplog.text
