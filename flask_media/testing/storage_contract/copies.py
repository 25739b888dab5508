"""The contract of copies and files, and of who may see an object."""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
from urllib.parse import unquote

import pytest

from ...errors import InvalidRequest
from ...errors import NotConfigured
from ...errors import NotFound
from ...errors import StorageError
from ...storage.base import Storage
from .base import ContractBase
from .base import put
from .base import read

_METADATA = {"goal_name": "Être libre · 目標", " edges ": " ", "sign": "a=b&c;d%20"}


class CopyContract(ContractBase):
    """Objects are copied, moved, read from files, published and hidden."""

    def test_copy(self, storage: Storage, folder: str) -> None:
        """A copy is the same in every respect, and the object stays where it was."""
        put(storage, f"{folder}/a", b"bytes", _METADATA, content_type="image/webp", job_id="mine")
        storage.copy(f"{folder}/a", f"{folder}/b/Copy of å+b.png")
        assert read(storage, f"{folder}/b/Copy of å+b.png") == b"bytes"
        assert storage.stat(f"{folder}/b/Copy of å+b.png") == storage.stat(f"{folder}/a")
        assert storage.stat(f"{folder}/a").metadata == _METADATA

    @pytest.mark.parametrize("name", ["what?.png", "100%25 a+b#c.png", "é/../x".replace("/", "·")])
    def test_copy_of_an_odd_key(self, storage: Storage, folder: str, name: str) -> None:
        """Any key that can be put can be copied and moved."""
        put(storage, f"{folder}/{name}", name.encode())
        storage.copy(f"{folder}/{name}", f"{folder}/copy")
        storage.move(f"{folder}/{name}", f"{folder}/moved")
        assert read(storage, f"{folder}/copy") == read(storage, f"{folder}/moved") == name.encode()

    def test_copy_over_another(self, storage: Storage, folder: str) -> None:
        """A copy replaces what was there, metadata and all, and lives on by itself."""
        put(storage, f"{folder}/a", b"first", {"first": "1"})
        put(storage, f"{folder}/b", b"a longer second", {"second": "2"}, content_type="image/gif")
        storage.copy(f"{folder}/a", f"{folder}/b")
        storage.delete(f"{folder}/a")
        assert read(storage, f"{folder}/b") == b"first"
        stat = storage.stat(f"{folder}/b")
        assert (stat.size_bytes, stat.content_type) == (5, "image/png")
        assert stat.metadata == {"first": "1"}

    def test_empty_copy(self, storage: Storage, folder: str) -> None:
        """An empty object can be copied too."""
        put(storage, f"{folder}/empty", b"")
        storage.copy(f"{folder}/empty", f"{folder}/copy")
        assert read(storage, f"{folder}/copy") == b""

    def test_move(self, storage: Storage, folder: str) -> None:
        """A moved object is under its new key alone, the same in every respect."""
        put(storage, f"{folder}/a", b"bytes", _METADATA, job_id="mine")
        stat = storage.stat(f"{folder}/a")
        storage.move(f"{folder}/a", f"{folder}/b/c")
        assert storage.stat(f"{folder}/b/c") == stat
        assert read(storage, f"{folder}/b/c") == b"bytes"
        assert not storage.exists(f"{folder}/a")

    def test_nothing_to_copy(self, storage: Storage, folder: str) -> None:
        """What is not there can't be copied or moved, and nothing under the new key is touched."""
        put(storage, f"{folder}/b", b"x")
        for do in (storage.copy, storage.move):
            with pytest.raises(NotFound, match="missing"):
                do(f"{folder}/missing", f"{folder}/b")
        assert read(storage, f"{folder}/b") == b"x"

    def test_copy_onto_itself(self, storage: Storage, folder: str) -> None:
        """An object is not copied onto itself, and a move to where it is deletes nothing."""
        put(storage, f"{folder}/a", b"x")
        for do in (storage.copy, storage.move):
            with pytest.raises(InvalidRequest, match="new_key"):
                do(f"{folder}/a", f"{folder}/a")
        assert read(storage, f"{folder}/a") == b"x"

    def test_copy_of_a_wrong_key(self, storage: Storage, folder: str) -> None:
        """Neither key may be one that not every storage can keep."""
        put(storage, f"{folder}/a", b"x")
        for do in (storage.copy, storage.move):
            for keys in ((f"{folder}/a", "../up"), ("/absolute", f"{folder}/b")):
                with pytest.raises(InvalidRequest):
                    do(*keys)
        assert storage.exists(f"{folder}/a")

    @pytest.mark.parametrize("size", [0, 5, 17_000_001], ids=["empty", "small", "big"])
    def test_put_file(self, storage: Storage, folder: str, size: int) -> None:
        """A file is stored from where it stands to its end, as bytes would be."""
        data = os.urandom(size)
        file = io.BytesIO(b"read already" + data)
        file.seek(len(b"read already"))
        storage.put_file(
            f"{folder}/a",
            file,
            content_type="image/png",
            sha256=hashlib.sha256(data).hexdigest(),
            size_bytes=size,
            metadata=_METADATA,
            job_id="mine",
        )
        assert read(storage, f"{folder}/a") == data
        put(storage, f"{folder}/b", data, _METADATA, job_id="mine")
        assert storage.stat(f"{folder}/a") == storage.stat(f"{folder}/b")

    @pytest.mark.parametrize("size", [5, 17_000_001], ids=["small", "big"])
    @pytest.mark.parametrize("fault", ["other bytes", "too short", "too long"])
    def test_put_wrong_file(self, storage: Storage, folder: str, size: int, fault: str) -> None:
        """A file with other bytes than was said is refused, and what was there stays."""
        put(storage, f"{folder}/a", b"older")
        sha256 = hashlib.sha256(b"x" * size).hexdigest()
        data = {"other bytes": b"y" * size, "too short": b"x" * (size - 1)}.get(
            fault, b"x" * (size + 1)
        )
        with pytest.raises(StorageError) as caught:
            storage.put_file(
                f"{folder}/a",
                io.BytesIO(data),
                content_type="image/png",
                sha256=sha256,
                size_bytes=size,
            )
        assert sha256 in str(caught.value)
        assert read(storage, f"{folder}/a") == b"older"

    def test_publish(self, storage: Storage, folder: str) -> None:
        """What is there can be published and hidden again, or the storage says that it can't."""
        put(storage, f"{folder}/a", b"x", {"goal": "7"})
        for do in (storage.publish, storage.unpublish):
            with contextlib.suppress(NotConfigured):
                do(f"{folder}/a")
                with pytest.raises(NotFound):
                    do(f"{folder}/missing")
            with pytest.raises(InvalidRequest):
                do("../up")
        assert read(storage, f"{folder}/a") == b"x"
        assert storage.stat(f"{folder}/a").metadata == {"goal": "7"}

    def test_public_url(self, storage: Storage, folder: str) -> None:
        """The public URL is a URL of the key; whether objects are private is known."""
        url = storage.public_url(f"{folder}/Être.png")
        assert re.fullmatch(r"[!-~]+", url)
        assert unquote(url).endswith(f"{folder}/Être.png")
        assert isinstance(storage.is_private, bool)
        with pytest.raises(InvalidRequest):
            storage.public_url("../up")
