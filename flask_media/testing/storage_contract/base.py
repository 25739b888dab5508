"""What the tests of the contract need."""

from __future__ import annotations

import hashlib
import uuid

import pytest

from ...storage.base import Storage


class ContractBase:
    """A storage and a name below which a test may write."""

    @pytest.fixture
    def storage(self) -> Storage:
        """The storage to test. Yours to write."""
        raise NotImplementedError

    @pytest.fixture
    def folder(self) -> str:
        """A name of its own for each test."""
        return f"contract-{uuid.uuid4().hex}"


def put(
    storage: Storage,
    key: str,
    data: bytes,
    metadata: dict[str, str] | None = None,
    *,
    content_type: str = "image/png",
    job_id: str = "",
) -> None:
    """Put an object with its SHA-256."""
    sha256 = hashlib.sha256(data).hexdigest()
    storage.put(
        key, data, content_type=content_type, sha256=sha256, metadata=metadata, job_id=job_id
    )


def read(storage: Storage, key: str) -> bytes:
    """An object\'s bytes."""
    with storage.open(key) as file:
        return file.read()
