"""``flask media check`` against a bucket, and the faults that it may have."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from ..faults import Answer
from ..faults import FaultServer
from ..faults import Request
from ..faults import s3_error
from ..servers import S3Server
from .s3_door import door
from .support import MakeShop
from .support import Shop
from .support import findings


@pytest.fixture
def bucket_shop(make_shop: MakeShop, seaweedfs: S3Server) -> Any:
    """Makes shops with a bucket; keywords change the config."""

    def make(**config: Any) -> Shop:
        usual = {
            "SPACES_PROVIDER": "minio",
            "SPACES_BUCKET": seaweedfs.bucket,
            "SPACES_KEY": seaweedfs.key,
            "SPACES_SECRET": seaweedfs.secret,
            "SPACES_ENDPOINT_URL": seaweedfs.endpoint_url,
            "SPACES_ACL": "private",
        }
        return make_shop(**{key: value for key, value in (usual | config).items() if value != ""})

    return make


def test_all_is_well(bucket_shop: Any) -> None:
    """A bucket is written, read and deleted, its clock agrees, and a signed URL shows the
    object."""
    found = findings(
        bucket_shop(
            SPACES_PROVIDER="aws_s3", SPACES_REGION="us-east-1", SPACES_ADDRESSING_STYLE="path"
        )
    )
    assert {name: found[name]["status"] for name in ("clock", "url", "bucket")} == {
        "clock": "ok",
        "url": "ok",
        "bucket": "ok",
    }
    assert "acl" not in found


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"SPACES_BUCKET": "nothing-here"}, "There is no bucket 'nothing-here'"),
        ({"SPACES_SECRET": "wrong-secret"}, "SPACES_SECRET does not belong to SPACES_KEY"),
        ({"SPACES_KEY": "nobodys-key"}, "SPACES_KEY is not a key of this store"),
        ({"SPACES_KEY": ""}, "needs SPACES_KEY"),
        ({"SPACES_ENDPOINT_URL": "http://127.0.0.1:9"}, "No answer from http://127.0.0.1:9"),
    ],
)
def test_bucket(bucket_shop: Any, config: dict[str, str], words: str) -> None:
    """A bucket that is not there, wrong credentials and a store that is away are told apart."""
    shop = bucket_shop(**config)
    found = findings(shop)
    assert found["bucket"]["status"] == "fail"
    assert words.lower() in found["bucket"]["message"].lower()
    assert shop.run("check").exit_code == 1


def test_a_refused_acl(bucket_shop: Any, faults: FaultServer, seaweedfs: S3Server) -> None:
    """A bucket that refuses ACLs, as AWS's do, is told from one that can't be written."""

    def refuse(request: Request) -> Answer | None:
        if request.method == "PUT" and request.header("x-amz-acl"):
            return s3_error("400 Bad Request", "AccessControlListNotSupported")
        return None

    faults.play(door(seaweedfs.endpoint_url, refuse))
    config = {
        "SPACES_PROVIDER": "aws_s3",
        "SPACES_REGION": "us-east-1",
        "SPACES_ADDRESSING_STYLE": "path",
    }
    found = findings(
        bucket_shop(SPACES_ENDPOINT_URL=faults.url, SPACES_ACL="public-read", **config)
    )
    assert found["acl"]["status"] == "fail"
    assert "AccessControlListNotSupported" in found["acl"]["message"]
    assert "Set SPACES_ACL to 'none'" in found["acl"]["advice"]
    assert found["bucket"]["status"] == "ok"


def test_an_acl_that_the_key_may_not_set(
    bucket_shop: Any, faults: FaultServer, seaweedfs: S3Server
) -> None:
    """A key that may write and set no ACL gets a bare 403; the ACL is found out all the same."""

    def refuse(request: Request) -> Answer | None:
        is_acl = request.method == "PUT" and request.header("x-amz-acl")
        return s3_error("403 Forbidden", "AccessDenied") if is_acl else None

    faults.play(door(seaweedfs.endpoint_url, refuse))
    config = {
        "SPACES_PROVIDER": "digitalocean_spaces",
        "SPACES_REGION": "fra1",
        "SPACES_ADDRESSING_STYLE": "path",
    }
    found = findings(bucket_shop(SPACES_ENDPOINT_URL=faults.url, SPACES_ACL="", **config))
    assert found["acl"]["status"] == "fail"
    assert "'public-read'" in found["acl"]["message"]


@pytest.mark.parametrize(
    ("seconds", "status"), [(20 * 60, "fail"), (-20 * 60, "fail"), (120, "warn"), (5, "ok")]
)
def test_clock_skew(
    bucket_shop: Any, faults: FaultServer, seaweedfs: S3Server, seconds: int, status: str
) -> None:
    """A clock that differs from the store's is named, with how far; S3 refuses 15 minutes."""
    theirs = format_datetime(datetime.now(UTC) - timedelta(seconds=seconds), usegmt=True)
    skewed = s3_error("403 Forbidden", "RequestTimeTooSkewed", Date=theirs)

    def change(headers: dict[str, str]) -> None:
        headers["Date"] = theirs

    faults.play(
        door(seaweedfs.endpoint_url, lambda _: skewed if abs(seconds) > 900 else None, change)
    )
    found = findings(bucket_shop(SPACES_ENDPOINT_URL=faults.url))
    assert found["clock"]["status"] == status
    if status != "ok":
        assert ("ahead of" if seconds > 0 else "behind") in found["clock"]["message"]
        assert "Set this machine's clock" in found["clock"]["advice"]
    assert found["bucket"]["status"] == ("fail" if status == "fail" else "ok")


def test_clock_skew_of_a_store_without_a_date(bucket_shop: Any, faults: FaultServer) -> None:
    """A store that does not say what time it is says that the clock is wrong."""
    faults.play(s3_error("403 Forbidden", "RequestTimeTooSkewed"))
    found = findings(bucket_shop(SPACES_ENDPOINT_URL=faults.url))
    assert found["clock"]["status"] == "fail"


def test_cdn(bucket_shop: Any, faults: FaultServer, seaweedfs: S3Server) -> None:
    """A CDN that shows the bucket's objects is well; another one, or none there, is named."""
    shown: dict[str, bytes] = {}

    def cdn(request: Request) -> bytes:
        # A CDN has the right to read: so has the key, which is asked for the object here.
        key = request.head.split(b" ")[1].decode().lstrip("/")
        with storage.open(key) as file:
            body = shown.get("body") or file.read()
        return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    faults.play(cdn)
    storage = seaweedfs.storage()
    found = findings(bucket_shop(SPACES_ACL="", SPACES_CDN_URL=faults.url))
    assert (found["cdn"]["status"], found["bucket"]["status"]) == ("ok", "ok")
    shown["body"] = b"<html>parked</html>"
    found = findings(bucket_shop(SPACES_ACL="", SPACES_CDN_URL=faults.url))
    assert found["cdn"]["status"] == "fail"
    assert "serves something else" in found["cdn"]["message"]
    found = findings(bucket_shop(SPACES_ACL="", SPACES_CDN_URL="http://127.0.0.1:9"))
    assert found["cdn"]["status"] == "fail"
    assert "Check SPACES_CDN_URL" in found["cdn"]["advice"]


def test_a_public_bucket_that_is_not(bucket_shop: Any) -> None:
    """Pictures whose plain URL browsers can't fetch are pointed out."""
    found = findings(bucket_shop(SPACES_ACL=""))
    assert found["url"]["status"] == "warn"
    assert "answers 403" in found["url"]["message"]


def test_a_private_bucket_that_is_not(
    bucket_shop: Any, faults: FaultServer, seaweedfs: S3Server
) -> None:
    """Private pictures that everybody can fetch are a fault."""
    storage = seaweedfs.storage()

    def refuse(request: Request) -> Answer | None:
        target = request.head.split(b" ")[1].decode()
        if request.method != "GET" or "X-Amz" in target or request.header("authorization"):
            return None
        with storage.open(target.removeprefix("/media/")) as file:
            body = file.read()
        return lambda _: f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    faults.play(door(seaweedfs.endpoint_url, refuse))
    found = findings(bucket_shop(SPACES_ENDPOINT_URL=faults.url))
    assert found["private"]["status"] == "fail"
    assert found["url"]["status"] == "ok"


def test_mirror(make_shop: MakeShop, seaweedfs: S3Server) -> None:
    """The mirror is written to as well, and its fault is named apart."""
    mirror = {
        "MEDIA_STORAGE": "spaces",
        "SPACES_PROVIDER": "minio",
        "SPACES_BUCKET": seaweedfs.bucket,
        "SPACES_KEY": seaweedfs.key,
        "SPACES_SECRET": seaweedfs.secret,
        "SPACES_ENDPOINT_URL": seaweedfs.endpoint_url,
    }
    found = findings(make_shop(MEDIA_STORAGE_MIRROR=mirror))
    assert (found["folder"]["status"], found["mirror"]["status"]) == ("ok", "ok")
    found = findings(make_shop(MEDIA_STORAGE_MIRROR=mirror | {"SPACES_SECRET": "wrong-secret"}))
    assert (found["folder"]["status"], found["mirror"]["status"]) == ("ok", "fail")
    assert "SPACES_SECRET" in found["mirror"]["message"]


def test_it_makes_no_bucket(bucket_shop: Any, seaweedfs: S3Server) -> None:
    """A store that makes a bucket when it is written to is not written to."""
    shop = bucket_shop(SPACES_BUCKET="misspelt-bucket")
    assert findings(shop)["bucket"]["status"] == "fail"
    assert findings(shop)["bucket"]["status"] == "fail"
