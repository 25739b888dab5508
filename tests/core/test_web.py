"""The files route: who is let in, what comes, and that no key breaks it."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import TypeVar

import pytest
from flask import Blueprint
from flask import Flask
from flask import Request
from flask.testing import FlaskClient
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client
from werkzeug.wrappers import Response

from flask_media import FlaskMedia
from flask_media import ObjectStat
from flask_media import StorageError
from flask_media import current_media
from flask_media.service import MediaService
from flask_media.storage.base import StoredFile
from flask_media.storage.memory import MemoryStorage

from .conftest import MakeApp

STORAGES = ["memory", "filesystem"]

Answer = TypeVar("Answer")


def let_in(request: Request) -> str | None:
    """Whoever sends a name is let in."""
    return request.headers.get("X-User")


ANN = {"X-User": "ann"}


@dataclasses.dataclass
class Site:
    """An app with a files route, and a picture in it."""

    app: Flask
    url: str
    png: bytes

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def get(self, path: str | None = None, **headers: str) -> Response:
        sent = ANN | {name.replace("_", "-"): value for name, value in headers.items()}
        path = self.url if path is None else path
        # Buffered, the client closes the response as a server does; an open file is an error.
        return self.client.get(path, headers=sent, buffered=True)


@pytest.fixture(params=STORAGES)
def site(request: pytest.FixtureRequest, make_app: MakeApp, png: bytes) -> Site:
    """A site on each storage that an app itself serves."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_GENERATOR="placeholder", MEDIA_STORAGE=request.param)
    app.register_blueprint(media.create_blueprint(authorize=let_in), url_prefix="/media")
    with app.app_context():
        result = current_media.upload(png, "goals/7/house.png", {"goal": 7})
    return Site(app, result.url, png)


@pytest.mark.parametrize("authorize", [None, "ann", True, object()])
def test_authorize_that_is_none(authorize: Any) -> None:
    """Without something to ask, no blueprint is made, and the error says what is needed."""
    with pytest.raises(TypeError, match="a function that takes the request and returns who"):
        FlaskMedia().create_blueprint(authorize=authorize)
    with pytest.raises(TypeError, match="authorize"):
        FlaskMedia().create_blueprint()  # type: ignore[call-arg]


@pytest.mark.parametrize("answer", [None, "", False, 0])
@pytest.mark.parametrize("key", ["goals/7/house.png", "nothing.png", "../x", "x//y"])
def test_denied(answer: Any, key: str, make_app: MakeApp, png: bytes) -> None:
    """Whom authorize denies gets 403, and can't tell a key that is there from another."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE="memory")
    app.register_blueprint(media.create_blueprint(authorize=lambda request: answer))
    with app.app_context():
        current_media.upload(png, "goals/7/house.png")
    response = app.test_client().get(f"/files/{key}", follow_redirects=True)
    assert response.status_code == 403
    assert png not in response.data


@pytest.mark.parametrize("answer", [True, 5, b"ann", ["ann"], object()])
def test_an_answer_that_is_no_text(
    answer: Any, make_app: MakeApp, png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """An authorize that does not say who it is lets nobody in, and one warning names it."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE="memory")
    app.register_blueprint(media.create_blueprint(authorize=lambda request: answer))
    with app.app_context():
        current_media.upload(png, "house.png")
    caplog.clear()
    for _ in range(3):
        assert app.test_client().get("/files/house.png").status_code == 403
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith(f"authorize returned a {type(answer).__name__},")


async def let_in_slowly(request: Request) -> str | None:
    """As let_in, asynchronously."""
    return let_in(request)


class Doorman:
    """Something to call that Flask does not see to be async."""

    async def __call__(self, request: Request) -> str | None:
        return "ann"


def test_async_authorize(make_app: MakeApp, png: bytes) -> None:
    """An async authorize is awaited as the app awaits its views, and can deny."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE="memory")
    app.async_to_sync = lambda func: lambda *args: asyncio.run(func(*args))  # type: ignore[method-assign]
    app.register_blueprint(media.create_blueprint(authorize=let_in_slowly))
    with app.app_context():
        current_media.upload(png, "house.png")
    assert app.test_client().get("/files/house.png").status_code == 403
    response = app.test_client().get("/files/house.png", headers=ANN, buffered=True)
    assert (response.status_code, response.data) == (200, png)


def test_async_authorize_that_nobody_awaits(
    make_app: MakeApp, png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A coroutine says nothing about who it is, so nobody is let in."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE="memory")
    app.register_blueprint(media.create_blueprint(authorize=Doorman()))
    with app.app_context():
        current_media.upload(png, "house.png")
    assert app.test_client().get("/files/house.png", headers=ANN).status_code == 403
    assert "authorize returned a coroutine" in caplog.text


def test_authorize_gets_the_request(make_app: MakeApp, png: bytes) -> None:
    """authorize is called once a request, with the request and the route's key."""
    seen = []

    def authorize(request: Request) -> str:
        seen.append((request.method, request.path, (request.view_args or {}).get("key")))
        return "ann"

    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE="memory")
    app.register_blueprint(media.create_blueprint(authorize=authorize))
    with app.app_context():
        current_media.upload(png, "a/b.png")
    assert app.test_client().get("/files/a/b.png").status_code == 200
    assert seen == [("GET", "/files/a/b.png", "a/b.png")]


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


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=5-2", "lines=1-2", "bytes=x", "0-9"])
def test_range_that_is_none(site: Site, asked: str) -> None:
    """A range beyond the end, or that is none, gives 416 or the whole picture, never a 500."""
    response = site.get(Range=asked)
    assert response.status_code in (200, 416)


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


KEYS = [
    "goals/Être libre.png",
    "日本語/🏠.png",
    "a b+c&d=e?f#g%2F;.png",
    "100%.png",
    "a~b'(c)!.png",
]


@pytest.mark.parametrize("key", KEYS)
def test_url_gives_the_same_bytes(site: Site, key: str) -> None:
    """The URL of any key, made in or outside of a request, gives what was stored there."""
    with site.app.app_context():
        outside = current_media.upload(site.png, key).url
    with site.app.test_request_context("/"):
        inside = current_media.url(key)
    assert outside == inside
    assert re.fullmatch(r"/media/files/[!-~]+", outside)
    assert site.get(outside).data == site.png


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


# Where the blueprint is


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("storage", STORAGES)
def test_registered_before_and_after(
    before: bool, storage: str, make_app: MakeApp, png: bytes
) -> None:
    """The blueprint works whether it is registered before init_app or after."""
    media = FlaskMedia()
    app = make_app(MEDIA_STORAGE=storage)
    blueprint = media.create_blueprint(authorize=let_in)
    if before:
        app.register_blueprint(blueprint, url_prefix="/m")
    media.init_app(app)
    if not before:
        app.register_blueprint(blueprint, url_prefix="/m")
    with app.app_context():
        url = current_media.upload(png, "house.png").url
    assert url == "/m/files/house.png"
    assert app.test_client().get(url, headers=ANN, buffered=True).data == png


def _named(app: Flask, media: FlaskMedia) -> None:
    app.register_blueprint(media.create_blueprint(authorize=let_in, name="pics"), url_prefix="/p")


def _renamed(app: Flask, media: FlaskMedia) -> None:
    blueprint = media.create_blueprint(authorize=let_in)
    app.register_blueprint(blueprint, name="pics", url_prefix="/p")


def _nested(app: Flask, media: FlaskMedia) -> None:
    outer = Blueprint("api", __name__, url_prefix="/p")
    outer.register_blueprint(media.create_blueprint(authorize=let_in))
    app.register_blueprint(outer)


def _nested_twice(app: Flask, media: FlaskMedia) -> None:
    inner, outer = Blueprint("v1", __name__), Blueprint("api", __name__, url_prefix="/p")
    inner.register_blueprint(media.create_blueprint(authorize=let_in), name="pics")
    outer.register_blueprint(inner)
    app.register_blueprint(outer)


@pytest.mark.parametrize("register", [_named, _renamed, _nested, _nested_twice])
def test_under_another_name(
    register: Callable[[Flask, FlaskMedia], None], make_app: MakeApp, png: bytes
) -> None:
    """URLs lead to the route under whatever name and however deep it is registered."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE="memory")
    register(app, media)
    with app.app_context():
        url = current_media.upload(png, "house.png").url
    with app.test_request_context("/"):
        assert current_media.url("house.png") == url
    assert url == "/p/files/house.png"
    assert app.test_client().get(url, headers=ANN, buffered=True).data == png


def test_one_blueprint_on_two_apps(make_app: MakeApp, png: bytes) -> None:
    """One blueprint on two apps serves each app's own pictures."""
    media = FlaskMedia()
    blueprint = media.create_blueprint(authorize=let_in)
    one, two = (make_app(media, MEDIA_STORAGE="memory") for _ in range(2))
    one.register_blueprint(blueprint, url_prefix="/one")
    two.register_blueprint(blueprint, url_prefix="/two")
    with one.app_context():
        assert current_media.upload(png, "house.png").url == "/one/files/house.png"
    with two.app_context():
        assert current_media.url("house.png") == "/two/files/house.png"
    assert one.test_client().get("/one/files/house.png", headers=ANN).data == png
    assert two.test_client().get("/two/files/house.png", headers=ANN).status_code == 404


def test_application_root(make_app: MakeApp, png: bytes) -> None:
    """URLs made outside of a request begin with APPLICATION_ROOT."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE="memory", APPLICATION_ROOT="/shop")
    app.register_blueprint(media.create_blueprint(authorize=let_in), url_prefix="/media")
    with app.app_context():
        url = current_media.upload(png, "Être.png").url
    assert url == "/shop/media/files/%C3%8Atre.png"
    mounted = Client(DispatcherMiddleware(Flask("root"), {"/shop": app}))
    assert mounted.get(url, headers=ANN, buffered=True).data == png


def test_mounted_below_a_path(make_app: MakeApp, png: bytes) -> None:
    """URLs made in a request begin with the path that the app is mounted at."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE="memory")
    app.register_blueprint(media.create_blueprint(authorize=let_in))

    @app.get("/url")
    def url() -> str:
        return current_media.upload(png, "house.png").url

    mounted = Client(DispatcherMiddleware(Flask("root"), {"/shop": app}))
    made = mounted.get("/shop/url").text
    assert made == "/shop/files/house.png"
    assert mounted.get(made, headers=ANN).data == png


@pytest.mark.parametrize("storage", STORAGES)
def test_with_a_server_name(storage: str, make_app: MakeApp) -> None:
    """With SERVER_NAME the URL outside of a request is the same path as in one."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE=storage, SERVER_NAME="shop.example.com")
    app.register_blueprint(media.create_blueprint(authorize=let_in), url_prefix="/media")
    with app.app_context():
        outside = current_media.url("house.png")
    with app.test_request_context("/"):
        assert current_media.url("house.png") == outside == "/media/files/house.png"


def test_within_a_request_to_another_app(make_app: MakeApp) -> None:
    """In one app's context within a request to another, URLs are the first one's own."""
    media = FlaskMedia()
    one, two = (make_app(media, MEDIA_STORAGE="memory") for _ in range(2))
    one.register_blueprint(media.create_blueprint(authorize=let_in), url_prefix="/one")
    for other in (two, make_app()):
        with other.test_request_context("/"), one.app_context():
            assert current_media.url("house.png") == "/one/files/house.png"


def test_values_in_the_prefix(make_app: MakeApp, png: bytes) -> None:
    """A prefix with a value of its own works where the app has a default for it."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE="memory")
    app.register_blueprint(media.create_blueprint(authorize=let_in), url_prefix="/<lang>")
    app.url_value_preprocessor(lambda endpoint, values: values and values.pop("lang", None))
    app.url_defaults(lambda endpoint, values: values.setdefault("lang", "fr"))
    with app.app_context():
        url = current_media.upload(png, "house.png").url
    assert url == "/fr/files/house.png"
    assert app.test_client().get(url, headers=ANN).data == png


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://static.example.com/m/", "https://static.example.com/m/%C3%8A/a%20b.png"),
        ("/static/media", "/static/media/%C3%8A/a%20b.png"),
        ("/", "/%C3%8A/a%20b.png"),
    ],
)
@pytest.mark.parametrize("storage", STORAGES)
def test_files_url(base: str, url: str, storage: str, make_app: MakeApp) -> None:
    """MEDIA_FILES_URL goes before the route, in a request and outside."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE=storage, MEDIA_FILES_URL=base)
    app.register_blueprint(media.create_blueprint(authorize=let_in))
    with app.app_context():
        assert current_media.url("Ê/a b.png") == url
    with app.test_request_context("/"):
        assert current_media.url("Ê/a b.png") == url


def test_without_a_route(make_app: MakeApp, tmp_path: Path) -> None:
    """Without a route or MEDIA_FILES_URL a file's URL is a file:// URI, and memory's its own."""
    with make_app(FlaskMedia(), MEDIA_STORAGE="filesystem").app_context():
        uri = (tmp_path / "instance/media/a b.png").as_uri()
        assert current_media.url("a b.png") == uri
        assert uri.startswith("file:///")
    with make_app(FlaskMedia(), MEDIA_STORAGE="memory").app_context():
        assert current_media.url("a b.png") == "memory://a%20b.png"
