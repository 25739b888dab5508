"""Variants that are made when somebody first asks for one."""

from __future__ import annotations

import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from flask_media import InvalidRequest
from flask_media import MediaResult
from flask_media.storage.base import Storage

from ..servers import S3Server
from .conftest import MakeSite
from .site import KEY
from .site import SMALL
from .site import Site
from .site import keys
from .site import on_both
from .site import shape


@pytest.fixture
def lazy(make_site: MakeSite) -> Site:
    """An app whose variants are made when asked for."""
    return make_site(MEDIA_VARIANTS_WHEN="lazy")


@on_both
def test_made_when_asked_for(lazy: Site) -> None:
    """The result says what the variant will be; the first GET of its URL makes it so."""
    result = lazy.ask()
    variant = result.variants["card"]
    assert (variant.is_made, variant.width, variant.height) == (False, 100, 50)
    assert lazy.files == keys()
    response = lazy.get(variant.url)
    assert (response.status_code, response.content_type) == (200, "image/webp")
    assert shape(response.data) == ("WEBP", (100, 50))
    assert lazy.files == keys("card.webp")
    made = lazy.media.info(KEY).variants
    assert {name: one.is_made for name, one in made.items()} == {"card": True, "thumb": False}
    assert made["card"].sha256 == hashlib.sha256(response.data).hexdigest()
    assert made["card"].url == variant.url


@on_both
def test_many_at_once(lazy: Site) -> None:
    """Forty requests at once for one variant all get it."""
    url = lazy.ask().variants["thumb"].url
    barrier = threading.Barrier(40)

    def get(_: int) -> bytes:
        barrier.wait()
        response = lazy.get(url)
        assert response.status_code == 200
        return bytes(response.data)

    with ThreadPoolExecutor(40) as threads:
        assert len(set(threads.map(get, range(40)))) == 1


def test_only_what_is_listed(lazy: Site) -> None:
    """A variant that nobody asked for is not made, whatever its key is like."""
    lazy.ask()
    assert lazy.get("/media/files/goals/7/house.huge.webp").status_code == 404
    assert lazy.get("/media/files/goals/7/house.thumb.png").status_code == 404
    assert lazy.files == keys()


@on_both
def test_of_a_deleted_picture(lazy: Site) -> None:
    """A variant of a picture that was deleted is not made; nor one of whose object is gone."""
    url = lazy.ask().variants["thumb"].url
    lazy.media.storage.delete(KEY)
    assert lazy.get(url).status_code == 404
    lazy.media.delete(KEY)
    assert lazy.get(url).status_code == 404
    assert lazy.files == set()


@on_both
def test_of_a_replaced_picture(lazy: Site) -> None:
    """A picture that replaces another one has variants of its own under the same keys."""
    url = lazy.ask().variants["thumb"].url
    first = lazy.get(url).data
    assert lazy.ask("A red barn").variants["thumb"].url == url
    second = lazy.get(url).data
    assert shape(second) == shape(first)
    assert second != first


@pytest.mark.parametrize("who", [None, "eve"])
def test_access(make_site: MakeSite, who: str | None) -> None:
    """A variant is for whom its picture is for, and is made for nobody else."""
    seen = []

    def can_read(who: str, key: str) -> bool:
        seen.append((who, key))
        return who == "ann"

    lazy = make_site(MEDIA_VARIANTS_WHEN="lazy", can_read=can_read)
    url = lazy.ask().variants["thumb"].url
    assert lazy.get(url, who).status_code in (403, 404)
    assert lazy.files == keys()
    assert lazy.get(url, "ann").status_code == 200
    assert all(key == KEY for _, key in seen)


def test_signed_link(lazy: Site) -> None:
    """A link to a variant makes it too."""
    variant = lazy.ask().variants["thumb"]
    with lazy.app.app_context():
        link = lazy.media.signed_url(variant.object_key)
    assert shape(lazy.get(link, None).data) == ("WEBP", (64, 64))


def test_a_head_request(lazy: Site) -> None:
    """HEAD says what GET would."""
    url = lazy.ask().variants["thumb"].url
    response = lazy.app.test_client().head(url, headers={"X-User": "ann"})
    assert response.status_code == 200
    assert response.content_length == len(lazy.get(url).data)


def test_in_a_bucket(make_site: MakeSite, seaweedfs: S3Server) -> None:
    """In a bucket too: the app's URL makes the variant and leads to it."""
    site = make_site(**_bucket(seaweedfs), MEDIA_VARIANTS_WHEN="lazy")
    result = site.ask(key="lazy/house.png")
    variant = result.variants["thumb"]
    assert variant.url == "/media/files/lazy/house.thumb.webp"
    response = site.get(variant.url)
    assert response.status_code == 302
    assert _exists(site.media.storage, variant.object_key)
    site.media.delete("lazy/house.png")
    assert not _exists(site.media.storage, variant.object_key)


def test_of_a_turned_picture(lazy: Site) -> None:
    """What is said of a variant of a picture that lies on its side is what it then has."""
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.new("RGB", (200, 100), "teal").save(file, "JPEG", exif=exif)
    with lazy.app.app_context():
        result = lazy.media.upload(file.getvalue(), "turned.jpg", variants={"thumb": 50})
    thumb = result.variants["thumb"]
    assert (thumb.width, thumb.height) == (50, 100)
    assert shape(lazy.get(thumb.url).data) == ("WEBP", (50, 100))


@on_both
def test_regenerated(lazy: Site) -> None:
    """Variants of a stored picture are made anew, or others are, at no cost."""
    lazy.ask()
    made = lazy.media.make_variants(KEY)
    assert all(one.is_made for one in made.values())
    made = lazy.media.make_variants(KEY, {"thumb": {"width": 20, "format": "jpeg"}, "wide": 200})
    assert set(made) == {"thumb", "card", "wide"}
    assert lazy.files == keys("thumb.jpg", "card.webp", "wide.webp")
    assert made["thumb"].width == 20
    assert lazy.emulator.calls == 1


@on_both
def test_of_what_others_stored(site: Site) -> None:
    """Variants can be made of a picture that was in the storage before."""
    data = site.emulator_png()
    sha256 = hashlib.sha256(data).hexdigest()
    site.media.storage.put("old.png", data, content_type="image/png", sha256=sha256)
    made = site.media.make_variants("old.png", SMALL)
    assert shape((site.folder / made["card"].object_key).read_bytes()) == ("WEBP", (100, 50))
    site.media.delete("old.png")
    assert site.files == set()


def _bucket(server: S3Server) -> dict[str, Any]:
    return {
        "MEDIA_STORAGE": "spaces",
        "SPACES_PROVIDER": "minio",
        "SPACES_ENDPOINT_URL": server.endpoint_url,
        "SPACES_BUCKET": server.bucket,
        "SPACES_REGION": "us-east-1",
        "SPACES_KEY": server.key,
        "SPACES_SECRET": server.secret,
        "SPACES_ACL": "private",
    }


def _exists(storage: Storage, key: str) -> bool:
    return storage.exists(key)


def test_the_result_again(lazy: Site) -> None:
    """The result of a finished request lists the variants as they stand by now."""
    lazy.get(lazy.ask(idempotency_key="k").variants["thumb"].url)
    result = lazy.ask(idempotency_key="k")
    assert isinstance(result, MediaResult)
    assert result.variants["thumb"].is_made


def test_an_object_that_is_lost(lazy: Site) -> None:
    """A variant whose object somebody deleted is made again when it is asked for."""
    variant = lazy.ask().variants["thumb"]
    first = lazy.get(variant.url).data
    (lazy.folder / variant.object_key).unlink()
    assert lazy.get(variant.url).data == first
    (lazy.folder / KEY).unlink()
    (lazy.folder / variant.object_key).unlink()
    assert lazy.get(variant.url).status_code == 404


def test_the_key_of_a_variant(lazy: Site) -> None:
    """A variant goes with its picture: alone it can't be published, copied or have variants."""
    key = lazy.ask().variants["thumb"].object_key
    for ask in (lazy.media.publish, lazy.media.unpublish, lazy.media.make_variants):
        with pytest.raises(InvalidRequest, match=KEY):
            ask(key)
    with pytest.raises(InvalidRequest, match=KEY):
        lazy.media.copy(key, "b.webp")
    lazy.ask()


def test_an_old_picture_gets_those_of_the_config(make_site: MakeSite) -> None:
    """make_variants of a picture that somebody else stored makes what MEDIA_VARIANTS says."""
    site = make_site(MEDIA_VARIANTS=SMALL)
    data = site.emulator_png()
    sha256 = hashlib.sha256(data).hexdigest()
    site.media.storage.put("old.png", data, content_type="image/png", sha256=sha256)
    assert set(site.media.make_variants("old.png")) == {*SMALL}
