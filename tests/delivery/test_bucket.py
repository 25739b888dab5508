"""Pictures of a private bucket: shown by the app to whom it lets in, and published one by one."""

from __future__ import annotations

import urllib.error
import urllib.request
import uuid
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest

from flask_media import ImageGenerationConfig
from flask_media import MediaResult
from flask_media import NotConfigured
from flask_media import NotFound
from flask_media.options import ImageFormat
from flask_media.storage.s3 import S3Storage

from ..servers import S3Server
from .conftest import MakeSite
from .site import SMALL
from .site import Site

EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"

ASKED: dict[str, Any] = {
    "variants": SMALL,
    "keep_original": True,
    "config": ImageGenerationConfig(size=(120, 60), format=ImageFormat.PNG),
}


def on(server: S3Server, **changes: Any) -> dict[str, Any]:
    """The config of a private bucket of a provider that has ACLs, as that server has them."""
    return {
        "MEDIA_STORAGE": "spaces",
        "SPACES_PROVIDER": "digitalocean_spaces",
        "SPACES_ENDPOINT_URL": server.endpoint_url,
        "SPACES_ADDRESSING_STYLE": "path",
        "SPACES_BUCKET": server.bucket,
        "SPACES_REGION": "us-east-1",
        "SPACES_KEY": server.key,
        "SPACES_SECRET": server.secret,
        "SPACES_ACL": "private",
    } | changes


@pytest.fixture(params=["seaweedfs", "moto"])
def server(request: pytest.FixtureRequest) -> S3Server:
    """A store that checks signatures, and one that lets anybody see what is public."""
    running: S3Server = request.getfixturevalue(request.param)
    return running


@pytest.fixture
def site(make_site: MakeSite, server: S3Server) -> Site:
    """An app whose bucket is private."""
    return make_site(**on(server))


@pytest.fixture
def key() -> str:
    """A key that no other test has."""
    return f"private/{uuid.uuid4().hex}.png"


def public(site: Site, key: str) -> bool:
    """Whether the object's ACL lets anybody read it, as the store says."""
    storage = site.media.storage
    assert isinstance(storage, S3Storage)
    answer = storage._request(
        "read", key, lambda client: client.get_object_acl(Bucket="media", Key=key)
    )
    readers = [one["Grantee"].get("URI") for one in answer["Grants"]]
    return EVERYBODY in readers


def fetched(url: str) -> bytes | int:
    """What a stranger gets of a URL: the bytes, or the status."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            data: bytes = response.read()
            return data
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def way(site: Site, url: str | None, who: str | None) -> str | int:
    """Where the app leads a caller, or the status."""
    response = site.get(url, who)
    return response.headers["Location"] if response.status_code == 302 else response.status_code


def all_of(result: MediaResult) -> dict[str, str | None]:
    """The URLs of a picture and its variants by key."""
    variants = {one.object_key: one.url for one in result.variants.values()}
    return {result.object_key: result.url} | variants


def original_of(result: MediaResult) -> tuple[str, str | None]:
    """Key and URL of the untouched file."""
    assert result.original is not None
    return result.original.object_key, result.original.url


def test_who_is_let_in(site: Site, key: str) -> None:
    """The URL is the app's own and stays; it leads who is let in to a signed one that works, and
    nobody else anywhere."""
    result = site.ask(key=key, **ASKED)
    assert result.url == f"/media/files/{key}"
    original, url = original_of(result)
    for one, path in {**all_of(result), original: url}.items():
        signed = way(site, path, "ann")
        assert isinstance(signed, str)
        assert 0 < int(parse_qs(urlsplit(signed).query)["X-Amz-Expires"][0]) <= 300
        with site.media.open(one) as file:
            assert fetched(signed) == file.read()
        assert way(site, path, None) == 403
        assert fetched(signed.partition("?")[0]) == 403
        assert not public(site, one)
    assert site.media.info(key).url == result.url


def test_published(site: Site, key: str, server: S3Server, moto: S3Server) -> None:
    """A published picture is public in the bucket, its variants too and the untouched original not;
    the app's URL leads strangers there, until it is private again."""
    result = site.ask(key=key, **ASKED)
    original, original_url = original_of(result)
    base = f"{server.endpoint_url}/media"
    with site.app.app_context():
        assert site.media.publish(key) == f"{base}/{key}"
    for one, path in all_of(result).items():
        assert public(site, one)
        assert way(site, path, None) == f"{base}/{one}"
        if server is moto:  # SeaweedFS keeps ACLs, and asks for a signature all the same
            with site.media.open(one) as file:
                assert fetched(f"{base}/{one}") == file.read()
    assert not public(site, original)
    assert way(site, original_url, None) == 403
    info = site.media.info(key)
    assert (info.is_public, info.url) == (True, f"{base}/{key}")
    assert {one.url for one in info.variants.values()} == {
        f"{base}/{one.object_key}" for one in result.variants.values()
    }

    site.media.unpublish(key)
    for one, path in all_of(result).items():
        assert not public(site, one)
        assert way(site, path, None) == 403
        assert fetched(f"{base}/{one}") == 403
    assert (site.media.info(key).is_public, site.media.info(key).url) == (False, result.url)


def test_made_after_publishing(site: Site, key: str) -> None:
    """A variant that is made of a published picture is public from the start."""
    site.ask(key=key, variants={})
    site.media.publish(key)
    made = site.media.make_variants(key, {"thumb": 64})["thumb"]
    assert public(site, made.object_key)
    assert made.url == site.media.storage.public_url(made.object_key)


def test_lazy_and_published(make_site: MakeSite, server: S3Server, key: str) -> None:
    """A stranger's first GET of a variant of a published picture makes it, public."""
    site = make_site(**on(server), MEDIA_VARIANTS_WHEN="lazy")
    variant = site.ask(key=key).variants["thumb"]
    assert way(site, variant.url, None) == 403
    assert not site.media.storage.exists(variant.object_key)
    site.media.publish(key)
    assert way(site, variant.url, None) == site.media.storage.public_url(variant.object_key)
    assert public(site, variant.object_key)


def test_stored_anew(site: Site, key: str) -> None:
    """What replaces a published picture is private in the bucket and in the journal."""
    result = site.ask(key=key)
    site.media.publish(key)
    site.ask("A red barn", key)
    assert not site.media.info(key).is_public
    for one, path in all_of(result).items():
        assert not public(site, one)
        assert way(site, path, None) == 403


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_fault_midway(site: Site, key: str, lost: int) -> None:
    """Where one of the objects can't be published, none is, and the journal says so; where one
    can't be hidden again, the picture stays public in the journal."""
    result = site.ask(key=key)
    objects = list(all_of(result))
    site.media.storage.delete(objects[lost])
    with pytest.raises(NotFound):
        site.media.publish(key)
    there = [one for one in objects if one != objects[lost]]
    assert not any(public(site, one) for one in there)
    assert not site.media.info(key).is_public

    site.ask(key=key)
    site.media.publish(key)
    site.media.storage.delete(objects[lost])
    with pytest.raises(NotFound):
        site.media.unpublish(key)
    assert site.media.info(key).is_public


@pytest.mark.parametrize("provider", ["cloudflare_r2", "minio", "backblaze_b2"])
def test_no_acls(make_site: MakeSite, seaweedfs: S3Server, key: str, provider: str) -> None:
    """Where objects have no ACLs publishing is refused by what to do instead, and the picture stays
    private."""
    site = make_site(**on(seaweedfs, SPACES_PROVIDER=provider))
    result = site.ask(key=key)
    for change in (site.media.publish, site.media.unpublish):
        with pytest.raises(NotConfigured, match="bucket public"):
            change(key)
        assert not site.media.info(key).is_public
        assert way(site, result.url, None) == 403
    assert isinstance(way(site, result.url, "ann"), str)
