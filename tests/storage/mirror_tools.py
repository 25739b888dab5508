"""What the tests of mirrors share."""

from __future__ import annotations

import hashlib

from flask_media.storage.base import Storage

from ..faults import FaultServer
from ..faults import forward
from ..faults import hang_up
from ..faults import s3_error
from ..servers import S3Server
from .s3_tools import BODY
from .s3_tools import put as put_object

KEY = "mirrored/a.png"
SHA256 = hashlib.sha256(BODY).hexdigest()
REFUSED = s3_error("403 Forbidden", "AccessDenied", "test-access-key")


class Bucket:
    """A storage in a bucket whose server can go down."""

    def __init__(self, server: FaultServer, moto: S3Server) -> None:
        self._server = server
        self._up = forward(moto.endpoint_url)
        self.direct = moto.storage()
        """The same bucket, whatever happens."""
        self.storage = S3Server(endpoint_url=server.url).storage()
        self.direct.delete(KEY)
        self.come_back()

    def go_down(self) -> None:
        self._server.play(hang_up)

    def refuse(self) -> None:
        self._server.play(REFUSED)

    def come_back(self) -> None:
        self._server.play(self._up)


def read(storage: Storage, key: str = KEY) -> bytes:
    """An object's bytes."""
    with storage.open(key) as file:
        return file.read()


def put(storage: Storage, key: str = KEY, data: bytes = BODY) -> None:
    """Put an object without metadata."""
    put_object(storage, key, data)
