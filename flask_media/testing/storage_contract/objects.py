"""The contract of objects: what is put can be read, whatever its key, type and metadata."""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

import hashlib
import io
import os
import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import pytest

from ...errors import InvalidRequest
from ...errors import NotConfigured
from ...errors import NotFound
from ...keys import MAX_JOB_ID_LENGTH
from ...keys import MAX_METADATA_BYTES
from ...storage.base import Storage
from .base import ContractBase
from .base import put
from .base import read

THREADS = 16
"""Threads of the tests of concurrency."""

_ODD_NAMES = [
    "with space.png",
    " edge ",
    "Être libre · 目標 🏠.png",
    "e\u0301 and \u00e9.png",
    "100%25.png",
    "a+b=c&d.png",
    "what?.png",
    "no#1.png",
    "quote\"and'.png",
    "back\\slash.png",
    "til~de.png",
    "Upper and lower.PNG",
    "semi;colon,@$!*().png",
    "...",
    ".hidden",
    "-dash",
]

_WRONG_KEYS = [
    "",
    "/absolute",
    "a//b",
    "a/./b",
    "../up",
    "a/..",
    "end/",
    "nul\0",
    "line\r\nfeed",
    "lone\udcff",
    "x" * 1025,
    "é" * 513,
    b"bytes",
    None,
]

_METADATA = {
    "goal_name": "Être libre · 目標 🏠",
    "empty": "",
    " edges ": "  spaces at the edges  ",
    "with_underscore": "a_b",
    "with-dash": "a-b",
    "UpperCase": "Value",
    "uppercase": "another name",
    "number": "7",
    "signs": "a=b&c;d%20+e\"'",
}


class ObjectContract(ContractBase):
    """Objects are put, read and deleted; keys, metadata and URLs."""

    def test_round_trip(self, storage: Storage, folder: str) -> None:
        """What was put can be read, and stat tells its size, type, metadata and hash."""
        put(storage, f"{folder}/a.png", b"\x89PNG\r\n\0\xff", {"goal": "7"})
        assert read(storage, f"{folder}/a.png") == b"\x89PNG\r\n\0\xff"
        stat = storage.stat(f"{folder}/a.png")
        assert (stat.size_bytes, stat.content_type) == (8, "image/png")
        assert stat.metadata == {"goal": "7"}
        assert stat.sha256 == hashlib.sha256(b"\x89PNG\r\n\0\xff").hexdigest()

    def test_empty_object(self, storage: Storage, folder: str) -> None:
        """An object may be empty."""
        put(storage, f"{folder}/empty", b"")
        assert read(storage, f"{folder}/empty") == b""
        assert storage.stat(f"{folder}/empty").size_bytes == 0

    def test_content_type(self, storage: Storage, folder: str) -> None:
        """The content type is the one given, whatever the key's extension says."""
        put(storage, f"{folder}/a.png", b"x", content_type="image/webp")
        assert storage.stat(f"{folder}/a.png").content_type == "image/webp"

    def test_metadata(self, storage: Storage, folder: str) -> None:
        """Metadata comes back as it was given: no case, space, sign or letter is lost."""
        put(storage, f"{folder}/a", b"x", _METADATA)
        assert storage.stat(f"{folder}/a").metadata == _METADATA

    def test_largest_metadata(self, storage: Storage, folder: str) -> None:
        """Metadata of the largest size allowed is kept, beside the longest id of a job."""
        metadata = {"name": "v" * (MAX_METADATA_BYTES - len("name="))}
        job_id = "j" * MAX_JOB_ID_LENGTH
        put(storage, f"{folder}/a", b"x", metadata, job_id=job_id)
        stat = storage.stat(f"{folder}/a")
        assert (stat.metadata, stat.job_id) == (metadata, job_id)

    @pytest.mark.parametrize("metadata", [{"a": "x\r\ny"}, {"a": "x" * 3000}, {"": "x"}])
    def test_wrong_metadata(self, storage: Storage, folder: str, metadata: dict[str, str]) -> None:
        """Metadata that no header can carry is refused and nothing stored."""
        with pytest.raises(InvalidRequest):
            put(storage, f"{folder}/a", b"x", metadata)
        with pytest.raises(NotFound):
            storage.stat(f"{folder}/a")

    @pytest.mark.parametrize("job_id", ["7f", "Job_7-of-A", "-", ""])
    @pytest.mark.parametrize("metadata", [{}, {"goal": "7;8"}, {"job_id": "another"}])
    def test_job_id(
        self, storage: Storage, folder: str, job_id: str, metadata: dict[str, str]
    ) -> None:
        """The job that made an object is told by stat and by the open file, beside the metadata."""
        put(storage, f"{folder}/a", b"x", metadata, job_id=job_id)
        stat = storage.stat(f"{folder}/a")
        assert (stat.job_id, stat.metadata) == (job_id or None, metadata)
        assert stat.sha256 == hashlib.sha256(b"x").hexdigest()
        with storage.open(f"{folder}/a") as file:
            assert file.stat == stat

    @pytest.mark.parametrize("job_id", ["a;b", "a b", "line\n", "é", "x" * 65, None])
    def test_wrong_job_id(self, storage: Storage, folder: str, job_id: str) -> None:
        """What is no id of a job is refused and nothing stored."""
        with pytest.raises(InvalidRequest, match="job_id"):
            put(storage, f"{folder}/a", b"x", job_id=job_id)
        assert not storage.exists(f"{folder}/a")

    def test_holds(self, storage: Storage, folder: str) -> None:
        """An object is recognised by its hash, and by size and job where they are given."""
        key, sha256 = f"{folder}/a", hashlib.sha256(b"same").hexdigest()
        assert not storage.holds(key, sha256)
        put(storage, key, b"same", job_id="mine")
        assert storage.holds(key, sha256)
        assert storage.holds(key, sha256, size_bytes=4, job_id="mine")
        assert not storage.holds(key, "0" * 64, size_bytes=4, job_id="mine")
        assert not storage.holds(key, sha256, size_bytes=5)
        for other in ("another", "Mine", ""):
            assert not storage.holds(key, sha256, job_id=other)
        put(storage, key, b"same")
        assert storage.holds(key, sha256, job_id="")
        assert not storage.holds(key, sha256, job_id="mine")

    def test_overwrite(self, storage: Storage, folder: str) -> None:
        """A second put replaces bytes, type and metadata."""
        put(storage, f"{folder}/a", b"a longer first one", {"first": "1"})
        put(storage, f"{folder}/a", b"second", {"second": "2"}, content_type="image/jpeg")
        stat = storage.stat(f"{folder}/a")
        assert read(storage, f"{folder}/a") == b"second"
        assert (stat.size_bytes, stat.content_type) == (6, "image/jpeg")
        assert stat.metadata == {"second": "2"}

    def test_delete(self, storage: Storage, folder: str) -> None:
        """A deleted object is gone, the others stay, and to delete it again is no error."""
        put(storage, f"{folder}/b/a", b"x")
        put(storage, f"{folder}/b/c", b"y")
        storage.delete(f"{folder}/b/a")
        storage.delete(f"{folder}/b/a")
        storage.delete(f"{folder}/never/was")
        with pytest.raises(NotFound):
            storage.stat(f"{folder}/b/a")
        assert read(storage, f"{folder}/b/c") == b"y"

    def test_put_after_delete(self, storage: Storage, folder: str) -> None:
        """A key is as new after a delete, without the old metadata."""
        put(storage, f"{folder}/a", b"x", {"old": "1"})
        storage.delete(f"{folder}/a")
        put(storage, f"{folder}/a", b"y")
        assert storage.stat(f"{folder}/a").metadata == {}

    def test_not_found(self, storage: Storage, folder: str) -> None:
        """What is not there raises NotFound, which names the key and is final."""
        for ask in (storage.open, storage.stat):
            with pytest.raises(NotFound, match="missing") as caught:
                ask(f"{folder}/missing")
            assert not caught.value.retryable

    @pytest.mark.parametrize("key", _WRONG_KEYS, ids=lambda key: ascii(key)[:20])
    def test_wrong_key(self, storage: Storage, key: str) -> None:
        """A key that not every storage can keep is refused by every method."""
        with pytest.raises(InvalidRequest):
            put(storage, key, b"x")
        for ask in (storage.open, storage.stat, storage.delete, storage.url, storage.check_key):
            with pytest.raises(InvalidRequest):
                ask(key)

    @pytest.mark.parametrize("key", _WRONG_KEYS, ids=lambda key: ascii(key)[:20])
    def test_signed_url_of_a_wrong_key(self, storage: Storage, key: str) -> None:
        """No URL is signed for what can be no key."""
        with pytest.raises(InvalidRequest, match="object_key"):
            storage.signed_url(key, 60)

    @pytest.mark.parametrize("expires_in", [0, -1, 604_801, float("nan"), True, "60", None])
    def test_wrong_expires_in(self, storage: Storage, folder: str, expires_in: float) -> None:
        """A signed URL's life is above 0 and at most a week, in seconds."""
        with pytest.raises(InvalidRequest, match="expires_in"):
            storage.signed_url(f"{folder}/a", expires_in)

    def test_signed_url(self, storage: Storage, folder: str) -> None:
        """A signed URL is a URL, of an object or none; a storage that signs none says so."""
        try:
            url = storage.signed_url(f"{folder}/Être.png", 60)
        except NotConfigured:
            assert not storage.signs_itself
        else:
            assert re.fullmatch(r"[!-~]+", url)
            assert unquote(url.partition("?")[0]).endswith(f"{folder}/Être.png")

    @pytest.mark.parametrize("name", _ODD_NAMES, ids=ascii)
    def test_odd_key(self, storage: Storage, folder: str, name: str) -> None:
        """A key may hold any letter and sign; its URL holds none that a URL can't."""
        key = f"{folder}/{name}"
        assert storage.check_key(key) == key
        put(storage, key, name.encode())
        assert read(storage, key) == name.encode()
        assert storage.stat(key).size_bytes == len(name.encode())
        url = storage.url(key)
        assert re.fullmatch(r"[A-Za-z0-9._~!$&'()*+,;=:@/%\-]+", url)
        assert not re.search(r"%(?![0-9A-F]{2})", url)
        assert unquote(url).endswith(key)
        storage.delete(key)

    def test_similar_keys(self, storage: Storage, folder: str) -> None:
        """Keys that look alike are different objects."""
        keys = [f"{folder}/{name}" for name in ("a b", "a+b", "a%20b", "a\u00e9", "ae\u0301")]
        for key in keys:
            put(storage, key, key.encode())
        assert [read(storage, key) for key in keys] == [key.encode() for key in keys]

    def test_longest_key(self, storage: Storage, folder: str) -> None:
        """A key of exactly 1,024 bytes is kept."""
        key = f"{folder}/" + "é" * 90
        key += ("/" + "x" * 99) * 10
        key = key[: 1024 - (len(key.encode()) - len(key))]
        assert len(key.encode()) == 1024
        put(storage, key, b"x")
        assert read(storage, key) == b"x"

    def test_big_object(self, storage: Storage, folder: str) -> None:
        """Twelve million bytes come back as they were, in one read and in many."""
        data = os.urandom(12_000_000)
        put(storage, f"{folder}/big", data)
        with storage.open(f"{folder}/big") as file:
            parts = iter(lambda: file.read(1_000_003), b"")
            assert hashlib.sha256(b"".join(parts)).digest() == hashlib.sha256(data).digest()
        assert read(storage, f"{folder}/big") == data

    def test_open_is_a_file(self, storage: Storage, folder: str) -> None:
        """What open gives is a binary file and a context manager, and can be left half read."""
        put(storage, f"{folder}/a", b"0123456789")
        with storage.open(f"{folder}/a") as file:
            assert (file.read(4), file.read(4), file.read(4), file.read(4)) == (
                b"0123",
                b"4567",
                b"89",
                b"",
            )
        with storage.open(f"{folder}/a") as file:
            assert file.read(1) == b"0"
        assert file.closed
        with storage.open(f"{folder}/a") as file:
            assert io.BytesIO(file.read()).getvalue() == b"0123456789"

    def test_open_describes_itself(self, storage: Storage, folder: str) -> None:
        """An open file's stat is that of its own bytes, as stat would give it."""
        put(storage, f"{folder}/a", b"0123456789", {"goal": "7"}, content_type="image/webp")
        with storage.open(f"{folder}/a") as file:
            assert file.stat == storage.stat(f"{folder}/a")
            assert file.stat.size_bytes == len(file.read())
        put(storage, f"{folder}/empty", b"")
        with storage.open(f"{folder}/empty") as file:
            assert (file.read(), file.stat.size_bytes) == (b"", 0)

    def test_threads_with_their_own_keys(self, storage: Storage, folder: str) -> None:
        """Many threads put, read and delete objects of their own, each its own bytes."""

        def work(number: int) -> None:
            key, data = f"{folder}/{number % 4}/{number}", str(number).encode() * 1000
            for _ in range(2):
                put(storage, key, data, {"number": str(number)})
                assert read(storage, key) == data
                assert storage.stat(key).metadata == {"number": str(number)}
                storage.delete(key)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, range(THREADS)))

    def test_threads_with_one_key(self, storage: Storage, folder: str) -> None:
        """A reader sees one writer's bytes whole, never half of them, never none."""
        versions = {number: bytes([number]) * (20_000 + number) for number in range(THREADS)}
        put(storage, f"{folder}/a", versions[0], {"number": "0"})

        def work(number: int) -> None:
            for _ in range(3):
                if number % 2:
                    put(storage, f"{folder}/a", versions[number], {"number": str(number)})
                else:
                    with storage.open(f"{folder}/a") as file:
                        data, stat = file.read(), file.stat
                    assert data in versions.values()
                    assert stat.size_bytes == len(data)
                    assert stat.sha256 == hashlib.sha256(data).hexdigest()

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, range(THREADS)))
        stat = storage.stat(f"{folder}/a")
        data = read(storage, f"{folder}/a")
        assert data == versions[int(stat.metadata["number"])]
        assert stat.sha256 == hashlib.sha256(data).hexdigest()

    def test_check_ready(self, storage: Storage) -> None:
        """A storage that works says so."""
        storage.check_ready()

    def test_location(self, storage: Storage) -> None:
        """The location is the same each time, printable, and starts with a scheme."""
        assert storage.location == storage.location
        assert re.match(r"[a-z0-9+]+://\S", storage.location)
        assert storage.location.isprintable()
