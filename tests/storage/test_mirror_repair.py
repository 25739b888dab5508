"""How the faults of a storage or its mirror are made up for."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from flask_media.errors import StorageError
from flask_media.storage.filesystem import FilesystemStorage
from flask_media.storage.mirror import MirroredStorage

from .mirror_tools import KEY
from .mirror_tools import SHA256
from .mirror_tools import Bucket
from .mirror_tools import put
from .mirror_tools import read
from .s3_tools import BODY

pytestmark = pytest.mark.usefixtures("no_backoff")


@pytest.fixture
def folder(tmp_path: Path) -> FilesystemStorage:
    """The other storage."""
    return FilesystemStorage(tmp_path / "media")


def test_main_lost_it(bucket: Bucket, folder: FilesystemStorage) -> None:
    """An object that the main storage lost comes back, if the mirror has exactly that one."""
    storage = MirroredStorage(bucket.storage, folder)
    storage.put(KEY, BODY, content_type="a/b", sha256=SHA256, metadata={"goal": "7"}, job_id="mine")
    stat = storage.stat(KEY)
    bucket.direct.delete(KEY)
    assert not storage.repair(KEY, "0" * 64)
    assert not bucket.direct.exists(KEY)
    assert storage.repair(KEY, SHA256)
    assert bucket.direct.stat(KEY) == stat
    assert read(bucket.direct) == BODY
    assert not storage.repair(KEY, SHA256)


def test_nothing_to_repair(bucket: Bucket, folder: FilesystemStorage) -> None:
    """What neither has, or the main storage has with other bytes, is left as it is."""
    storage = MirroredStorage(bucket.storage, folder)
    assert not storage.repair(KEY, SHA256)
    put(bucket.direct, KEY, b"another")
    assert not storage.repair(KEY, SHA256)
    assert not folder.exists(KEY)


def test_another_job_in_the_mirror(bucket: Bucket, folder: FilesystemStorage) -> None:
    """The same bytes of another job are replaced, so that both tell of the same one."""
    storage = MirroredStorage(bucket.storage, folder)
    for place, job_id in ((folder, "older"), (bucket.direct, "mine")):
        place.put(KEY, BODY, content_type="a/b", sha256=SHA256, job_id=job_id)
    assert storage.repair(KEY, SHA256)
    assert folder.stat(KEY).job_id == "mine"


@pytest.mark.parametrize("lost_by", ["main", "mirror"])
def test_repair_in_an_outage(bucket: Bucket, folder: FilesystemStorage, lost_by: str) -> None:
    """Nothing is repaired from or to a storage that can't be asked; it says so."""
    pair = (bucket.storage, folder) if lost_by == "main" else (folder, bucket.storage)
    put(folder)
    bucket.go_down()
    with pytest.raises(StorageError) as caught:
        MirroredStorage(*pair).repair(KEY, SHA256)
    assert caught.value.retryable
    assert read(folder) == BODY


def test_damaged_bytes_are_not_spread(bucket: Bucket, folder: FilesystemStorage) -> None:
    """Bytes that are not those of the SHA-256 any more go to no other storage."""
    bucket.direct.put(KEY, b"x", content_type="a/b", sha256=hashlib.sha256(b"x").hexdigest())
    client = bucket.direct._client()
    headers = client.head_object(Bucket="media", Key=KEY)["Metadata"]
    client.put_object(Bucket="media", Key=KEY, Body=b"y", Metadata=headers)
    with pytest.raises(StorageError, match="SHA-256"):
        MirroredStorage(bucket.storage, folder).repair(KEY, hashlib.sha256(b"x").hexdigest())
    assert not folder.exists(KEY)
