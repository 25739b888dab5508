"""Who is let in, and who may see what."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flask import Request

from flask_media import FlaskMedia
from flask_media import current_media

from .conftest import ANN
from .conftest import MakeApp
from .conftest import let_in


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


# Who may see what


def own_only(who: str, key: str) -> bool:
    """Everybody sees what is below their name."""
    return key.startswith(f"{who}/")


async def own_only_slowly(who: str, key: str) -> bool:
    """As own_only, asynchronously."""
    return own_only(who, key)


@pytest.mark.parametrize("can_read", [own_only, own_only_slowly])
def test_can_read(can_read: Any, make_app: MakeApp, png: bytes) -> None:
    """Who may not see a picture is told that there is none, by GET, HEAD and ranges alike."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE="memory", SECRET_KEY="a secret")
    app.async_to_sync = lambda func: lambda *args: asyncio.run(func(*args))  # type: ignore[method-assign]
    app.register_blueprint(media.create_blueprint(authorize=let_in, can_read=can_read))
    with app.app_context():
        for key in ("ann/house.png", "bob/house.png"):
            current_media.upload(png, key)
        link = current_media.signed_url("bob/house.png")
        etag = current_media.stat("bob/house.png").sha256
    client = app.test_client()
    assert client.get("/files/ann/house.png", headers=ANN, buffered=True).data == png
    assert client.get("/files/bob/house.png").status_code == 403
    missing = client.get("/files/bob/nothing.png", headers=ANN)
    for headers in ({}, {"Range": "bytes=0-9"}, {"If-None-Match": f'"{etag}"'}):
        response = client.get("/files/bob/house.png", headers=ANN | headers)
        assert (response.status_code, response.data) == (404, missing.data)
        assert response.headers == missing.headers
    assert client.head("/files/bob/house.png", headers=ANN).status_code == 404
    assert client.get(link, headers=ANN, buffered=True).data == png  # the link is the right


def test_can_read_gets_only_keys(make_app: MakeApp) -> None:
    """can_read is asked of those who are let in, and only of what can be a key."""
    seen = []

    def can_read(who: str, key: str) -> bool:
        seen.append((who, key))
        return True

    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE="memory")
    app.register_blueprint(media.create_blueprint(authorize=let_in, can_read=can_read))
    client = app.test_client()
    for path in ("ann/../bob/house.png", "ann/%2e%2e/bob.png", "a//b", "a%00", "x" * 1025):
        assert client.get(f"/files/{path}", headers=ANN).status_code == 404
    assert client.get("/files/a.png").status_code == 403
    assert seen == []
    assert client.get("/files/ann/%C3%8A.png", headers=ANN).status_code == 404
    assert seen == [("ann", "ann/Ê.png")]


class Reader:
    """Something to call that Flask does not see to be async."""

    async def __call__(self, who: str, key: str) -> bool:
        return True


@pytest.mark.parametrize(
    ("can_read", "named"),
    [
        (lambda who, key: None, "NoneType"),
        (lambda who, key: 1, "int"),
        (lambda who, key: "yes", "str"),
        (Reader(), "coroutine"),
    ],
)
def test_an_answer_that_is_no_bool(
    can_read: Any, named: str, make_app: MakeApp, png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Only True lets somebody see a picture, and one warning names what came instead."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE="memory")
    app.register_blueprint(media.create_blueprint(authorize=let_in, can_read=can_read))
    with app.app_context():
        current_media.upload(png, "house.png")
    caplog.clear()
    for _ in range(3):
        assert app.test_client().get("/files/house.png", headers=ANN).status_code == 404
    (record,) = caplog.records
    assert record.getMessage().startswith(f"can_read returned a {named},")


def test_can_read_that_is_none() -> None:
    """Something that can't be called is refused when the blueprint is made."""
    with pytest.raises(TypeError, match="can_read must be a function"):
        FlaskMedia().create_blueprint(authorize=let_in, can_read="ann/")  # type: ignore[arg-type]
