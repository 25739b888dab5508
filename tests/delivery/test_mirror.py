"""Pictures and their variants in two storages: a folder, and a bucket that can be away."""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from flask_media import NotFound
from flask_media import StorageError
from flask_media.storage.mirror import MirroredStorage

from ..faults import FaultServer
from ..faults import fault_server
from ..faults import forward
from ..faults import hang_up
from ..servers import S3Server
from .conftest import MakeSite
from .site import KEY
from .site import Site
from .site import keys

FIVE = [f"pictures/{number}.png" for number in range(5)]

THUMB = "goals/7/house.thumb.webp"


class Bucket:
    """A bucket of its own, and the way to it.

    :param server: has the bucket.
    :param way: hands each request on to the server.
    """

    def __init__(self, server: S3Server, way: FaultServer) -> None:
        self.config = {
            "MEDIA_STORAGE": "spaces",
            "SPACES_PROVIDER": "minio",
            "SPACES_ENDPOINT_URL": way.url,
            "SPACES_BUCKET": server.bucket,
            "SPACES_KEY": server.key,
            "SPACES_SECRET": server.secret,
        }
        self._storage = server.storage()
        self._server = server
        self._way = way
        way.play(forward(server.endpoint_url))

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """While it is out of reach."""
        self._way.play(hang_up)
        yield
        self._way.play(forward(self._server.endpoint_url))

    @property
    def objects(self) -> dict[str, bytes]:
        """What is in it."""
        answer = self._storage._request(
            "list", "", lambda client: client.list_objects_v2(Bucket=self._server.bucket)
        )
        return {one["Key"]: self._read(one["Key"]) for one in answer.get("Contents", ())}

    def _read(self, key: str) -> bytes:
        with self._storage.open(key) as file:
            return file.read()

    def lose(self, key: str) -> None:
        """Have an object gone."""
        self._storage.delete(key)


@pytest.fixture
def bucket(moto: S3Server) -> Iterator[Bucket]:
    """A new bucket."""
    server = dataclasses.replace(moto, bucket=f"second-{uuid.uuid4().hex}")
    server.make_bucket()
    with fault_server() as way:
        yield Bucket(server, way)


@pytest.fixture
def site(make_site: MakeSite, bucket: Bucket) -> Site:
    """An app whose folder is mirrored in the bucket."""
    return make_site(MEDIA_STORAGE_MIRROR=bucket.config)


def objects(site: Site) -> dict[str, bytes]:
    """What is in the folder."""
    return {key: (site.folder / key).read_bytes() for key in site.files}


def test_in_both(site: Site, bucket: Bucket) -> None:
    """A picture, its variants and its original are in both storages, and deleted from both."""
    site.ask(keep_original=True)
    site.media.make_variants(KEY, {"wide": 200})
    assert bucket.objects.keys() == keys("thumb.webp", "card.webp", "wide.webp")
    assert bucket.objects == objects(site)
    site.media.copy(KEY, "copy.png")
    site.media.delete(KEY)
    assert bucket.objects.keys() == keys("thumb.webp", "card.webp", "wide.webp", stem="copy")
    assert bucket.objects == objects(site)


def test_in_memory(make_site: MakeSite) -> None:
    """The second storage may be another kind; gc finds nothing that is missing in it."""
    site = make_site(MEDIA_STORAGE_MIRROR="memory")
    site.ask()
    storage = site.media.storage
    assert isinstance(storage, MirroredStorage)
    for key, data in objects(site).items():
        with storage.mirror.open(key) as file:
            assert file.read() == data
    assert site.media.gc().copied == 0


def test_the_main_storage_is_away(make_site: MakeSite, bucket: Bucket, config: Any) -> None:
    """While the main storage is out of reach the mirror shows pictures and variants."""
    mirror = {"MEDIA_STORAGE": "filesystem", "MEDIA_FOLDER": config["MEDIA_FOLDER"]}
    site = make_site(**bucket.config, MEDIA_STORAGE_MIRROR=mirror, files="proxy", SPACES_ACL="none")
    result = site.ask()
    for key in (result.object_key, *(one.object_key for one in result.variants.values())):
        url = f"/media/files/{key}"
        before = site.get(url).data
        assert before == bucket.objects[key]
        with bucket.away():
            response = site.get(url)
        assert (response.status_code, response.data) == (200, before)


def test_the_mirror_is_away(site: Site, bucket: Bucket) -> None:
    """Five pictures are stored while the mirror is away; gc copies them and their variants once it
    is back, and nothing again."""
    with bucket.away():
        for key in FIVE:
            result = site.ask(f"A house, {key}", key)
            assert site.get(result.url).status_code == 200
        assert (site.media.gc().copied, len(site.files)) == (0, 15)
    assert bucket.objects == {}
    assert site.media.gc().copied == 15
    assert len(bucket.objects) == 15
    assert bucket.objects == objects(site)
    assert site.media.gc().copied == 0


def test_deleted_while_the_mirror_is_away(site: Site, bucket: Bucket) -> None:
    """A delete that the mirror missed raises, and gc completes it."""
    for key in FIVE[:2]:
        site.ask(f"A house, {key}", key)
    with bucket.away():
        with pytest.raises(StorageError, match="mirror"):
            site.media.delete(FIVE[0])
        with pytest.raises(NotFound):
            site.media.info(FIVE[0])
        assert site.media.gc().deleted == 0
    assert site.media.gc().deleted == 1
    assert bucket.objects.keys() == keys("thumb.webp", "card.webp", stem="pictures/1")
    assert bucket.objects == objects(site)
    collected = site.media.gc()
    assert (collected.copied, collected.deleted) == (0, 0)


def test_replaced_while_the_mirror_is_away(site: Site, bucket: Bucket) -> None:
    """A picture that replaced another one while the mirror was away replaces it there too."""
    site.ask()
    with bucket.away():
        site.ask("A red barn")
    assert bucket.objects != objects(site)
    assert site.media.gc().copied == 3
    assert bucket.objects == objects(site)


@pytest.mark.parametrize("lost", [KEY, THUMB])
def test_the_main_storage_lost_an_object(site: Site, lost: str) -> None:
    """What the main storage lost gc brings back; nothing of it is taken for an orphan."""
    site.ask()
    before = objects(site)
    (site.folder / lost).unlink()
    collected = site.media.gc()
    assert (collected.copied, collected.deleted) == (1, 0)
    assert objects(site) == before


def test_lost_while_the_mirror_is_away(site: Site, bucket: Bucket) -> None:
    """What the main storage lost is no orphan while the mirror can't be asked for it: it is
    brought back later."""
    site.ask()
    before = objects(site)
    (site.folder / KEY).unlink()
    with bucket.away():
        collected = site.media.gc()
        assert (collected.copied, collected.deleted) == (0, 0)
    assert site.media.gc().copied == 1
    assert objects(site) == bucket.objects == before


def test_an_older_one_is_left_alone(site: Site, bucket: Bucket) -> None:
    """A picture that the main storage lost is no orphan while the mirror has an older one."""
    site.ask()
    with bucket.away():
        site.ask("A red barn")
    (site.folder / KEY).unlink()
    assert site.media.gc().deleted == 0
    assert KEY in bucket.objects


def test_gone_from_both(site: Site, bucket: Bucket) -> None:
    """What was made of a picture that neither storage has is deleted from both."""
    site.ask()
    (site.folder / KEY).unlink()
    bucket.lose(KEY)
    assert site.media.gc().deleted == 1
    assert objects(site) == bucket.objects == {}
