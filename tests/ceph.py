"""Ceph, which DigitalOcean runs behind Spaces: a monitor, a store in memory, and its S3 gateway."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from .servers import S3Server
from .servers import free_ports
from .servers import missing
from .servers import running
from .servers import wait_for

PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
"""Of Debian's packages ceph-mon, ceph-osd and radosgw."""


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Ceph's gateway: object ACLs that count."""
    if not all(map(shutil.which, PROGRAMS)):
        missing("Ceph", "Debian's packages ceph-mon, ceph-osd and radosgw")
    folder = tmp_path_factory.mktemp("ceph")
    cluster, store = uuid.uuid4(), uuid.uuid4()
    monitor, gateway = free_ports(2)
    monitor_at = f"v1:127.0.0.1:{monitor}"
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()
    (folder / "ceph.conf").write_text(_config(folder, cluster, monitor_at))
    environment = {"PATH": os.environ["PATH"], "CEPH_CONF": str(folder / "ceph.conf")}

    def run(*command: str) -> None:
        subprocess.run(
            command, check=True, capture_output=True, timeout=30, cwd=folder, env=environment
        )

    server = S3Server(endpoint_url=f"http://127.0.0.1:{gateway}")
    run("monmaptool", "--create", "--addv", "a", monitor_at, "--fsid", str(cluster), "monmap")
    run("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap")
    with running(["ceph-mon", "-i", "a", "-f"], folder, environment):
        wait_for(lambda: run("ceph", "--connect-timeout", "5", "osd", "new", str(store), "0"))
        run("ceph-osd", "-i", "0", "--mkfs", "--monmap", "monmap", "--osd-uuid", str(store))
        run("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=localhost")
        user = ("--uid=test", "--display-name=test")
        keys = (f"--access-key={server.key}", f"--secret={server.secret}")
        listen = f"--rgw_frontends=beast endpoint=127.0.0.1:{gateway}"
        with running(["ceph-osd", "-i", "0", "-f"], folder, environment):
            run("radosgw-admin", "user", "create", *user, *keys)
            with running(["radosgw", "-f", "-n", "client.rgw", listen], folder, environment):
                server.make_bucket()
                yield server


def _config(folder: Path, cluster: uuid.UUID, monitor_at: str) -> str:
    return f"""[global]
fsid = {cluster}
mon_host = {monitor_at}
mon_initial_members = a
public_addr = 127.0.0.1
ms_bind_msgr2 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_crush_chooseleaf_type = 0
osd_class_update_on_start = false
osd_crush_update_on_start = false
osd_class_load_list = *
osd_class_default_list = *
osd_objectstore = memstore
mon_data = {folder}/mon
osd_data = {folder}/osd
rgw_data = {folder}/rgw
run_dir = {folder}
admin_socket = {folder}/$name.asok
log_file = {folder}/$name.log
"""
