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
