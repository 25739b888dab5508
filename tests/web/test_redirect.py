"""files="redirect": the browser fetches the picture from the bucket itself."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
from flask import Flask

from flask_media import FlaskMedia
from flask_media import current_media
from flask_media.web.links import signed_file_url

from ..servers import S3Server
from .conftest import ANN
from .conftest import STORAGES
from .conftest import MakeApp
from .conftest import let_in

KEY = "goals/7/Être & libre+1%2F.png"


def make_site(make_app: MakeApp, blueprint: dict[str, Any], **config: Any) -> Flask:
    """An app with that blueprint."""
    media = FlaskMedia()
    app = make_app(media, SECRET_KEY="a secret", **config)
    app.register_blueprint(media.create_blueprint(authorize=let_in, **blueprint))
    return app


def on(server: S3Server) -> dict[str, str]:
    """The config of a bucket there."""
    return {
        "SPACES_PROVIDER": "minio",
        "SPACES_ENDPOINT_URL": server.endpoint_url,
        "SPACES_BUCKET": server.bucket,
        "SPACES_KEY": server.key,
        "SPACES_SECRET": server.secret,
    }


@pytest.fixture
def app(make_app: MakeApp, seaweedfs: S3Server, png: bytes) -> Flask:
    """An app that sends browsers to a bucket, which has a picture that is not public."""
    app = make_site(make_app, {"files": "redirect"}, **on(seaweedfs))
    with app.app_context():
        current_media.upload(png, KEY)
    return app


@pytest.fixture
def path(app: Flask) -> str:
    """The picture's place at the route."""
    with app.test_request_context():
        return signed_file_url(app, KEY, 1).partition("?")[0]


def test_redirect(app: Flask, path: str, png: bytes) -> None:
    """Who is let in is sent to a URL that works for some minutes; no cache keeps the way."""
    response = app.test_client().get(path, headers=ANN)
    assert response.status_code == 302
    assert response.headers["Cache-Control"] == "no-store"
    location = response.headers["Location"]
    assert parse_qs(urlsplit(location).query)["X-Amz-Expires"] == ["300"]
    with urllib.request.urlopen(location, timeout=10) as fetched:
        assert fetched.read() == png
        assert fetched.headers["Content-Type"] == "image/png"


def test_head(app: Flask, path: str, png: bytes) -> None:
    """A HEAD is sent to a URL that works for a HEAD."""
    response = app.test_client().head(path, headers=ANN)
    assert (response.status_code, response.data) == (302, b"")
    request = urllib.request.Request(response.headers["Location"], method="HEAD")
    with urllib.request.urlopen(request, timeout=10) as fetched:
        assert fetched.headers["Content-Length"] == str(len(png))


def test_refused(app: Flask, path: str) -> None:
    """Who is not let in, and what is no key, is not sent anywhere."""
    assert app.test_client().get(path).status_code == 403
    for wrong in ("a//b", "../x", "%00", "x" * 1025):
        response = app.test_client().get(f"/files/{wrong}", headers=ANN)
        assert response.status_code == 404
        assert "Location" not in response.headers


def test_nothing_is_asked_of_the_store(make_app: MakeApp) -> None:
    """The store is not asked whether the object is there: a redirect needs no network."""
    nowhere = S3Server(endpoint_url="http://127.0.0.1:9")
    app = make_site(make_app, {"files": "redirect"}, **on(nowhere))
    response = app.test_client().get("/files/nothing.png", headers=ANN)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("http://127.0.0.1:9/media/nothing.png?")


def test_can_read(make_app: MakeApp, seaweedfs: S3Server) -> None:
    """What somebody may not see they are not sent to."""
    blueprint = {"files": "redirect", "can_read": lambda who, key: key.startswith(f"{who}/")}
    client = make_site(make_app, blueprint, **on(seaweedfs)).test_client()
    assert client.get("/files/ann/house.png", headers=ANN).status_code == 302
    assert client.get("/files/bob/house.png", headers=ANN).status_code == 404


def test_by_a_link(app: Flask) -> None:
    """A link from before the pictures went to a bucket leads there, no longer than it is good."""
    with app.test_request_context():
        links = {left: signed_file_url(app, KEY, left) for left in (3600, 60, -1)}
    lives = {}
    for left, link in links.items():
        response = app.test_client().get(link)
        query = parse_qs(urlsplit(response.headers.get("Location", "")).query)
        lives[left] = (response.status_code, *query.get("X-Amz-Expires", ()))
    assert lives == {3600: (302, "300"), 60: (302, "60"), -1: (403,)}


@pytest.mark.parametrize("storage", STORAGES)
def test_storages_of_the_app_itself(make_app: MakeApp, storage: str, png: bytes) -> None:
    """A folder or memory has no other way out than the app: pictures come as ever."""
    app = make_site(make_app, {"files": "redirect"}, MEDIA_STORAGE=storage)
    with app.app_context():
        current_media.upload(png, "house.png")
        link = current_media.signed_url("house.png")
    response = app.test_client().get("/files/house.png", headers=ANN, buffered=True)
    assert (response.status_code, response.data) == (200, png)
    assert app.test_client().get(link, buffered=True).data == png


def test_proxy(make_app: MakeApp, seaweedfs: S3Server, png: bytes) -> None:
    """Where asked for, a bucket's pictures come through the app; its links never do."""
    app = make_site(make_app, {"files": "proxy"}, **on(seaweedfs))
    with app.app_context():
        current_media.upload(png, "house.png")
        link = current_media.signed_url("house.png")
    response = app.test_client().get("/files/house.png", headers=ANN, buffered=True)
    assert (response.status_code, response.data) == (200, png)
    assert link.startswith(f"{seaweedfs.endpoint_url}/media/house.png?X-Amz-Algorithm=")
    with urllib.request.urlopen(link, timeout=10) as fetched:
        assert fetched.read() == png


@pytest.mark.parametrize("mode", ["Redirect", "", None, True, "x" * 1000, ["proxy"]])
def test_a_mode_that_is_none(mode: Any) -> None:
    """Another mode is refused when the blueprint is made, by the argument's name."""
    with pytest.raises(ValueError, match=r"^files is .*'proxy' or 'redirect'") as caught:
        FlaskMedia().create_blueprint(authorize=let_in, files=mode)
    assert len(str(caught.value)) < 200
