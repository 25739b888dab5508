"""Errors in an app that has error handlers and routes of its own."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Blueprint
from flask import Flask
from flask import abort
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import default_exceptions

from flask_media import FlaskMedia

from .api import Api
from .api import MakeApi
from .api import json_of
from .api import problem_of
from .conftest import MakeApp
from .conftest import let_in


class LoginError(Exception):
    """One that an extension for logins raises, and has a handler for."""


def authorize(request: Any) -> str | None:
    """As let_in, with faults on demand."""
    fault = request.headers.get("X-Fault")
    if fault == "login":
        raise LoginError
    if fault == "bug":
        raise LookupError("secret-of-the-app")
    if fault:
        abort(int(fault))
    return let_in(request)


def _by_code(app: Flask) -> None:
    for code in default_exceptions:
        app.register_error_handler(code, lambda error: ("a page of the app", error.code or 500))


def _by_class(app: Flask) -> None:
    app.register_error_handler(HTTPException, lambda error: ("a page of the app", 500))
    app.register_error_handler(Exception, lambda error: (f"a page of the app: {error!r}", 500))


@pytest.fixture(params=[_by_code, _by_class])
def api_with_handlers(request: pytest.FixtureRequest, make_api: MakeApi) -> Api:
    """The blueprint in an app that has handlers for all that it knows of."""
    api = make_api(authorize=authorize, max_body=1000)
    request.param(api.app)
    return api


def test_every_refusal(api_with_handlers: Api) -> None:
    """What a route refuses is a problem, whatever pages the app has."""
    api = api_with_handlers
    picture = api.made()["url"]
    problem_of(api.get("/files/nothing.png"), 404, "not-found")
    problem_of(api.by("").get("/files/nothing.png"), 403, "forbidden")
    problem_of(api.get(picture, Range="bytes=999999-"), 416, "requested-range-not-satisfiable")
    problem_of(api.ask({"prompt": "x" * 2000}), 413, "request-entity-too-large")
    problem_of(api.ask(b"{"), 400, "invalid-json")
    problem_of(api.ask(Content_Type="text/plain"), 415, "unsupported-media-type")
    problem_of(api.by("").ask(), 403, "forbidden")
    problem_of(api.get("/jobs/x"), 404, "not-found")
    client = api.app.test_client()
    problem_of(client.put("/media/jobs", headers={"X-User": "ann"}), 405, "method-not-allowed")


@pytest.mark.parametrize("code", [code for code in default_exceptions if code >= 400])
def test_every_code(code: int, api_with_handlers: Api) -> None:
    """An error of any code is a problem, of a type as the description has it."""
    response = api_with_handlers.get("/jobs", X_Fault=str(code))
    document = json_of(response)
    problem_of(response, code, document["type"].rpartition(":")[2])
    schemas = json_of(api_with_handlers.get("/openapi.json"))["components"]["schemas"]
    assert re.search(schemas["Problem"]["properties"]["type"]["pattern"], document["type"])


def test_the_name_of_a_teapot(api: Api, make_api: MakeApi) -> None:
    """An apostrophe in the name of an error is dropped."""
    problem_of(make_api(authorize=authorize).get("/jobs", X_Fault="418"), 418, "im-a-teapot")


def test_a_bug(api_with_handlers: Api, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody foresaw is logged with its traceback, and told without a word of what it was."""
    response = api_with_handlers.get("/jobs", X_Fault="bug")
    problem_of(response, 500, "internal-server-error")
    assert b"secret-of-the-app" not in response.data
    (record,) = [record for record in caplog.records if record.exc_info]
    assert "LookupError" in (record.exc_text or repr(record.exc_info))


@pytest.mark.parametrize("setting", ["TESTING", "DEBUG", "PROPAGATE_EXCEPTIONS"])
def test_a_bug_under_test(setting: str, api_with_handlers: Api) -> None:
    """Where the app lets such faults through to its tests or debugger, so does the blueprint."""
    api_with_handlers.app.config[setting] = True
    with pytest.raises(LookupError, match="secret-of-the-app"):
        api_with_handlers.get("/jobs", X_Fault="bug")


def test_an_error_of_the_app(api_with_handlers: Api) -> None:
    """An error for whose class the app has a handler is the app's to answer."""
    api_with_handlers.app.register_error_handler(LoginError, lambda error: ("log in", 401))
    response = api_with_handlers.get("/jobs", X_Fault="login")
    assert (response.status_code, response.text) == (401, "log in")


def test_an_error_of_a_parent(make_app: MakeApp) -> None:
    """... and so is one for whose class a blueprint around this one has a handler."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_GENERATOR="placeholder", MEDIA_STORAGE="memory")
    _by_class(app)
    outer = Blueprint("api", __name__)
    outer.register_error_handler(LoginError, lambda error: ("log in", 401))
    outer.register_blueprint(media.create_blueprint(authorize=authorize))
    app.register_blueprint(outer)
    assert app.test_client().get("/jobs", headers={"X-Fault": "login"}).text == "log in"
    response = app.test_client().get("/jobs", headers={"X-Fault": "bug"})
    problem_of(response, 500, "internal-server-error")


def _with_routes(app: Flask) -> Flask:
    app.post("/shop/", endpoint="shop")(lambda: "shop")
    app.post("/a/b", endpoint="ab")(lambda: "ab")
    app.post("/old", endpoint="old", redirect_to="/shop/")(lambda: "old")
    app.register_error_handler(405, lambda error: ("a page of the app", 405))
    return app


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
@pytest.mark.parametrize("path", ["/shop", "/shop/", "//shop/", "/a/b", "/a//b", "/old", "/x"])
def test_routes_of_the_app(method: str, path: str, api: Api, make_app: MakeApp) -> None:
    """The app's own routes answer as they do without the blueprint."""
    plain, ours = (_with_routes(app).test_client() for app in (make_app(), api.app))
    expected, answer = plain.open(path, method=method), ours.open(path, method=method)
    assert answer.status_code == expected.status_code
    assert answer.text == expected.text
    assert answer.headers.get("Location") == expected.headers.get("Location")


def test_another_app_of_that_name(make_app: MakeApp) -> None:
    """A blueprint of the app's own is none of ours because it has the name of one in another."""
    media = FlaskMedia()
    blueprint = media.create_blueprint(authorize=let_in)
    one, two = (make_app(media, MEDIA_STORAGE="memory") for _ in range(2))
    one.register_blueprint(blueprint, name="shop", url_prefix="/media")
    two.register_blueprint(blueprint, url_prefix="/media")
    shop = Blueprint("shop", __name__)
    shop.post("/shop")(lambda: "shop")
    two.register_blueprint(shop)
    response = two.test_client().get("/shop")
    assert (response.status_code, response.mimetype) == (405, "text/html")
