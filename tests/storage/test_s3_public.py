"""Who may see an object of a bucket: ACLs, URLs, and the headers that it is served with."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_media import FlaskMedia
from flask_media import current_media
from flask_media.errors import NotConfigured
from flask_media.errors import NotFound
from flask_media.options import StorageProvider
from flask_media.storage.memory import MemoryStorage
from flask_media.storage.s3 import MULTIPART_BYTES
from flask_media.storage.s3 import S3Storage

from ..faults import FaultServer
from ..servers import S3Server
from .s3_tools import put

KEY = "public/Être+a.png"
QUOTED = "public/%C3%8Atre%2Ba.png"
EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
SPACES = StorageProvider.DIGITALOCEAN_SPACES


def storage_at(server: S3Server, **values: Any) -> S3Storage:
    """A storage with ACLs on that server."""
    return server.storage(provider=SPACES, **values)


def who_reads(storage: S3Storage, key: str) -> list[str | None]:
    """Whom the object's ACL lets read, its owner aside."""
    grants = storage._client().get_object_acl(Bucket="media", Key=key)["Grants"]
    return [grant["Grantee"].get("URI") for grant in grants if grant["Permission"] == "READ"]


@pytest.mark.parametrize("name", ["moto", "seaweedfs"])
@pytest.mark.parametrize("acl", ["private", "public-read"])
def test_publish(request: pytest.FixtureRequest, name: str, acl: str) -> None:
    """The store keeps the ACL that makes an object public, and the one that hides it."""
    storage = storage_at(request.getfixturevalue(name), acl=acl)
    put(storage, KEY)
    before = storage.stat(KEY)
    storage.publish(KEY)
    storage.publish(KEY)
    assert who_reads(storage, KEY) == [EVERYBODY]
    storage.unpublish(KEY)
    storage.unpublish(KEY)
    assert who_reads(storage, KEY) == []
    assert storage.stat(KEY) == before


@pytest.mark.parametrize("name", ["moto", "seaweedfs"])
def test_publish_nothing(request: pytest.FixtureRequest, name: str) -> None:
    """What is not there can't be published."""
    storage = storage_at(request.getfixturevalue(name))
    for do in (storage.publish, storage.unpublish):
        with pytest.raises(NotFound, match="missing"):
            do("public/missing.png")


@pytest.mark.parametrize("does", ["put", "copy"])
def test_published_until_it_is_put_again(moto: S3Server, does: str) -> None:
    """An object that is put or copied has the storage's own ACL, whatever was there."""
    storage = storage_at(moto, acl="private")
    put(storage, KEY)
    put(storage, "public/other.png")
    storage.publish(KEY)
    storage.publish("public/other.png")
    if does == "put":
        put(storage, KEY)
    else:
        storage.copy("public/other.png", KEY)
    assert who_reads(storage, KEY) == []


@pytest.mark.parametrize(
    ("provider", "acl", "named"),
    [
        *[(name, None, "have none at") for name in ("minio", "cloudflare_r2", "backblaze_b2")],
        ("minio", "private", "have none at MinIO: make the whole bucket public, or serve"),
        ("aws_s3", None, "SPACES_ACL sends none: set it to 'private' if"),
        ("digitalocean_spaces", "none", "SPACES_ACL sends none"),
        ("wasabi", "none", "SPACES_ACL sends none"),
    ],
)
def test_no_acl(server: FaultServer, provider: str, acl: str | None, named: str) -> None:
    """Where objects have no ACL of their own, nothing is sent and it is said what to do."""
    storage = S3Server(endpoint_url=server.url).storage(provider=StorageProvider(provider), acl=acl)
    server.play()
    for do in (storage.publish, storage.unpublish):
        with pytest.raises(NotConfigured, match=named):
            do(KEY)
    assert not server.requests


def route(key: str) -> str | None:
    """As the app has it, but for one key."""
    return None if key == "unrouted" else f"/media/files/{key}"


@pytest.mark.parametrize("provider", [SPACES, StorageProvider.MINIO])
@pytest.mark.parametrize("cdn_url", [None, "https://cdn.example.com"])
def test_url_of_a_private_object(provider: StorageProvider, cdn_url: str | None) -> None:
    """It is the app's own where the app has one; the public one is the bucket's or the CDN's."""
    server = S3Server(endpoint_url="http://127.0.0.1:9")
    base = cdn_url or "http://127.0.0.1:9/media"
    private = server.storage(provider=provider, acl="private", cdn_url=cdn_url, route_url=route)
    assert private.is_private
    assert private.url(KEY) == f"/media/files/{KEY}"
    assert private.url("unrouted") == f"{base}/unrouted"
    assert private.public_url(KEY) == f"{base}/{QUOTED}"
    assert private.signed_url(KEY, 60).startswith(f"http://127.0.0.1:9/media/{QUOTED}?")
    for acl in (None, "none"):
        public = server.storage(provider=provider, acl=acl, cdn_url=cdn_url, route_url=route)
        assert not public.is_private
        assert public.url(KEY) == public.public_url(KEY) == f"{base}/{QUOTED}"


def test_url_in_an_app(server: FaultServer) -> None:
    """A private bucket's pictures have the URL of the blueprint's route, if there is one."""

    def make(*, with_blueprint: bool, acl: str | None = None) -> Flask:
        app = Flask(__name__)
        app.config.from_mapping(
            SPACES_BUCKET="media",
            SPACES_REGION="fra1",
            SPACES_KEY="key",
            SPACES_SECRET="secret",
            SPACES_ENDPOINT_URL=server.url,
            MEDIA_FILES_URL="https://files.example.com",
            SPACES_ACL=acl,
        )
        media = FlaskMedia(app)
        if with_blueprint:
            blueprint = media.create_blueprint(authorize=lambda _request: "me")
            app.register_blueprint(blueprint, url_prefix="/media")
        return app

    bucket = f"{server.url}/media/{QUOTED}"
    with make(with_blueprint=True, acl="private").app_context():
        assert current_media.url(KEY) == "/media/files/public/%C3%8Atre+a.png"
        assert current_media.storage.public_url(KEY) == bucket
    with make(with_blueprint=False, acl="private").app_context():
        assert current_media.url(KEY) == bucket
    with make(with_blueprint=True).app_context():
        assert current_media.url(KEY) == bucket


def test_others_are_private() -> None:
    """What the app serves itself is for those it lets in."""
    storage = MemoryStorage(base_url=lambda key: f"/media/files/{key}")
    assert storage.is_private
    assert storage.public_url("a") == storage.url("a") == "/media/files/a"


# Headers


def served(storage: S3Storage, key: str) -> tuple[str | None, str | None]:
    """The headers that the store serves an object with."""
    with urllib.request.urlopen(storage.signed_url(key, 60), timeout=10) as response:
        return response.headers["Cache-Control"], response.headers["Content-Disposition"]


def big(storage: S3Storage) -> None:
    """A large object, in parts."""
    put(storage, KEY, bytes(MULTIPART_BYTES + 1))


def copy(storage: S3Storage) -> None:
    """A copy of an object that was stored with other headers."""
    put(storage, "public/older.png")
    storage._client().copy_object(
        Bucket="media",
        Key="public/older.png",
        CopySource={"Bucket": "media", "Key": "public/older.png"},
        MetadataDirective="REPLACE",
        Metadata=storage._find("public/older.png")["Metadata"],
        CacheControl="no-store",
    )
    storage.copy("public/older.png", KEY)


@pytest.mark.parametrize("name", ["moto", "seaweedfs"])
@pytest.mark.parametrize("store", [lambda storage: put(storage, KEY), big, copy])
def test_headers(
    request: pytest.FixtureRequest, name: str, store: Callable[[S3Storage], None]
) -> None:
    """The store serves each object with the headers configured, however it came there."""
    server: S3Server = request.getfixturevalue(name)
    control = "public, max-age=31536000, immutable"
    storage = server.storage(cache_control=control, content_disposition="inline")
    store(storage)
    assert served(storage, KEY) == (control, "inline")
    plain = server.storage(content_disposition="attachment")
    store(plain)
    assert served(plain, KEY) == (None, "attachment")


def test_no_headers(moto: S3Server) -> None:
    """Without them the store sends none; a copy keeps those of its source."""
    storage = moto.storage()
    put(storage, KEY)
    assert served(storage, KEY) == (None, None)
    copy(storage)
    assert served(storage, KEY) == ("no-store", None)
