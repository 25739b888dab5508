"""That a stored object is known by the job that made it, on every S3 server and in older forms."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from typing import NoReturn

import pytest
import tenacity
from botocore.exceptions import ConnectionClosedError

from flask_media.errors import StorageError
from flask_media.keys import MAX_JOB_ID_LENGTH
from flask_media.keys import MAX_METADATA_BYTES
from flask_media.storage.base import Storage
from flask_media.storage.filesystem import FilesystemStorage
from flask_media.storage.s3 import S3Storage
from flask_media.storage.s3_client import OWN_METADATA
from flask_media.storage.s3_objects import own_line

from ..servers import S3Server

BODY = b"picture" * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()
KEY = "jobs/a.png"


@pytest.fixture(params=["moto", "seaweedfs", "rclone"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> S3Storage:
    """A storage without waits on each server, with nothing under the key."""
    server: S3Server = request.getfixturevalue(request.param)
    if server.ca_bundle:
        monkeypatch.setenv("AWS_CA_BUNDLE", server.ca_bundle)
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda _seconds: None))
    storage = server.storage()
    storage.delete(KEY)
    return storage


def put(storage: Storage, job_id: str) -> None:
    """Store the picture as that job."""
    storage.put(
        KEY,
        BODY,
        content_type="image/png",
        sha256=SHA256,
        metadata={"goal": "7"},
        job_id=job_id,
    )


def put_line(storage: S3Storage, line: str) -> None:
    """Store the picture with another line in the header of ours."""
    storage._client().put_object(
        Bucket="media", Key=KEY, Body=BODY, ContentType="image/png", Metadata={OWN_METADATA: line}
    )


def break_puts(storage: S3Storage, moment: str) -> None:
    """Break the connection of each PUT: ``before-send``, or ``after-call`` when it is written."""

    def broken(**_: Any) -> NoReturn:
        raise ConnectionClosedError(endpoint_url="http://127.0.0.1")

    storage._client().meta.events.register(f"{moment}.s3.PutObject", broken)


def test_own_lost_answer(storage: S3Storage) -> None:
    """What this job wrote is recognised where every answer to it was lost."""
    break_puts(storage, "after-call")
    put(storage, "mine")
    assert storage.holds(KEY, SHA256, size_bytes=len(BODY), job_id="mine")


@pytest.mark.parametrize("other", ["another", "MINE", ""])
def test_same_bytes_of_another_job(storage: S3Storage, other: str) -> None:
    """Another job's object of the same bytes and metadata is not taken for this job's."""
    put(storage, other)
    break_puts(storage, "before-send")
    with pytest.raises(StorageError, match="No answer") as caught:
        put(storage, "mine")
    assert caught.value.retryable
    assert storage.stat(KEY).job_id == (other or None)
    assert not storage.holds(KEY, SHA256, job_id="mine")


def test_same_bytes_without_a_job(storage: S3Storage) -> None:
    """A writer without a job takes no job's object for its own."""
    put(storage, "another")
    break_puts(storage, "before-send")
    with pytest.raises(StorageError):
        put(storage, "")
    assert storage.stat(KEY).job_id == "another"


@pytest.mark.parametrize(
    ("line", "metadata"), [(f"{SHA256};goal=7", {"goal": "7"}), (f"{SHA256};", {})]
)
def test_older_form(storage: S3Storage, line: str, metadata: dict[str, str]) -> None:
    """An object that was stored before there were jobs' ids has its hash and metadata, no job."""
    put_line(storage, line)
    stat = storage.stat(KEY)
    assert (stat.sha256, stat.job_id, stat.metadata) == (SHA256, None, metadata)
    assert storage.holds(KEY, SHA256)
    assert storage.holds(KEY, SHA256, job_id="")
    assert not storage.holds(KEY, SHA256, job_id="mine")
    put(storage, "mine")
    assert storage.holds(KEY, SHA256, job_id="mine")


@pytest.mark.parametrize("rest", ["a job;goal=7", "mine;goal=7;8", "mine;goal", "mine;;"])
def test_damaged_line(storage: S3Storage, rest: str) -> None:
    """A line that begins like ours and can't be read is somebody else's, job and all."""
    put_line(storage, f"{SHA256};{rest}")
    stat = storage.stat(KEY)
    assert (stat.sha256, stat.job_id) == (None, None)
    assert {name.lower(): line for name, line in stat.metadata.items()} == {
        OWN_METADATA: f"{SHA256};{rest}"
    }


def test_what_a_header_can_carry() -> None:
    """Name, hash, the longest id and the largest metadata are the 2,048 bytes that S3 takes."""
    metadata = {"a": "x" * (MAX_METADATA_BYTES - len("a="))}
    line = own_line(SHA256, "j" * MAX_JOB_ID_LENGTH, metadata)
    assert len(OWN_METADATA) + len(line) == 2048


def test_older_sidecar(tmp_path: Path) -> None:
    """A file that was stored before there were jobs' ids is described as ever, and has no job."""
    storage = FilesystemStorage(tmp_path)
    put(storage, "mine")
    (sidecar,) = tmp_path.glob(".meta/*/*.json")
    about = json.loads(sidecar.read_text())
    assert about.pop("job_id") == "mine"
    sidecar.write_text(json.dumps(about))
    stat = storage.stat(KEY)
    assert (stat.sha256, stat.job_id, stat.metadata) == (SHA256, None, {"goal": "7"})


def test_file_changed_by_hand(tmp_path: Path) -> None:
    """A file that somebody replaced is of no job."""
    storage = FilesystemStorage(tmp_path)
    put(storage, "mine")
    (tmp_path / KEY).write_bytes(b"GIF89a")
    assert storage.stat(KEY).job_id is None
    assert not storage.holds(KEY, SHA256, job_id="mine")
