"""Servers and storages of the tests of the S3 storage."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import tenacity

from flask_media.storage.s3 import S3Storage

from ..faults import FaultServer
from ..faults import fault_server
from ..servers import S3Server
from .mirror_tools import Bucket


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without the waits between them."""
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda _seconds: None))


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    """A server that answers as it is told."""
    with fault_server() as running:
        yield running


@pytest.fixture(scope="module")
def storage(server: FaultServer) -> S3Storage:
    """A storage on that server."""
    return S3Server(endpoint_url=server.url).storage()


@pytest.fixture(scope="module")
def real(seaweedfs: S3Server) -> S3Storage:
    """A storage on a server that checks signatures."""
    return seaweedfs.storage()


@pytest.fixture
def bucket(server: FaultServer, moto: S3Server) -> Bucket:
    """A bucket that is there."""
    return Bucket(server, moto)
