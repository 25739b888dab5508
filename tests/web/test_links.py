"""Signed links: each opens one picture for a while, and nothing else."""

from __future__ import annotations

import hashlib
import math
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.parse import urlencode

import pytest
from flask import Flask
from itsdangerous import Signer
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client
from werkzeug.wrappers import Response

from flask_media import FlaskMedia
from flask_media import InvalidRequest
from flask_media import NotConfigured
from flask_media import current_media
from flask_media.config import MediaConfig
from flask_media.service import MediaService
from flask_media.web.links import PURPOSE
from flask_media.web.links import TOKEN
from flask_media.web.links import signed_file_url

from .conftest import ANN
from .conftest import STORAGES
from .conftest import MakeApp
from .conftest import Site
from .conftest import let_in

KEY = "goals/7/house.png"
WEEK = 7 * 24 * 3600


@pytest.fixture(autouse=True)
def _secret_key(request: pytest.FixtureRequest) -> None:
    """The site signs."""
    if "site" in request.fixturenames:
        request.getfixturevalue("site").app.secret_key = "a secret"


def link(site: Site, key: str = KEY, expires_in: float | timedelta = 60) -> str:
    """A signed link of the site."""
    with site.app.app_context():
        return current_media.signed_url(key, expires_in)


def fetch(site: Site, url: str, method: str = "GET", **headers: str) -> Response:
    """What a stranger gets there."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return site.client.open(url, method=method, headers=sent, buffered=True)


def forged(
    key: str = KEY,
    expires: str | None = None,
    secret: str = "a secret",
    **signer: Any,
) -> str:
    """A link as whoever has that secret can make it."""
    expires = str(int((time.time() + 60) * 1000)) if expires is None else expires
    how: dict[str, Any] = {
        "salt": PURPOSE,
        "key_derivation": "hmac",
        "digest_method": hashlib.sha256,
    } | signer
    signature = Signer(secret, **how).get_signature(f"{expires}.{key}").decode()
    return f"/media/files/{quote(key)}?{urlencode({TOKEN: f'{expires}.{signature}'})}"


def assert_refused(site: Site, url: str) -> None:
    """403, to strangers and to ann, and the same for a picture that is not there."""
    empty = fetch(site, f"/media/files/nothing.png?{TOKEN}=x")
    for headers in ({}, ANN):
        for method in ("GET", "HEAD"):
            response = site.client.open(url, method=method, headers=headers, buffered=True)
            assert response.status_code == 403, url
            assert response.data == (empty.data if method == "GET" else b"")
            assert response.headers == empty.headers


def test_a_link(site: Site) -> None:
    """Whoever has a link gets the picture, as one who is let in gets it, and nobody is asked."""
    url = link(site)
    assert url.startswith(f"/media/files/{KEY}?{TOKEN}=")
    assert fetch(site, url.partition("?")[0]).status_code == 403
    response, let = fetch(site, url), site.get()
    assert (response.status_code, response.data) == (200, site.png)
    assert response.headers == let.headers
    head = fetch(site, url, "HEAD")
    assert (head.status_code, head.data, head.content_length) == (200, b"", len(site.png))


def test_ranges_and_etag(site: Site) -> None:
    """A link gives ranges, and 304 to whom the picture is no news."""
    url = link(site)
    part = fetch(site, url, Range="bytes=10-19")
    assert (part.status_code, part.data) == (206, site.png[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(site.png)}"
    etag = part.headers["ETag"]
    assert etag == f'"{hashlib.sha256(site.png).hexdigest()}"'
    kept = fetch(site, url, If_None_Match=etag)
    assert (kept.status_code, kept.data) == (304, b"")
    assert fetch(site, url, Range="bytes=999999-").status_code == 416


def test_no_cache_outlives_a_link(site: Site) -> None:
    """What is kept has to be asked for again, and is gone when the link has expired."""
    url, etag = link(site), site.get().headers["ETag"]
    assert set(fetch(site, url).headers["Cache-Control"].split(", ")) == {"private", "no-cache"}
    with site.app.test_request_context():
        expired = signed_file_url(site.app, KEY, -1)
    assert fetch(site, expired, If_None_Match=etag).status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_read_only(site: Site, method: str) -> None:
    """A link only reads."""
    assert fetch(site, link(site), method).status_code == 405


def test_a_link_that_expired(site: Site) -> None:
    """A link is good until its time and not a moment longer."""
    with site.app.app_context():
        assert_refused(site, signed_file_url(site.app, KEY, -0.001))
        assert_refused(site, signed_file_url(site.app, "nothing.png", -WEEK))


def test_a_link_of_another_key(site: Site) -> None:
    """A token opens the key that it was made for, there or not, and no other."""
    with site.app.app_context():
        current_media.upload(site.png, "goals/8/house.png")
    token = link(site).partition("?")[2]
    for key in ("goals/8/house.png", "goals/7", f"{KEY}/", "nothing.png", "goals/7/House.png"):
        assert_refused(site, f"/media/files/{key}?{token}")
    assert fetch(site, link(site, "nothing.png")).status_code == 404


TOKENS = [
    "",
    ".",
    "x",
    "1",
    "1.",
    ".x",
    "99999999999999",
    "99999999999999.x",
    "99999999999999.é",
    "9" * 5000,
    "99999999999999." + "A" * 5000,
    "inf.AAAA",
    "\0",
    "%ed%a0%80",
]


@pytest.mark.parametrize("token", TOKENS, ids=lambda token: ascii(token)[:20])
def test_tokens_that_are_none(site: Site, token: str) -> None:
    """A token that nobody signed is refused, whatever it is, even with somebody let in."""
    assert_refused(site, f"/media/files/{KEY}?{TOKEN}={quote(token, safe='%')}")


def test_a_token_that_was_changed(site: Site) -> None:
    """A token with another time, with less, more or another sign is refused."""
    url = link(site)
    before, _, token = url.partition(f"{TOKEN}=")
    expires, _, signature = token.partition(".")
    later = int(expires) + 1
    for changed in (
        f"{later}.{signature}",
        f"0{expires}.{signature}",
        f"{expires}.{signature[:-2]}",
        f"{expires}.A{signature[1:]}" if signature[0] != "A" else f"{expires}.B{signature[1:]}",
        f"{expires}..{signature}",
        f"{signature}.{expires}",
    ):
        assert_refused(site, f"{before}{TOKEN}={changed}")
    assert fetch(site, url).status_code == 200


def test_what_else_the_app_signs(site: Site) -> None:
    """What the same SECRET_KEY signs for another purpose is no link; nor is another app's."""
    assert fetch(site, forged()).status_code == 200, "forged() signs in another way than links"
    assert_refused(site, forged(salt="cookie-session"))
    assert_refused(site, forged(salt="itsdangerous"))
    assert_refused(site, forged(salt="flask-media/job"))
    assert_refused(site, forged(secret="another app's secret"))
    assert_refused(site, forged(digest_method=hashlib.sha1))


def test_a_signature_fits_one_pair_of_time_and_key(site: Site) -> None:
    """The dot between time and key can't be moved to make a later time of a key's beginning."""
    soon = str(int((time.time() + 60) * 1000))
    url = forged(key=f"99999999999999.{KEY}", expires=soon)
    token = url.partition("?")[2].replace(soon, f"{soon}.99999999999999")
    assert_refused(site, f"/media/files/{KEY}?{token}")


def test_rotation(site: Site) -> None:
    """Links of an older SECRET_KEY work as long as it is among SECRET_KEY_FALLBACKS."""
    app, old = site.app, link(site)
    app.config.update(SECRET_KEY="a new secret", SECRET_KEY_FALLBACKS=["older", "a secret"])
    new = link(site)
    assert new.partition(".")[2] != old.partition(".")[2]
    assert fetch(site, old).data == fetch(site, new).data == site.png
    app.config["SECRET_KEY_FALLBACKS"] = ["older"]
    assert_refused(site, old)
    assert fetch(site, new).data == site.png


@pytest.mark.parametrize("older", ["a secret", b"a secret"])
def test_fallbacks_as_text(site: Site, older: str | bytes) -> None:
    """One key given in the place of a list is that key, and not one for each of its letters."""
    old = link(site)
    site.app.config.update(SECRET_KEY=b"a new secret", SECRET_KEY_FALLBACKS=older)
    assert fetch(site, old).data == fetch(site, link(site)).data == site.png
    assert_refused(site, forged(secret="a"))


@pytest.mark.parametrize("older", [[""], ["", "older"], [b""], "", ()])
def test_empty_fallbacks(site: Site, older: Any) -> None:
    """A fallback that is empty, as of a variable that is not set, signs nothing."""
    site.app.config["SECRET_KEY_FALLBACKS"] = older
    assert_refused(site, forged(secret=""))
    assert fetch(site, link(site)).data == site.png


def test_nothing_else_by_a_link(site: Site, tmp_path: Path) -> None:
    """No link leads out of the folder: not by its key, not by a link of the file system."""
    outside = tmp_path / "secret.png"
    outside.write_bytes(b"secret")
    folder = tmp_path / "instance" / "media"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "link.png").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    for key in ("link.png", "up/secret.png"):
        assert fetch(site, link(site, key)).status_code == 404
    for key in ("../../secret.png", "up/../../secret.png", "/etc/passwd", "a//b", ".meta/.lock"):
        response = fetch(site, forged(key))
        assert response.status_code == 404
        assert b"secret" not in response.data
    with pytest.raises(InvalidRequest, match="object_key"):
        link(site, "../../secret.png")


@pytest.mark.parametrize(
    "key",
    ["goals/Être libre.png", "日本語/🏠.png", "a b+c&d=e?f#g%2F;.png", "100%.png", "a~b'(c)!.png"],
)
def test_any_key(site: Site, key: str) -> None:
    """A link to any key works, made within a request and outside."""
    with site.app.app_context():
        current_media.upload(site.png, key)
    with site.app.test_request_context("/"):
        inside = current_media.signed_url(key)
    assert fetch(site, inside).data == fetch(site, link(site, key)).data == site.png


def test_the_longest_key(site: Site) -> None:
    """The link of the longest key fits in the 4,094 bytes that gunicorn takes for a request."""
    url = link(site, "é" * 512)
    assert len(f"GET {url} HTTP/1.1\r\n") < 4094
    assert fetch(site, url).status_code == 404


@pytest.mark.parametrize("expires_in", [1, 0.5, WEEK, timedelta(days=7), timedelta(seconds=2)])
def test_how_long(site: Site, expires_in: float | timedelta) -> None:
    """A link's life is given in seconds or as a timedelta, up to seven days."""
    before = time.time()
    url = link(site, KEY, expires_in)
    expires = int(url.partition(f"{TOKEN}=")[2].partition(".")[0]) / 1000
    seconds = expires_in.total_seconds() if isinstance(expires_in, timedelta) else expires_in
    assert before - 0.001 <= expires - seconds <= time.time() + 0.001


def test_an_hour(site: Site) -> None:
    """Unless said otherwise a link is good for an hour."""
    with site.app.app_context():
        url = current_media.signed_url(KEY)
    expires = int(url.partition(f"{TOKEN}=")[2].partition(".")[0]) / 1000
    assert expires - time.time() == pytest.approx(3600, abs=60)


@pytest.mark.parametrize(
    "expires_in",
    [
        *(0, -1, -0.0, math.nan, math.inf, -math.inf, WEEK + 1, 10**400, 10**5000, -(10**400)),
        *(timedelta(0), timedelta(days=-1), timedelta(days=7, microseconds=1), timedelta.max),
        *(True, False, None, "60", b"60", [60], 1j),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_life_that_is_none(site: Site, expires_in: Any) -> None:
    """Any other life is refused in words that name the argument."""
    with pytest.raises(InvalidRequest, match=r"^expires_in ") as caught:
        link(site, KEY, expires_in)
    assert len(str(caught.value)) < 120


# Where there is no link


@pytest.mark.parametrize("storage", STORAGES)
def test_without_a_secret_key(make_app: MakeApp, storage: str, png: bytes) -> None:
    """Without a SECRET_KEY nothing is signed, in words that say what to set; no token is right."""
    media = FlaskMedia()
    app = make_app(media, MEDIA_STORAGE=storage)
    app.register_blueprint(media.create_blueprint(authorize=let_in), url_prefix="/media")
    site = Site(app, f"/media/files/{KEY}", png)
    with app.app_context():
        current_media.upload(png, KEY)
        for secret in (None, "", b""):
            app.secret_key = secret
            with pytest.raises(NotConfigured, match=r"SECRET_KEY.*FLASK_SECRET_KEY"):
                current_media.signed_url(KEY)
            for url in (forged(secret=""), forged(secret="None"), f"{site.url}?{TOKEN}="):
                assert_refused(site, url)
    assert site.get().data == png


@pytest.mark.parametrize("storage", STORAGES)
def test_without_a_route(make_app: MakeApp, storage: str) -> None:
    """Without the blueprint nothing is signed, also with MEDIA_FILES_URL."""
    for base in (None, "https://static.example.com"):
        app = make_app(
            FlaskMedia(), MEDIA_STORAGE=storage, SECRET_KEY="a secret", MEDIA_FILES_URL=base
        )
        with app.app_context(), pytest.raises(NotConfigured, match=r"create_blueprint\(authorize"):
            current_media.signed_url(KEY)


@pytest.mark.parametrize("storage", STORAGES)
def test_without_an_app(storage: str, tmp_path: Path) -> None:
    """The service of a process without an app signs nothing, and says what would."""
    media = MediaService(MediaConfig(storage=storage), folder=tmp_path)
    with pytest.raises(NotConfigured, match=r"app with a SECRET_KEY.*bucket"):
        media.signed_url(KEY)
    with pytest.raises(InvalidRequest, match="expires_in"):
        media.signed_url(KEY, 0)


# Where the link leads


def test_beside_another_base(make_app: MakeApp, png: bytes) -> None:
    """MEDIA_FILES_URL is where public URLs lead; a link leads to the route, which can check it."""
    media = FlaskMedia()
    app = make_app(
        media,
        MEDIA_STORAGE="memory",
        SECRET_KEY="a secret",
        MEDIA_FILES_URL="https://static.example.com",
    )
    app.register_blueprint(media.create_blueprint(authorize=let_in), url_prefix="/media")
    with app.app_context():
        assert current_media.upload(png, KEY).url == f"https://static.example.com/{KEY}"
        url = current_media.signed_url(KEY)
    assert app.test_client().get(url, buffered=True).data == png


def test_below_a_prefix(make_app: MakeApp, tmp_path: Path, png: bytes) -> None:
    """Links between two apps of one folder and SECRET_KEY, where both are mounted below a path."""
    media = FlaskMedia()
    blueprint = media.create_blueprint(authorize=let_in)
    config = {"SECRET_KEY": "a secret", "MEDIA_FOLDER": str(tmp_path / "pictures")}
    shop, admin = make_app(media, **config), make_app(media, APPLICATION_ROOT="/admin", **config)
    for app in (shop, admin):
        app.register_blueprint(blueprint, url_prefix="/media")
        app.add_url_rule("/link", view_func=lambda: current_media.signed_url(KEY))
    with shop.app_context():
        current_media.upload(png, KEY)
    with admin.app_context():
        outside = current_media.signed_url(KEY)
    site = Client(DispatcherMiddleware(Flask("root"), {"/shop": shop, "/admin": admin}))
    for url, root in (
        (outside, "/admin"),
        (site.get("/admin/link").text, "/admin"),
        (site.get("/shop/link").text, "/shop"),
    ):
        assert url.startswith(f"{root}/media/files/{KEY}?")
        assert site.get(url, buffered=True).data == png
        other = url.replace(root, "/shop" if root == "/admin" else "/admin", 1)
        assert site.get(other, buffered=True).data == png
        assert site.get(url.replace("house", "horse")).status_code == 403
