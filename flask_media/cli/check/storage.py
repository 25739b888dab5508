"""The storage and its mirror: an object is written, read, fetched by its URL and deleted."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import MediaError
from ...errors import StorageError
from ...storage import make_storage
from ...storage.mirror import MirroredStorage
from ...storage.s3_bucket import S3Bucket
from .fetching import fetch
from .finding import Finding
from .finding import fail
from .finding import ok
from .finding import warn

if TYPE_CHECKING:
    from ...service import MediaService
    from ...storage.base import Storage

PROBE = b"Flask-Media looks whether it can keep pictures here. Delete this.\n"

SKEW_WARN = 60.0
"""Seconds that clocks may differ; signed URLs of a minute fail then."""

SKEW_FAIL = 900.0
"""Seconds from which S3 refuses every request."""

SKEWED = "RequestTimeTooSkewed"

NAMES = {"spaces": "bucket", "filesystem": "folder", "memory": "memory"}
"""What a finding about a storage is called."""

NOT_THE_ACL = (SKEWED, "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch")
"""Codes of S3 that say for certain that it is not the ACL."""


def examine(service: MediaService) -> Iterator[Finding]:
    """The storage that pictures are kept in, and then the mirror."""
    storage, name = service.storage, NAMES.get(service.config.storage_name, "storage")
    main = storage.main if isinstance(storage, MirroredStorage) else storage
    try:
        main.check_ready()
    except MediaError as error:
        yield fail(name, error)
    else:
        yield from _main(service, main, name)
    if isinstance(storage, MirroredStorage):
        yield _kept("mirror", storage.mirror)


def _main(service: MediaService, storage: Storage, name: str) -> Iterator[Finding]:
    outlook = storage.look() if isinstance(storage, S3Bucket) else None
    clock = _clock(outlook.clock_ahead) if outlook else None
    if clock is not None:
        yield clock
    if outlook is not None and outlook.is_missing:  # some stores make a bucket that is written to
        yield fail(
            name,
            f"There is no bucket {service.config.spaces_bucket!r} at {storage.location}.",
            "Check SPACES_BUCKET, and SPACES_REGION or SPACES_ENDPOINT_URL; or make it.",
        )
        return
    probe = _Probe(storage)
    acl = _refused_acl(service, probe) if name == "bucket" else None
    if acl is not None:
        yield acl
        yield _kept(name, _without_acl(service))
        return
    if isinstance(probe.fault, StorageError) and probe.fault.reason == SKEWED and clock is None:
        yield fail("clock", probe.fault, CLOCK_ADVICE)
    try:
        if probe.fault is None:
            yield from _urls(service, storage, probe.key)
    finally:
        kept = probe.ended(name)
    yield kept
    if name == "memory":
        yield warn(name, "Pictures are gone when the process ends.", "Set MEDIA_STORAGE for work.")


class _Probe:
    """An object that is written, and deleted again.

    :param storage: where to.
    """

    def __init__(self, storage: Storage) -> None:
        self.key = f"flask-media-check/{secrets.token_hex(8)}.txt"
        """Its key."""
        self.fault: MediaError | None = None
        """Why it can't be written."""
        self._storage, self._started = storage, time.monotonic()
        digest = hashlib.sha256(PROBE).hexdigest()
        try:
            storage.put(self.key, PROBE, content_type="text/plain", sha256=digest)
        except MediaError as error:
            self.fault = error

    def ended(self, name: str) -> Finding:
        """Read it and delete it, and say how all that went."""
        if self.fault is not None:
            return fail(name, self.fault)
        try:
            with self._storage.open(self.key) as file:
                is_same = file.read() == PROBE
            self._storage.delete(self.key)
            is_gone = not self._storage.exists(self.key)
        except MediaError as error:
            with contextlib.suppress(MediaError):
                self._storage.delete(self.key)
            return fail(name, error)
        place, seconds = self._storage.location, time.monotonic() - self._started
        if not is_same:
            return fail(name, f"{place} gave back other bytes than were written.")
        if not is_gone:
            return fail(name, f"{place} has an object still that was deleted.")
        return ok(name, f"{place}: written, read and deleted in {seconds:.1f} s")


def _kept(name: str, storage: Storage) -> Finding:
    try:
        storage.check_ready()
    except MediaError as error:
        return fail(name, error)
    return _Probe(storage).ended(name)


def _refused_acl(service: MediaService, probe: _Probe) -> Finding | None:
    """Whether it is the ACL alone that is refused: without one the same is written."""
    acl = getattr(_main_of(service), "acl", None)
    fault = probe.fault
    if acl is None or not isinstance(fault, StorageError) or fault.retryable:
        return None
    if fault.reason in NOT_THE_ACL:
        return None
    other = _Probe(_without_acl(service))
    if other.fault is not None:
        return None
    other.ended("bucket")
    return fail(
        "acl",
        f"The bucket takes objects, and refuses them with the ACL {acl!r} ({fault.reason}).",
        "Set SPACES_ACL to 'none' and make the bucket public by its policy, or give the key the "
        "right to set ACLs.",
    )


def _main_of(service: MediaService) -> Storage:
    storage = service.storage
    return storage.main if isinstance(storage, MirroredStorage) else storage


def _without_acl(service: MediaService) -> Storage:
    config = service.config.replace(spaces_acl="none", storage_mirror=None)
    return make_storage(config, folder=Path(), files_url=None)


CLOCK_ADVICE = "Set this machine's clock, as with 'timedatectl set-ntp true'."


def _clock(ahead: float | None) -> Finding | None:
    if ahead is None:
        return None
    if abs(ahead) < SKEW_WARN:
        return ok("clock", "this machine's agrees with the store's")
    side = "ahead of" if ahead > 0 else "behind"
    message = f"This machine's clock is {abs(ahead):,.0f} seconds {side} the store's."
    if abs(ahead) < SKEW_FAIL:
        return warn("clock", message, CLOCK_ADVICE)
    return fail("clock", f"{message} S3 refuses all from {SKEW_FAIL:.0f} on.", CLOCK_ADVICE)


def _urls(service: MediaService, storage: Storage, key: str) -> Iterator[Finding]:
    """Whether the object can be fetched by whom it is for."""
    is_bucket = service.config.storage_name == "spaces"
    if is_bucket and storage.is_private:
        yield from _private_urls(storage, key)
        return
    url = storage.public_url(key)
    if not url.startswith(("http://", "https://")):
        return  # the app serves it; see the blueprint
    name = "cdn" if is_bucket and service.config.spaces_cdn_url else "url"
    fault = fetch(url, PROBE)
    if fault is None:
        yield ok(name, f"{url.rpartition('/flask-media-check/')[0]} serves what is stored")
    elif name == "cdn":
        yield fail(
            name, f"{url} {fault}.", "Check SPACES_CDN_URL, and that it shows the bucket's objects."
        )
    elif is_bucket:
        yield warn(
            name,
            f"{url} {fault}: browsers can't fetch pictures by their URL.",
            "Make the bucket public, set SPACES_CDN_URL to its public domain, or SPACES_ACL to "
            "'private' and register the blueprint.",
        )
    else:
        yield fail(name, f"{url} {fault}.", "Check MEDIA_FILES_URL and the web server behind it.")


def _private_urls(storage: Storage, key: str) -> Iterator[Finding]:
    try:
        fault = fetch(storage.signed_url(key, 60), PROBE)
    except MediaError as error:
        fault = error.message
    if fault is None:
        yield ok("url", "a signed URL shows what is stored")
    else:
        yield fail("url", f"A signed URL {fault}.", "Check SPACES_ENDPOINT_URL and SPACES_REGION.")
    if fetch(storage.public_url(key), PROBE) is None:
        yield fail(
            "private",
            "SPACES_ACL is 'private', and everybody can fetch an object without a signature.",
            "Take public reading out of the bucket's policy.",
        )
