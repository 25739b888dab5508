"""Large objects are never in memory as a whole, on the way in or out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..servers import S3Server

SIZE = 100 * 1024 * 1024
"""Bytes of the object: far more than what a child may take for it."""

MOST = 40 * 1024 * 1024
"""Bytes that a child may take: pieces of 8 MiB, of which several are there at a time."""

CHILD = """
import hashlib, io, sys
from pathlib import Path
from flask_media.config_checks import Secret
from flask_media.options import StorageProvider
from flask_media.storage.filesystem import FilesystemStorage
from flask_media.storage.s3 import S3Storage

place, does, size = sys.argv[1], sys.argv[2], int(sys.argv[3])

class Zeros(io.RawIOBase):
    left = size
    def readable(self):
        return True
    def readinto(self, buffer):
        count = min(len(buffer), self.left)
        buffer[:count] = bytes(count)
        self.left -= count
        return count

def peak():  # not that of getrusage, which a child takes over from its parent
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

if place.startswith("http"):
    storage = S3Storage(
        provider=StorageProvider.MINIO, bucket="media", region=None, endpoint_url=place,
        key=Secret("test-access-key"), secret=Secret("test-secret-key-0123456789"),
    )
    storage.check_ready()
else:
    storage = FilesystemStorage(Path(place))
digest = hashlib.sha256()
for _ in range(size // 2**20):
    digest.update(bytes(2**20))
storage.exists("warm")
before = peak()
if does == "put_file":
    storage.put_file("memory/big", Zeros(), content_type="a/b", sha256=digest.hexdigest(),
                     size_bytes=size)
elif does == "copy":
    storage.copy("memory/big", "memory/copy")
else:
    found = hashlib.sha256()
    with storage.open("memory/big") as file:
        while data := file.read(2**20):
            found.update(data)
    assert found.hexdigest() == digest.hexdigest()
print(peak() - before)
"""


@pytest.mark.parametrize("kind", ["bucket", "folder"])
def test_peak_memory(kind: str, moto: S3Server, tmp_path: Path) -> None:
    """Storing a file of 100 MiB, copying and reading it takes a few pieces of memory."""
    place = moto.endpoint_url if kind == "bucket" else str(tmp_path)
    for does in ("put_file", "copy", "open"):
        done = subprocess.run(
            [sys.executable, "-c", CHILD, place, does, str(SIZE)],
            check=True,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert int(done.stdout) < MOST, does
        print(kind, does, f"{int(done.stdout) / 2**20:.1f} MiB")
    if kind == "bucket":
        for name in ("big", "copy"):
            moto.storage().delete(f"memory/{name}")
