"""Two storages as one: what a fault of either costs."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flask_media.errors import InvalidConfig
from flask_media.errors import InvalidRequest
from flask_media.errors import NotConfigured
from flask_media.errors import NotFound
from flask_media.errors import StorageError
from flask_media.options import StorageProvider
from flask_media.storage import mirror as mirror_module
from flask_media.storage.filesystem import FilesystemStorage
from flask_media.storage.memory import MemoryStorage
from flask_media.storage.mirror import MirroredStorage
from flask_media.storage.s3 import S3Storage

from ..servers import S3Server
from .mirror_tools import KEY
from .mirror_tools import SHA256
from .mirror_tools import Bucket
from .mirror_tools import put
from .mirror_tools import read
from .s3_tools import BODY
from .s3_tools import assert_safe

pytestmark = pytest.mark.usefixtures("no_backoff")


@pytest.fixture
def folder(tmp_path: Path) -> FilesystemStorage:
    """The other storage."""
    return FilesystemStorage(tmp_path / "media")


# Writing


def test_both_have_it(bucket: Bucket, folder: FilesystemStorage) -> None:
    """What is put, copied and moved is in both, the same in every respect."""
    storage = MirroredStorage(bucket.storage, folder)
    storage.put(KEY, BODY, content_type="a/b", sha256=SHA256, metadata={"goal": "7"}, job_id="mine")
    storage.copy(KEY, "mirrored/copy.png")
    storage.move("mirrored/copy.png", "mirrored/moved.png")
    for key in (KEY, "mirrored/moved.png"):
        assert bucket.direct.stat(key) == folder.stat(key)
        assert folder.stat(key).job_id == "mine"
        assert read(bucket.direct, key) == read(folder, key) == BODY
    assert not folder.exists("mirrored/copy.png")
    storage.delete(KEY)
    assert not bucket.direct.exists(KEY)
    assert not folder.exists(KEY)


@pytest.mark.parametrize("fault", [Bucket.go_down, Bucket.refuse])
@pytest.mark.parametrize("form", ["bytes", "file"])
def test_mirror_is_down(
    bucket: Bucket,
    folder: FilesystemStorage,
    caplog: pytest.LogCaptureFixture,
    fault: Callable[[Bucket], None],
    form: str,
) -> None:
    """A fault of the mirror costs nothing, is told once for each key, and repaired."""
    storage = MirroredStorage(folder, bucket.storage)
    fault(bucket)
    for key in (KEY, KEY, "mirrored/b.png"):
        if form == "bytes":
            put(storage, key)
        else:
            storage.put_file(
                key,
                io.BytesIO(BODY),
                content_type="image/png",
                sha256=SHA256,
                size_bytes=len(BODY),
            )
    told = [record.getMessage() for record in caplog.records if "gc" in record.getMessage()]
    assert len(told) == 2
    assert f"s3://media@{bucket.storage.location.partition('@')[2]}" in told[0]
    assert repr(KEY) in told[0]
    assert "test-access-key" not in caplog.text
    assert read(storage) == BODY
    bucket.come_back()
    assert storage.repair(KEY, SHA256)
    assert not storage.repair(KEY, SHA256)
    assert bucket.direct.stat(KEY) == folder.stat(KEY)
    assert read(bucket.direct) == BODY

    bucket.go_down()  # another fault of that key, which is told again
    caplog.clear()
    put(storage, KEY)
    assert repr(KEY) in caplog.text


def test_keys_that_were_told_of_are_bounded(
    folder: FilesystemStorage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long outage of the mirror doesn't fill the memory."""
    monkeypatch.setattr(mirror_module, "MAX_TOLD", 3)
    storage = MirroredStorage(folder, S3Server(endpoint_url="http://127.0.0.1:9").storage())
    for number in range(10):
        put(storage, f"told/{number}")
        assert len(storage._told) <= 3
    assert caplog.text.count("gc will repair it") == 10


def test_mirror_without_credentials(
    folder: FilesystemStorage, caplog: pytest.LogCaptureFixture
) -> None:
    """A mirror that lacks a config key is found before paying; what is put is stored anyway."""
    bare = S3Storage(
        provider=StorageProvider.AWS_S3, bucket="media", region=None, key=None, secret=None
    )
    storage = MirroredStorage(folder, bare)
    with pytest.raises(NotConfigured, match=r"MEDIA_STORAGE_MIRROR: .*SPACES_KEY, SPACES_SECRET"):
        storage.check_ready()
    put(storage)
    assert read(folder) == BODY
    assert "SPACES_KEY" in caplog.text


def test_fault_of_another_kind(folder: FilesystemStorage, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a mirror raises costs nothing; what it quotes is not logged."""

    class Odd(MemoryStorage):
        def _put(self, *_args: Any) -> None:
            raise ZeroDivisionError("with a secret")

    put(MirroredStorage(folder, Odd()))
    assert read(folder) == BODY
    assert "ZeroDivisionError" in caplog.text
    assert "with a secret" not in caplog.text


@pytest.mark.parametrize("fault", [Bucket.go_down, Bucket.refuse])
def test_main_is_down_for_a_write(
    bucket: Bucket, folder: FilesystemStorage, fault: Callable[[Bucket], None]
) -> None:
    """What the main storage did not take is an error as ever, and in no mirror."""
    storage = MirroredStorage(bucket.storage, folder)
    fault(bucket)
    writes: list[Callable[[], None]] = [
        lambda: put(storage),
        lambda: storage.copy("a", KEY),
        lambda: storage.delete("a"),
    ]
    for write in writes:
        with pytest.raises(StorageError) as caught:
            write()
        assert_safe(caught.value)
    assert not folder.exists(KEY)


@pytest.mark.parametrize("fault", [Bucket.go_down, Bucket.refuse])
def test_delete_that_the_mirror_misses(
    bucket: Bucket, folder: FilesystemStorage, fault: Callable[[Bucket], None]
) -> None:
    """A delete that is half done is retryable, and the next one finishes it."""
    storage = MirroredStorage(folder, bucket.storage)
    put(storage)
    fault(bucket)
    with pytest.raises(StorageError, match="not in the mirror s3://media@") as caught:
        storage.delete(KEY)
    assert caught.value.retryable
    assert not isinstance(caught.value, NotFound)
    assert_safe(caught.value)
    assert not folder.exists(KEY)
    assert bucket.direct.exists(KEY)
    bucket.come_back()
    storage.delete(KEY)
    assert not bucket.direct.exists(KEY)


def test_copy_of_what_the_mirror_has_not(bucket: Bucket, folder: FilesystemStorage) -> None:
    """A copy is of what the main storage has, also where the mirror has an older object or none."""
    storage = MirroredStorage(folder, bucket.storage)
    put(folder, "mirrored/none.png")
    put(folder, "mirrored/older.png")
    put(bucket.direct, "mirrored/older.png", b"older")
    bucket.direct.delete("mirrored/none.png")
    for name in ("none", "older"):
        bucket.direct.delete(f"mirrored/copy-{name}.png")
        storage.copy(f"mirrored/{name}.png", f"mirrored/copy-{name}.png")
        assert read(bucket.direct, f"mirrored/copy-{name}.png") == BODY


def test_copy_of_a_file_put_by_hand(folder: FilesystemStorage, tmp_path: Path) -> None:
    """An object that nobody described is copied to both, too."""
    mirror = MemoryStorage()
    put(folder, "b.png")
    (tmp_path / "media" / "hand.png").write_bytes(BODY)
    MirroredStorage(folder, mirror).copy("hand.png", "copy.png")
    assert read(folder, "copy.png") == read(mirror, "copy.png") == BODY


# Reading


def test_main_is_down_for_reading(
    bucket: Bucket, folder: FilesystemStorage, caplog: pytest.LogCaptureFixture
) -> None:
    """While the main storage is out of reach the mirror answers, and it is told once."""
    storage = MirroredStorage(bucket.storage, folder)
    put(storage)
    stat = storage.stat(KEY)
    caplog.clear()
    caplog.set_level(logging.WARNING)
    bucket.go_down()
    for _ in range(2):
        assert read(storage) == BODY
        assert storage.stat(KEY) == stat
        assert storage.exists(KEY)
        assert storage.holds(KEY, SHA256)
    (record,) = caplog.records
    assert folder.location in record.getMessage()
    bucket.come_back()
    put(bucket.direct, KEY, b"newer")
    assert read(storage) == b"newer"


def test_what_the_mirror_lacks_is_no_proof(bucket: Bucket, folder: FilesystemStorage) -> None:
    """What is in no mirror can be in the main storage: it is an outage, and no NotFound."""
    storage = MirroredStorage(bucket.storage, folder)
    bucket.go_down()
    for ask in (storage.stat, storage.open, storage.exists):
        with pytest.raises(StorageError, match="No answer") as caught:
            ask(KEY)
        assert caught.value.retryable
        assert not isinstance(caught.value, NotFound)
        assert_safe(caught.value)


def test_main_has_the_word(bucket: Bucket, folder: FilesystemStorage) -> None:
    """What the main storage says, it says: no mirror is asked on a NotFound or a refusal."""
    storage = MirroredStorage(bucket.storage, folder)
    put(folder)
    with pytest.raises(NotFound):
        storage.stat(KEY)
    assert not storage.exists(KEY)
    bucket.refuse()
    with pytest.raises(StorageError, match="403") as caught:
        storage.open(KEY)
    assert not caught.value.retryable


# The rest


def test_the_main_storage_speaks_for_both(moto: S3Server, folder: FilesystemStorage) -> None:
    """Location and URLs are the main storage's, so that a mirror can come and go."""
    spaces = moto.storage(acl="private", cdn_url="https://cdn.example.com")
    storage = MirroredStorage(spaces, folder)
    for name in ("location", "is_private", "signs_itself"):
        assert getattr(storage, name) == getattr(spaces, name)
    for name in ("url", "public_url"):
        assert getattr(storage, name)(KEY) == getattr(spaces, name)(KEY)
    assert storage.signed_url(KEY, 60).startswith(f"{moto.endpoint_url}/media/{KEY}?")
    assert not MirroredStorage(folder, spaces).signs_itself
    assert (storage.main, storage.mirror) == (spaces, folder)
    assert repr(storage).startswith(f"<MirroredStorage {spaces.location}, mirrored in file://")


def test_keys_that_one_of_them_refuses(bucket: Bucket, folder: FilesystemStorage) -> None:
    """A key must suit both."""
    put(folder, "mirrored/file")
    for pair in ((bucket.storage, folder), (folder, bucket.storage)):
        storage = MirroredStorage(*pair)
        with pytest.raises(InvalidRequest, match="file system"):
            storage.check_key("mirrored/file/below")


def test_mirror_that_can_t_look(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A mirror whose folder is gone is no reason to refuse a key."""
    (tmp_path / "file").write_bytes(b"")
    main = MemoryStorage()
    storage = MirroredStorage(main, FilesystemStorage(tmp_path / "file"))
    put(storage)
    assert read(main) == BODY
    assert "MEDIA_FOLDER" in caplog.text
    with pytest.raises(NotConfigured, match="MEDIA_STORAGE_MIRROR: MEDIA_FOLDER"):
        storage.check_ready()


def test_publish(moto: S3Server, bucket: Bucket, folder: FilesystemStorage) -> None:
    """The main storage's object is published; one that stays public in the mirror is told of."""
    spaces = moto.storage(provider=StorageProvider.DIGITALOCEAN_SPACES, acl="private")
    storage = MirroredStorage(spaces, folder)
    put(spaces)  # the mirror missed it
    storage.publish(KEY)
    storage.unpublish(KEY)

    mirror = S3Server(endpoint_url=bucket.storage._endpoint or "").storage(
        provider=StorageProvider.DIGITALOCEAN_SPACES
    )
    storage = MirroredStorage(folder, mirror)
    put(storage)
    storage.publish(KEY)
    bucket.go_down()
    storage.publish(KEY)
    with pytest.raises(StorageError, match=r"unpublished in file://.*not in the mirror") as caught:
        storage.unpublish(KEY)
    assert caught.value.retryable
    bucket.come_back()
    storage.unpublish(KEY)
    grants = mirror._client().get_object_acl(Bucket="media", Key=KEY)["Grants"]
    assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL"]


def test_same_place(tmp_path: Path, moto: S3Server) -> None:
    """A storage is no mirror of itself."""
    for make in (lambda: FilesystemStorage(tmp_path), moto.storage):
        with pytest.raises(InvalidConfig, match="MEDIA_STORAGE_MIRROR"):
            MirroredStorage(make(), make())
    MirroredStorage(MemoryStorage(), MemoryStorage())
