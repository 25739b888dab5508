"""An S3 storage in hostile surroundings, in logs, in threads and after a fork."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest

from flask_media.errors import NotConfigured
from flask_media.errors import NotFound
from flask_media.errors import StorageError
from flask_media.options import StorageProvider
from flask_media.storage.s3 import S3Storage
from flask_media.storage.s3_logs import _filter

from ..faults import FaultServer
from ..faults import s3_error
from ..servers import S3Server
from .s3_tools import BODY
from .s3_tools import SLOW_DOWN
from .s3_tools import STORED
from .s3_tools import put

pytestmark = pytest.mark.usefixtures("no_backoff")


def test_hostile_environment(
    seaweedfs: S3Server, server: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No AWS_* variable, profile or file changes where a request goes or how it is made."""
    config = tmp_path / "config"
    config.write_text(
        "[default]\nregion = nowhere\nendpoint_url = http://127.0.0.1:9\ns3 =\n"
        "  addressing_style = virtual\n  use_accelerate_endpoint = true\n"
        "  payload_signing_enabled = false\nretry_mode = adaptive\nca_bundle = /nowhere\n"
        "[profile hostile]\nservices = s\n[services s]\ns3 =\n  endpoint_url = http://127.0.0.1:9\n"
    )
    hostile = {
        "AWS_ACCESS_KEY_ID": "hostile",
        "AWS_SECRET_ACCESS_KEY": "hostile",
        "AWS_SESSION_TOKEN": "hostile",
        "AWS_SECURITY_TOKEN": "hostile",
        "AWS_BEARER_TOKEN_S3": "hostile",
        "AWS_PROFILE": "hostile",
        "AWS_DEFAULT_PROFILE": "missing",
        "AWS_REGION": "nowhere-1",
        "AWS_DEFAULT_REGION": "nowhere-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(config),
        "AWS_DATA_PATH": str(tmp_path),
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_supported",
        "AWS_RETRY_MODE": "adaptive",
        "AWS_MAX_ATTEMPTS": "20",
        "AWS_DEFAULTS_MODE": "hostile",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "AWS_S3_USE_ARN_REGION": "true",
        "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": "legacy",
        "AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS": "true",
        "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH": "hostile",
        "AWS_ACCOUNT_ID_ENDPOINT_MODE": "required",
        "AWS_AUTH_SCHEME_PREFERENCE": "httpBearerAuth",
        "AWS_SIGV4A_SIGNING_REGION_SET": "*",
        "AWS_CSM_ENABLED": "true",
        "AWS_SDK_UA_APP_ID": "hostile",
        "AWS_EXECUTION_ENV": "hostile",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "false",
    }
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
    storage = seaweedfs.storage()
    put(storage, "hostile.png")
    assert storage.stat("hostile.png").size_bytes == len(BODY)
    with storage.open("hostile.png") as file:
        assert file.read() == BODY

    server.play(SLOW_DOWN, SLOW_DOWN, STORED)
    put(S3Server(endpoint_url=server.url).storage())
    assert len(server.requests) == 3
    text = b"".join(request.head for request in server.requests).decode()
    for trace in ("hostile", "nowhere", "x-amz-security-token", "x-amz-trailer", "checksum"):
        assert trace not in text.lower().replace("hostile.png", "")


def test_no_credential_is_logged(
    seaweedfs: S3Server, server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Even at DEBUG, where botocore tells of every request and answer, nobody logs a key."""
    caplog.set_level(logging.DEBUG)
    storage = seaweedfs.storage()
    put(storage, "logged.png", b"small")
    with pytest.raises(NotFound):
        storage.stat("logged-not.png")
    storage._client().generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    server.play(s3_error("403 Forbidden", "InvalidAccessKeyId", f"{seaweedfs.key} is unknown"))
    for ask in (storage.open, storage.stat, storage.delete):
        with contextlib.suppress(StorageError):
            ask("a")
    with pytest.raises(StorageError):
        put(S3Server(endpoint_url=server.url).storage())
    assert "CanonicalRequest" in caplog.text
    assert "Credential=***/" in caplog.text
    assert "<Message>*** is unknown" in caplog.text
    assert seaweedfs.key not in caplog.text
    assert seaweedfs.secret not in caplog.text


def test_short_key_id(server: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    """A key id that may be a word is masked where it is the key id, and no word is."""
    caplog.set_level(logging.DEBUG)
    server.play(s3_error("400 Bad Request", "Odd", "the bucket is odd"))
    with pytest.raises(StorageError, match="the bucket is odd"):
        put(S3Server(endpoint_url=server.url).storage(key="e"))
    with pytest.raises(StorageError, match="the bucket is odd"):
        put(S3Server(endpoint_url=server.url).storage(key="bucket"))
    assert "the bucket is odd" in caplog.text
    assert "Credential=***/" in caplog.text
    assert "Credential=bucket/" not in caplog.text


def test_log_of_others(server: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    """What an app logs with a key of its own, or wrongly, passes the filter as it was."""
    S3Server(endpoint_url=server.url).storage().check_ready()
    caplog.set_level(logging.DEBUG)
    log = logging.getLogger("botocore.endpoint")
    log.debug("Credential=%s/", "the-apps-own-key")
    assert caplog.records[-1].args == ("the-apps-own-key",)
    assert _filter.filter(logging.makeLogRecord({"msg": "%d", "args": ("no number",)}))
    assert len([one for one in log.filters if one is _filter]) == 1


def test_place_shows_no_key() -> None:
    """What a failing frame may show of a storage has no key id in it."""
    storage = S3Server(endpoint_url="http://127.0.0.1:9").storage()
    assert "test-access-key" not in repr(storage._place())


def test_repr_and_pickle() -> None:
    """A storage shows where it is and no credential, and can't be pickled."""
    storage = S3Server(endpoint_url="http://127.0.0.1:9").storage()
    assert repr(storage) == "<S3Storage s3://media@127.0.0.1:9>"
    with pytest.raises(TypeError, match="credentials"):
        pickle.dumps(storage)


def test_fork_after_use(moto: S3Server) -> None:
    """Children forked after a warm-up have connections of their own: each reads its own body."""
    storage = moto.storage()
    for number in range(3):
        put(storage, f"fork/{number}", bytes([number]) * 50_000)
    # As another thread may hold the lock at the moment of the fork.
    client = storage._made
    storage._lock.acquire()
    children = [_fork(storage, number) for number in range(3)]
    storage._lock.release()
    assert storage._made is client is not None
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 3
    with storage.open("fork/0") as file:
        assert file.read() == bytes([0]) * 50_000


def _fork(storage: S3Storage, number: int) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        assert storage._made is None
        for _ in range(5):
            with storage.open(f"fork/{number}") as file:
                assert file.read() == bytes([number]) * 50_000
        status = 0
    finally:
        os._exit(status)


def test_one_client_for_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that start together share one client, made once."""
    made = []
    make = boto3.Session.client

    def count(self: boto3.Session, *args: object, **kwargs: object) -> object:
        made.append(args)
        return make(self, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(boto3.Session, "client", count)
    storage = S3Server(endpoint_url="http://127.0.0.1:9").storage()
    with ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(lambda _: storage._client(), range(8)))
    assert len(made) == len({id(client) for client in clients}) == 1


def test_body_is_a_file(moto: S3Server) -> None:
    """What open gives can be handed to whatever reads files."""
    storage = moto.storage()
    put(storage, "file.bin", b"line 1\nline 2\n")
    with storage.open("file.bin") as file:
        assert file.readable()
        assert isinstance(file, io.BufferedReader)
        assert list(file) == [b"line 1\n", b"line 2\n"]
    file.close()


def test_missing_credentials() -> None:
    """Nothing is sent without credentials, and what is missing is named."""
    storage = S3Storage(
        provider=StorageProvider.MINIO,
        bucket="media",
        region=None,
        key=None,
        secret=None,
        endpoint_url="http://127.0.0.1:9",
    )
    with pytest.raises(NotConfigured, match="SPACES_KEY and SPACES_SECRET"):
        put(storage)
