"""What an S3 storage does on faults, in hostile surroundings and after a fork."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import pickle
import socket
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import boto3
import botocore.auth
import pytest
import tenacity

from flask_media.config_checks import Secret
from flask_media.errors import NotConfigured
from flask_media.errors import NotFound
from flask_media.errors import StorageError
from flask_media.options import StorageProvider
from flask_media.storage.s3 import S3Storage
from flask_media.storage.s3_bucket import ATTEMPTS
from flask_media.storage.s3_client import OWN_METADATA
from flask_media.storage.s3_logs import _filter

from ..faults import Answer
from ..faults import FaultServer
from ..faults import Request
from ..faults import answer
from ..faults import cut_off
from ..faults import fault_server
from ..faults import forward
from ..faults import hang_up
from ..faults import s3_error
from ..servers import S3Server

BODY = b"picture" * 1000
STORED = answer("200 OK", ETag='"x"')
SLOW_DOWN = s3_error("503 Slow Down", "SlowDown", "Please reduce your request rate.")


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
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


def put(storage: S3Storage, key: str = "a/b.png", data: bytes = BODY) -> None:
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


# Refusals of a real server


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"key": "nobody"}, "SPACES_KEY"),
        ({"secret": "not-this-secret"}, "SPACES_SECRET"),
    ],
)
def test_wrong_config(seaweedfs: S3Server, wrong: dict[str, str], named: str) -> None:
    """A wrong key or secret is a final error that names the config key to look at."""
    with pytest.raises(StorageError, match=named) as caught:
        put(seaweedfs.storage(**wrong))
    assert not caught.value.retryable
    assert not isinstance(caught.value, NotFound)
    assert_safe(caught.value, *wrong.values())


def test_missing_bucket(moto: S3Server) -> None:
    """A bucket that is not there is a final error that names SPACES_BUCKET, and no NotFound."""
    storage = moto.storage(bucket="no-such-bucket")
    asked: list[Callable[[], object]] = [
        lambda: put(storage),
        lambda: storage.open("a"),
        lambda: storage.stat("a"),
        lambda: storage.delete("a"),
    ]
    for ask in asked:
        with pytest.raises(StorageError, match="SPACES_BUCKET") as caught:
            ask()
        assert not caught.value.retryable
        assert not isinstance(caught.value, NotFound)


def test_wrong_secret_on_reading(seaweedfs: S3Server) -> None:
    """Reading and deleting with a wrong secret are no NotFound, and say where to look."""
    storage = seaweedfs.storage(secret="not-this-secret")
    for ask in (storage.open, storage.stat, storage.delete):
        with pytest.raises(StorageError, match="SPACES_SECRET") as caught:
            ask("a")
        assert not isinstance(caught.value, NotFound)
        assert not caught.value.retryable


def test_missing_object_names_the_bucket(real: S3Storage) -> None:
    """A missing object's error says in which bucket it was looked for."""
    with pytest.raises(NotFound, match=r"'a/missing'.*'media' \(SPACES_BUCKET\)") as caught:
        real.stat("a/missing")
    assert_safe(caught.value)


def test_unknown_certificate(rclone: S3Server) -> None:
    """A certificate that nobody vouches for is final, and AWS_CA_BUNDLE is named."""
    with pytest.raises(StorageError, match="AWS_CA_BUNDLE") as caught:
        put(rclone.storage())
    assert not caught.value.retryable
    assert_safe(caught.value)


def test_missing_certificates(storage: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An AWS_CA_BUNDLE that is not there is said before anything is paid."""
    monkeypatch.setenv("AWS_CA_BUNDLE", "/not/there.pem")
    with pytest.raises(NotConfigured, match=r"AWS_CA_BUNDLE is '/not/there\.pem'"):
        storage.check_ready()


# Faults


@pytest.mark.parametrize(
    "fault",
    [
        hang_up,
        SLOW_DOWN,
        s3_error("500 Internal Server Error", "InternalError", None),
        answer("502 Bad Gateway", b"<html>bad gateway</html>"),
        s3_error("429 Too Many Requests", "Throttling"),
        s3_error("400 Bad Request", "RequestTimeout"),
        s3_error("501 Not Implemented", "NotImplemented"),
    ],
    ids=["dropped", "503", "500", "502-html", "429", "400-timeout", "501"],
)
def test_transient_fault(server: FaultServer, storage: S3Storage, fault: Answer) -> None:
    """A fault that goes away is tried again, with the whole body each time, and then over."""
    server.play(fault, fault, STORED)
    put(storage)
    assert [request.body for request in server.requests] == [BODY] * 3

    server.play(fault)
    with pytest.raises(StorageError) as caught:
        put(storage)
    assert caught.value.retryable
    asked = [request.method for request in server.requests]
    assert asked[: ATTEMPTS + 1] == ["PUT"] * ATTEMPTS + ["HEAD"]
    assert ATTEMPTS >= 3
    assert asked.count("PUT") == ATTEMPTS
    assert_safe(caught.value)


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (s3_error("403 Forbidden", "AccessDenied", None), "SPACES_KEY, SPACES_SECRET"),
        (s3_error("403 Forbidden", "InvalidAccessKeyId", "of test-access-key"), "SPACES_KEY"),
        (s3_error("403 Forbidden", "RequestTimeTooSkewed"), "clock"),
        (s3_error("404 Not Found", "NoSuchBucket", None), "SPACES_BUCKET"),
        (answer("404 Not Found"), "SPACES_BUCKET"),
        (s3_error("400 Bad Request", "AccessControlListNotSupported"), "SPACES_ACL"),
        (s3_error("400 Bad Request", "AuthorizationHeaderMalformed"), "SPACES_REGION"),
        (s3_error("301 Moved", "PermanentRedirect"), "SPACES_REGION"),
        (answer("418 Teapot", b"<html>"), "SPACES_PROVIDER"),
    ],
)
def test_final_refusal(server: FaultServer, storage: S3Storage, fault: Answer, named: str) -> None:
    """A refusal that stays is asked for once, and names the config key to look at."""
    server.play(fault)
    with pytest.raises(StorageError, match=named) as caught:
        put(storage)
    assert not caught.value.retryable
    assert [request.method for request in server.requests].count("PUT") == 1
    assert_safe(caught.value)


def test_no_server() -> None:
    """An endpoint where nobody listens is retryable, and named."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(StorageError, match=f"127.0.0.1:{port}.*SPACES_ENDPOINT_URL") as caught:
        put(S3Server(endpoint_url=f"http://127.0.0.1:{port}").storage())
    assert caught.value.retryable
    assert_safe(caught.value)


@pytest.mark.parametrize("body", [b"<html>", b"{}"])
def test_answer_that_is_not_s3(server: FaultServer, storage: S3Storage, body: bytes) -> None:
    """An answer that only some other server gives is an error that names the endpoint."""
    server.play(answer("404 Not Found", body, Content_Type="text/html"))
    with pytest.raises(StorageError, match="SPACES_ENDPOINT_URL"):
        put(storage)


def test_lost_answer(moto: S3Server, server: FaultServer, storage: S3Storage) -> None:
    """A PUT that was written and whose answer was lost is written again, and succeeds."""
    server.play(forward(moto.endpoint_url, lose_answer=True), forward(moto.endpoint_url))
    put(storage, "lost/answer.png")
    assert len(server.requests) == 2
    with moto.storage().open("lost/answer.png") as file:
        assert file.read() == BODY


@pytest.mark.parametrize("lost", [None, "502 Bad Gateway"], ids=["dropped", "gateway"])
def test_every_answer_lost(
    moto: S3Server, server: FaultServer, storage: S3Storage, lost: str | None
) -> None:
    """A PUT that was written and never answered is recognised by one HEAD, and is a success."""

    def write_and_lose(request: Request) -> bytes | None:
        forward(moto.endpoint_url)(request)
        return answer(lost)(request) if lost else None

    server.play(*[write_and_lose] * ATTEMPTS, forward(moto.endpoint_url))
    put(storage, f"lost/all-{lost}.png")
    assert [request.method for request in server.requests] == ["PUT"] * ATTEMPTS + ["HEAD"]


@pytest.mark.parametrize("there", [None, b"another picture", b"PICTURE" * 1000])
def test_never_written(
    moto: S3Server, server: FaultServer, storage: S3Storage, there: bytes | None
) -> None:
    """A PUT without an answer that wrote nothing is retryable, whatever lies under the key."""
    key = f"lost/never-{len(there or b'')}.png"
    if there is not None:
        put(moto.storage(), key, there)
    server.play(*[hang_up] * ATTEMPTS, forward(moto.endpoint_url))
    with pytest.raises(StorageError, match="No answer") as caught:
        put(storage, key)
    assert caught.value.retryable
    assert not isinstance(caught.value, NotFound)
    assert_safe(caught.value)


def test_same_bytes_with_other_metadata(
    moto: S3Server, server: FaultServer, storage: S3Storage
) -> None:
    """An older object of the same bytes is not taken for the one that was to be written."""
    sha256 = hashlib.sha256(BODY).hexdigest()
    put(moto.storage(), "lost/older.png")
    server.play(*[hang_up] * ATTEMPTS, forward(moto.endpoint_url))
    with pytest.raises(StorageError):
        storage.put(
            "lost/older.png", BODY, content_type="image/png", sha256=sha256, metadata={"goal": "7"}
        )


def test_bucket_that_may_not_be_asked_for(server: FaultServer, storage: S3Storage) -> None:
    """A key without the right to ask for the bucket finds no object; one outage proves nothing."""
    server.play(answer("404 Not Found"), answer("403 Forbidden"))
    with pytest.raises(NotFound):
        storage.stat("a")
    server.play(answer("404 Not Found"), SLOW_DOWN)
    with pytest.raises(StorageError) as caught:
        storage.stat("a")
    assert caught.value.retryable
    assert not isinstance(caught.value, NotFound)


def test_open_is_one_request(server: FaultServer, storage: S3Storage) -> None:
    """Bytes and description of an object come with one GET."""
    line = f"{'0' * 64};goal=7"
    server.play(
        answer("200 OK", b"abc", Content_Type="image/webp", **{f"x-amz-meta-{OWN_METADATA}": line})
    )
    with storage.open("a") as file:
        assert file.read() == b"abc"
    assert (file.stat.size_bytes, file.stat.content_type) == (3, "image/webp")
    assert (file.stat.metadata, file.stat.sha256) == ({"goal": "7"}, "0" * 64)
    assert len(server.requests) == 1


def test_body_cut_off(server: FaultServer, storage: S3Storage) -> None:
    """A body that ends early is a retryable error of ours, not a short picture."""
    server.play(cut_off(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"))
    with storage.open("a") as file, pytest.raises(StorageError, match="'a'") as caught:
        file.read()
    assert caught.value.retryable
    assert_safe(caught.value)


def test_delete_of_nothing(server: FaultServer, storage: S3Storage) -> None:
    """A store that answers 404 to a delete has nothing to delete, which is no error."""
    server.play(s3_error("404 Not Found", "NoSuchKey"))
    storage.delete("a")


@pytest.mark.parametrize(
    ("said", "allowed"), [("3", (3.0, 3.0)), ("3600", (10.0, 10.0)), ("soon", (0.0, 0.5))]
)
def test_retry_after(
    monkeypatch: pytest.MonkeyPatch,
    server: FaultServer,
    storage: S3Storage,
    said: str,
    allowed: tuple[float, float],
) -> None:
    """The seconds that a server asks for are waited, ten at most; a date or nonsense is not."""
    waits: list[float] = []
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=waits.append))
    server.play(s3_error("503 Slow Down", "SlowDown", Retry_After=said), STORED)
    put(storage)
    (wait,) = waits
    assert allowed[0] <= wait <= allowed[1]


# What is sent


def test_what_a_put_sends(server: FaultServer, storage: S3Storage) -> None:
    """A PUT signs the known digest, waits for no 100, sends no checksum trailer and no ACL."""
    server.play(STORED)
    put(storage)
    (request,) = server.requests
    assert request.header("x-amz-content-sha256") == hashlib.sha256(BODY).hexdigest()
    assert request.header("content-length") == str(len(BODY))
    for name in ("expect", "transfer-encoding", "x-amz-trailer", "x-amz-acl"):
        assert request.header(name) is None
    assert "x-amz-checksum" not in request.head.decode().lower()
    assert "aws4_request" in (request.header("authorization") or "")


def test_body_is_not_hashed_again(real: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore signs a PUT without reading its body, and the server finds it well signed."""
    hashed: list[int] = []

    def watch(data: bytes = b"") -> object:
        hashed.append(len(data))
        return hashlib.sha256(data)

    monkeypatch.setattr(botocore.auth, "sha256", watch)
    put(real, "signed.png")
    assert hashed, "botocore.auth no longer hashes with what this test watches"
    assert max(hashed) < len(BODY)
    assert real.stat("signed.png").size_bytes == len(BODY)


def test_other_requests_are_signed_as_ever(real: S3Storage) -> None:
    """A PUT that is not ours, and a presigned one, are left to botocore's own signer."""
    client = real._client()
    client.put_object(Bucket="media", Key="plain.png", Body=BODY, Metadata={"who": "else"})
    url = client.generate_presigned_url("put_object", Params={"Bucket": "media", "Key": "k"})
    assert "X-Amz-Signature=" in url


@pytest.mark.parametrize(
    ("acl", "sent"), [(None, "public-read"), ("private", "private"), ("none", None)]
)
def test_acl_is_sent(server: FaultServer, acl: str | None, sent: str | None) -> None:
    """The provider's ACL goes with an object, or the one that SPACES_ACL names, or none."""
    server.play(STORED)
    storage = S3Storage(
        provider=StorageProvider.DIGITALOCEAN_SPACES,
        bucket="media",
        region="fra1",
        key=Secret("key"),
        secret=Secret("secret"),
        endpoint_url=server.url,
        acl=acl,
    )
    put(storage)
    assert server.requests[0].header("x-amz-acl") == sent


# Objects of others


@pytest.mark.parametrize(
    "metadata", [{"who": "else"}, {}, {OWN_METADATA: "no line of ours"}, {"sha256": "0" * 64}]
)
def test_object_of_somebody_else(real: S3Storage, metadata: dict[str, str]) -> None:
    """An object that another program stored has its own metadata and no SHA-256 of ours."""
    real._client().put_object(Bucket="media", Key="foreign", Body=b"x", Metadata=metadata)
    stat = real.stat("foreign")
    assert stat.metadata == metadata
    assert stat.sha256 is None


def test_damaged_metadata_line(real: S3Storage) -> None:
    """A line that looks like ours and can't be read is handed back as it is."""
    metadata = {OWN_METADATA: "0" * 64 + ";no equals sign"}
    real._client().put_object(Bucket="media", Key="damaged", Body=b"x", Metadata=metadata)
    assert real.stat("damaged").metadata == metadata


# Surroundings


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
