"""The table of providers: where requests go and what public URLs look like."""

from __future__ import annotations

import logging
import pickle
import socket
import traceback
from typing import Any

import pytest

from flask_media.config_checks import Secret
from flask_media.errors import InvalidConfig
from flask_media.errors import NotConfigured
from flask_media.options import StorageProvider
from flask_media.storage.providers import PROVIDERS
from flask_media.storage.s3 import S3Storage

KEY = "goals/7/Être libre.png"
QUOTED = "goals/7/%C3%8Atre%20libre.png"


def storage(provider: StorageProvider, **values: Any) -> S3Storage:
    """A storage of that provider with usual values."""
    usual = {"bucket": "media", "region": None, "key": Secret("k"), "secret": Secret("s")}
    return S3Storage(provider=provider, **usual | values)


@pytest.mark.parametrize(
    ("provider", "values", "url"),
    [
        (
            "digitalocean_spaces",
            {"region": "fra1"},
            "https://media.fra1.digitaloceanspaces.com/",
        ),
        ("aws_s3", {"region": "eu-west-1"}, "https://media.s3.eu-west-1.amazonaws.com/"),
        (
            "cloudflare_r2",
            {"endpoint_url": "https://1234.r2.cloudflarestorage.com"},
            "https://1234.r2.cloudflarestorage.com/media/",
        ),
        (
            "minio",
            {"endpoint_url": "http://minio.local:9000/"},
            "http://minio.local:9000/media/",
        ),
        (
            "backblaze_b2",
            {"region": "eu-central-003"},
            "https://media.s3.eu-central-003.backblazeb2.com/",
        ),
        ("wasabi", {"region": "eu-central-1"}, "https://media.s3.eu-central-1.wasabisys.com/"),
        ("google_cloud_storage", {}, "https://storage.googleapis.com/media/"),
        # A custom endpoint, style or CDN wins over the row.
        (
            "digitalocean_spaces",
            {"region": "fra1", "addressing_style": "path"},
            "https://fra1.digitaloceanspaces.com/media/",
        ),
        (
            "digitalocean_spaces",
            {"endpoint_url": "https://objects.example.com/base"},
            "https://media.objects.example.com/base/",
        ),
        (
            "digitalocean_spaces",
            {"region": "fra1", "cdn_url": "https://cdn.example.com/pictures/"},
            "https://cdn.example.com/pictures/",
        ),
        # No host name or certificate fits these.
        ("aws_s3", {"region": "r", "bucket": "a.b"}, "https://s3.r.amazonaws.com/a.b/"),
        ("aws_s3", {"region": "r", "bucket": "A_b"}, "https://s3.r.amazonaws.com/A_b/"),
        ("aws_s3", {"endpoint_url": "http://127.0.0.1:9000"}, "http://127.0.0.1:9000/media/"),
        ("aws_s3", {"endpoint_url": "http://[::1]:9000"}, "http://[::1]:9000/media/"),
    ],
)
def test_url(provider: str, values: dict[str, Any], url: str) -> None:
    """The URL of an object is the CDN's, else the bucket's own in the provider's form."""
    assert storage(StorageProvider(provider), **values).url(KEY) == url + QUOTED


@pytest.mark.parametrize(
    ("provider", "values"),
    [
        ("digitalocean_spaces", {"region": "fra1"}),
        ("aws_s3", {"region": "eu-west-1"}),
        ("aws_s3", {"region": "eu-west-1", "bucket": "a.b"}),
        ("cloudflare_r2", {"endpoint_url": "https://1234.r2.cloudflarestorage.com"}),
        ("minio", {"endpoint_url": "http://127.0.0.1:9000"}),
        ("backblaze_b2", {"region": "eu-central-003"}),
        ("wasabi", {"region": "eu-central-1"}),
        ("google_cloud_storage", {}),
        ("digitalocean_spaces", {"endpoint_url": "https://objects.example.com"}),
    ],
)
def test_requests_go_where_the_url_says(provider: str, values: dict[str, Any]) -> None:
    """boto3 addresses an object by the URL that we give out, and signs for the region."""
    place = storage(StorageProvider(provider), **values)
    client = place._client()
    signed = client.generate_presigned_url(
        "get_object", Params={"Bucket": values.get("bucket", "media"), "Key": KEY}
    )
    url, _, query = signed.partition("?")
    assert url == place.url(KEY)
    region = values.get("region") or PROVIDERS[StorageProvider(provider)].region or "us-east-1"
    assert f"%2F{region}%2Fs3%2Faws4_request" in query


def test_every_s3_provider_has_a_row() -> None:
    """Each provider is in the table, but for the two that are no S3 stores."""
    others = {StorageProvider.FILESYSTEM, StorageProvider.MEMORY}
    assert set(PROVIDERS) == set(StorageProvider) - others
    for provider in others:
        with pytest.raises(InvalidConfig, match="SPACES_PROVIDER"):
            storage(provider)


def test_own_cdn() -> None:
    """Spaces' own CDN has the form that its documentation gives."""
    form = PROVIDERS[StorageProvider.DIGITALOCEAN_SPACES].cdn
    assert form
    assert form.format(bucket="b", region="fra1") == "https://b.fra1.cdn.digitaloceanspaces.com"


@pytest.mark.parametrize(
    ("provider", "values", "missing"),
    [
        ("digitalocean_spaces", {}, "needs SPACES_REGION"),
        ("aws_s3", {}, "needs SPACES_REGION"),
        ("minio", {}, "needs SPACES_ENDPOINT_URL"),
        ("cloudflare_r2", {"region": "auto"}, "needs SPACES_ENDPOINT_URL"),
        ("aws_s3", {"region": "r", "key": None}, "needs SPACES_KEY"),
        ("aws_s3", {"region": "r", "secret": None}, "needs SPACES_SECRET"),
        (
            "aws_s3",
            {"region": "r", "bucket": None},
            "SPACES_BUCKET. Set it .* FLASK_SPACES_BUCKET in",
        ),
        (
            "aws_s3",
            {"key": None, "secret": None},
            "SPACES_KEY, SPACES_SECRET and SPACES_REGION. Set them .* FLASK_SPACES_SECRET and",
        ),
    ],
)
def test_what_is_missing(provider: str, values: dict[str, Any], missing: str) -> None:
    """What a provider needs and does not have is named before anything is sent."""
    place = storage(StorageProvider(provider), **values)
    for ask in (place.check_ready, lambda: place.stat("a")):
        with pytest.raises(NotConfigured, match=missing) as caught:
            ask()
        assert pickle.loads(pickle.dumps(caught.value)).message == caught.value.message


KEY_ID, SECRET = "access-key-id-7", "secret-key-0123456789"


@pytest.mark.parametrize(
    ("provider", "values", "named"),
    [
        ("digitalocean_spaces", {"region": "fra_1"}, "SPACES_REGION is 'fra_1'"),
        ("digitalocean_spaces", {"region": "-fra"}, "SPACES_REGION is '-fra'"),
        ("digitalocean_spaces", {"region": "fra1."}, "SPACES_REGION is 'fra1.'"),
        ("minio", {"endpoint_url": "http://my_minio:9000"}, "SPACES_ENDPOINT_URL is 'http://my_m"),
        ("minio", {"endpoint_url": "http://a..b:9000"}, "SPACES_ENDPOINT_URL is 'http://a..b"),
        ("minio", {"endpoint_url": "http://m", "region": "a_b"}, "SPACES_REGION 'a_b'"),
    ],
)
def test_what_boto3_refuses(provider: str, values: dict[str, Any], named: str) -> None:
    """A wrong region or endpoint is found before paying, by its key, and shows no credential."""
    place = storage(StorageProvider(provider), **values, key=Secret(KEY_ID), secret=Secret(SECRET))
    for ask in (place.check_ready, lambda: place.stat("a"), lambda: place.delete("a")):
        with pytest.raises(InvalidConfig, match=named) as caught:
            ask()
        assert caught.value.__cause__ is caught.value.__context__ is None
        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        frames = "".join(shown.format())
        assert "_make_client" in frames
        assert KEY_ID not in frames.replace(f"KEY_ID = {KEY_ID!r}", "")
        assert SECRET not in frames


def test_check_ready_makes_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is made before anything is paid, without a connection, and then used."""
    monkeypatch.setattr(socket.socket, "connect", None)
    place = storage(StorageProvider.DIGITALOCEAN_SPACES, region="fra1")
    place.check_ready()
    assert place._made is place._client() is not None


def test_url_without_an_endpoint() -> None:
    """A URL that can't be known is an error that names the key; the CDN's is known."""
    place = storage(StorageProvider.AWS_S3)
    with pytest.raises(NotConfigured, match="SPACES_REGION"):
        place.url("a")
    assert place.location == "s3://media@AWS-S3"
    cdn = storage(StorageProvider.AWS_S3, cdn_url="https://cdn.example.com")
    assert cdn.url("a") == "https://cdn.example.com/a"


@pytest.mark.parametrize("provider", ["cloudflare_r2", "minio", "backblaze_b2"])
def test_acl_where_there_is_none(provider: str) -> None:
    """A public ACL is refused where objects have none; a private one is what they are."""
    with pytest.raises(InvalidConfig, match="SPACES_ACL"):
        storage(StorageProvider(provider), acl="public-read")
    assert storage(StorageProvider(provider), acl="private")._acl is None


def test_r2_needs_a_public_domain(caplog: pytest.LogCaptureFixture) -> None:
    """A provider without public URLs says so at once, unless they are not wanted."""
    caplog.set_level(logging.WARNING)
    storage(StorageProvider.CLOUDFLARE_R2, cdn_url="https://pictures.example.com")
    storage(StorageProvider.CLOUDFLARE_R2, acl="private")
    assert not caplog.records
    storage(StorageProvider.CLOUDFLARE_R2)
    assert "SPACES_CDN_URL" in caplog.text
