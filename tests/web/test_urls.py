"""Where the blueprint is, and what URLs lead there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Blueprint
from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from flask_media import FlaskMedia
from flask_media import NotConfigured
from flask_media import current_media

from .conftest import ANN
from .conftest import STORAGES
from .conftest import MakeApp
from .conftest import Site
from .conftest import let_in

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


def test_values_that_nobody_gives(make_app: MakeApp) -> None:
    """Where the app has no value for its prefix there is no URL, in words that say what to do."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE="memory", SECRET_KEY="a secret")
    app.register_blueprint(media.create_blueprint(authorize=let_in), url_prefix="/<lang>")
    with app.app_context():
        for make in (current_media.url, current_media.signed_url):
            with pytest.raises(NotConfigured, match="prefix without variables"):
                make("house.png")


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
