"""The files route: what comes, and that no key breaks it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import TypeVar

import pytest

from flask_media import FlaskMedia
from flask_media import ObjectStat
from flask_media import StorageError
from flask_media import current_media
from flask_media.service import MediaService
from flask_media.storage.base import StoredFile
from flask_media.storage.memory import MemoryStorage

from .conftest import ANN
from .conftest import MakeApp
from .conftest import Site
from .conftest import let_in

Answer = TypeVar("Answer")


def test_a_picture(site: Site) -> None:
    """A stored picture comes whole, as what it is, for no other use, and for no shared cache."""
    assert site.url == "/media/files/goals/7/house.png"
    response = site.get()
    assert response.status_code == 200
    assert response.data == site.png
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Content-Length"] == str(len(site.png))
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.get_etag() == (hashlib.sha256(site.png).hexdigest(), False)
    assert set(response.headers["Cache-Control"].split(", ")) == {"private", "no-cache"}
    assert "Content-Disposition" not in response.headers
    assert "Set-Cookie" not in response.headers


def test_no_shared_cache_whatever_the_app_says(site: Site) -> None:
    """SEND_FILE_MAX_AGE_DEFAULT, meant for static files, makes no guarded picture public."""
    site.app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600
    cache = site.get().headers["Cache-Control"]
    assert "private" in cache
    assert "public" not in cache


def test_not_modified(site: Site) -> None:
    """Who has the picture already gets 304 without its bytes; after a change, the new one."""
    etag = site.get().headers["ETag"]
    response = site.get(If_None_Match=etag)
    assert (response.status_code, response.data) == (304, b"")
    assert response.headers["ETag"] == etag
    assert site.get(If_None_Match='"other"').status_code == 200
    assert site.client.get(site.url, headers={"If-None-Match": etag}).status_code == 403


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=10-19", slice(10, 20)),
        ("bytes=20-", slice(20, None)),
        ("bytes=-5", slice(-5, None)),
        ("bytes=0-999999", slice(0, None)),
    ],
)
def test_range(site: Site, asked: str, part: slice) -> None:
    """A range gives 206 with those bytes and says which of how many they are."""
    response = site.get(Range=asked)
    assert response.status_code == 206
    assert response.data == site.png[part]
    first, last, _ = part.indices(len(site.png))
    assert response.headers["Content-Range"] == f"bytes {first}-{last - 1}/{len(site.png)}"
    assert response.headers["Content-Length"] == str(last - first)
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_range_of_an_older_picture(site: Site) -> None:
    """A range of a picture that has changed since gives the new one whole."""
    response = site.get(Range="bytes=0-9", If_Range='"other"')
    assert (response.status_code, response.data) == (200, site.png)


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=5-2", "bytes=999999-9999999"])
def test_range_beyond_the_end(site: Site, asked: str) -> None:
    """A range in which there is nothing gives 416."""
    assert site.get(Range=asked).status_code == 416


@pytest.mark.parametrize(
    "asked",
    [
        *("lines=1-2", "items=0-1", "bytes=x", "0-9", "bytes", "bytes=", "bytes=-", "bytes=1"),
        *("bytes=0-1,3-4", "bytes=0-1,", "bytes=\u00b2-", "bytes=--1", "bytes=+1-2", "bytes=0-1;x"),
        "bytes=0-" + "9" * 5000,
    ],
    ids=lambda asked: asked[:20],
)
def test_range_that_is_none(site: Site, asked: str) -> None:
    """What is no single range of bytes is not there: the picture comes whole."""
    response = site.get(Range=asked)
    assert (response.status_code, response.data) == (200, site.png)
    assert "Content-Range" not in response.headers


def test_head(site: Site) -> None:
    """HEAD gives the same headers as GET, and no bytes."""
    response = site.client.head(site.url, headers=ANN, buffered=True)
    assert (response.status_code, response.data) == (200, b"")
    whole = site.get()
    for name in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges"):
        assert response.headers[name] == whole.headers[name]
    assert site.client.head(site.url).status_code == 403


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_read_only(site: Site, method: str) -> None:
    """The route only reads."""
    assert getattr(site.client, method)(site.url, headers=ANN).status_code == 405
    assert site.get().data == site.png


NO_KEYS = [
    "nothing.png",
    "goals/7",
    "goals",
    "goals/7/house.png/below.png",
    "goals/7/",
    "../x",
    "../../instance/media/goals/7/house.png",
    "%2e%2e/x",
    "%2e%2e%2fx",
    "..%2fx",
    "goals/%2e%2e/goals/7/house.png",
    "goals/./7/house.png",
    "goals//7/house.png",
    "goals%2f%2f7/house.png",
    "/etc/passwd",
    "%2fetc/passwd",
    "%2f%2fetc/passwd",
    "goals%00/house.png",
    "goals%0d%0aX-Injected:%201/house.png",
    "%7f",
    "%c2%85",
    "%ff%fe",
    "%ed%a0%80",
    "x" * 1025,
    "%C3%A9" * 513,
    "x" * 300,
    ".meta",
    ".meta/x",
    "%252e%252e/x",
    "..%5cx",
    "~root",
]


def test_keys_that_are_none(site: Site) -> None:
    """A key that is not there, or is none, gives 404 and nothing else."""
    for path in NO_KEYS:
        response = site.get(f"/media/files/{path}")
        assert response.status_code == 404, path
        assert site.png not in response.data, path
        assert "X-Injected" not in response.headers, path


@pytest.mark.parametrize("site", ["filesystem"], indirect=True)
def test_nothing_of_the_folder(site: Site, tmp_path: Path) -> None:
    """No file that lies in the folder beside the pictures, or behind a link, is served."""
    folder = tmp_path / "instance" / "media"
    (tmp_path / "secret.png").write_bytes(b"secret")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "goals" / "up").symlink_to(tmp_path)
    for key in ("link.png", "goals/up/secret.png"):
        assert site.get(f"/media/files/{key}").status_code == 404
    inner = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    hidden = [path for path in inner if path.parts[0].startswith(".")]
    assert hidden, "the storage keeps its own files elsewhere now; look for them there"
    for path in hidden:
        assert site.get(f"/media/files/{path}").status_code == 404


def test_generated_picture_by_its_url(site: Site) -> None:
    """A client that fetches a result's URL gets the bytes that the result describes."""

    @site.app.post("/goals")
    def add() -> dict[str, Any]:
        return current_media.generate_and_upload("Sea house", "goals/8/sea.webp").to_dict()

    result = site.client.post("/goals").get_json()
    response = site.get(result["url"])
    assert response.content_type == result["content_type"] == "image/webp"
    assert hashlib.sha256(response.data).hexdigest() == result["sha256"]
    assert len(response.data) == result["size_bytes"]


def test_an_objects_type_is_its_own(site: Site) -> None:
    """An object that is no picture, put there by others, is served as inert as any."""
    data = b"<script>alert(1)</script>"
    with site.app.app_context():
        current_media.storage.put(
            "page", data, content_type="text/html", sha256=hashlib.sha256(data).hexdigest()
        )
    response = site.get("/media/files/page")
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Type"].startswith("text/html")


def test_an_object_without_a_hash(make_app: MakeApp, tmp_path: Path, png: bytes) -> None:
    """A file that somebody copied into the folder is served, without an ETag."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_FOLDER=str(tmp_path / "pictures"))
    app.register_blueprint(media.create_blueprint(authorize=let_in))
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "house.png").write_bytes(png)
    response = app.test_client().get("/files/house.png", headers=ANN, buffered=True)
    assert (response.status_code, response.data) == (200, png)
    assert response.content_type == "image/png"
    assert "ETag" not in response.headers


def test_empty_object(site: Site) -> None:
    """An object of no bytes is served as such, and a range of it is no fault."""
    with site.app.app_context():
        current_media.storage.put("none", b"", content_type="image/png", sha256="0" * 64)
    assert site.get("/media/files/none").headers["Content-Length"] == "0"
    assert site.get("/media/files/none", Range="bytes=0-9").status_code in (200, 416)


# What the storage does meanwhile


class Spy(MemoryStorage):
    """A memory that says what it was asked, and can fail or change meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.fault: StorageError | None = None
        self.meanwhile: bytes | None = None

    def _stat(self, key: str) -> ObjectStat:
        self.asked.append("stat")
        return self._answer(super()._stat, key)

    def _open(self, key: str) -> StoredFile:
        self.asked.append("open")
        return self._answer(super()._open, key)

    def _answer(self, ask: Callable[[str], Answer], key: str) -> Answer:
        if self.fault:
            raise self.fault
        answer = ask(key)
        if self.meanwhile is not None:
            sha256 = hashlib.sha256(self.meanwhile).hexdigest()
            self.put(key, self.meanwhile, content_type="image/webp", sha256=sha256)
        return answer


@pytest.fixture
def spied(make_app: MakeApp, png: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[Site, Spy]:
    """A site, and its storage to watch."""
    spy = Spy()
    monkeypatch.setattr(MediaService, "storage", spy)
    media = FlaskMedia()
    app = make_app(media)
    app.register_blueprint(media.create_blueprint(authorize=let_in))
    spy.put("a", png, content_type="image/png", sha256=hashlib.sha256(png).hexdigest())
    return Site(app, "/files/a", png), spy


def test_what_a_request_costs(spied: tuple[Site, Spy]) -> None:
    """A picture is one opening; HEAD and 304 pull no body; a changed picture is asked for."""
    site, spy = spied
    etag = site.get().headers["ETag"]
    assert spy.asked == ["open"]
    assert site.client.head(site.url, headers=ANN).content_length == len(site.png)
    assert site.get(If_None_Match=etag).status_code == 304
    assert spy.asked == ["open", "stat", "stat"]
    assert site.get(If_None_Match='"old"', Range="bytes=0-3").data == site.png[:4]
    assert spy.asked == ["open", "stat", "stat", "stat", "open"]


@pytest.mark.parametrize("headers", [{}, {"If-None-Match": '"old"'}, {"Range": "bytes=0-"}])
def test_object_replaced_meanwhile(spied: tuple[Site, Spy], headers: dict[str, str]) -> None:
    """Length, type and ETag are those of the bytes that are sent, whatever is put meanwhile."""
    site, spy = spied
    spy.meanwhile = b"another picture"
    for _ in range(2):
        response = site.get(**headers)
        assert response.get_etag() == (hashlib.sha256(response.data).hexdigest(), False)
        assert response.content_length == len(response.data)
        assert response.content_type == ("image/png" if response.data == site.png else "image/webp")


@pytest.mark.parametrize(("retryable", "status"), [(True, 503), (False, 502)])
def test_storage_that_fails(
    spied: tuple[Site, Spy], retryable: bool, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A storage's fault is the gateway's, for now or for good; only the log says more."""
    site, spy = spied
    spy.fault = StorageError("s3.internal answered 500 to 'a'.", retryable=retryable)
    for response in (site.get(), site.client.head(site.url, headers=ANN)):
        assert response.status_code == status
        assert "Retry-After" not in response.headers
        assert b"s3.internal" not in response.data
    assert "s3.internal" in caplog.text
