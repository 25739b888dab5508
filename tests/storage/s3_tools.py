"""What the tests of the S3 storage share."""

from __future__ import annotations

import hashlib
import pickle

from flask_media.storage.base import Storage

from ..faults import answer
from ..faults import s3_error

BODY = b"picture" * 1000
STORED = answer("200 OK", ETag='"x"')
SLOW_DOWN = s3_error("503 Slow Down", "SlowDown", "Please reduce your request rate.")


def put(storage: Storage, key: str = "a/b.png", data: bytes = BODY) -> None:
    """Put an object without metadata."""
    storage.put(key, data, content_type="image/png", sha256=hashlib.sha256(data).hexdigest())


def assert_safe(error: BaseException, *secrets: str) -> None:
    """No secret in the text, nothing of botocore in the chain, and it pickles."""
    text = f"{error} {error!r} {pickle.dumps(error)!r}"
    for secret in (*secrets, "test-secret-key-0123456789", "test-access-key"):
        assert secret not in text
    while error.__cause__ or error.__context__:
        chained = error.__cause__ or error.__context__
        assert chained
        error = chained
        assert not type(error).__module__.startswith(("botocore", "urllib3", "boto"))
