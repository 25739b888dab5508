"""Signing up, in and out, and what strangers and others see."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import urlencode

import pytest
from flask import Flask

from example_app.models import User
from example_app.models import db
from flask_media import current_media

from .conftest import PASSWORD
from .conftest import Browser
from .conftest import Member


@pytest.mark.parametrize("path", ["/goals/7", "/gallery", "/gallery?before=3", "/spending"])
def test_strangers_are_led_to_the_door_and_back(ada: Member, browser: Browser, path: str) -> None:
    """A stranger is asked to sign in, and then is where they wanted to go."""
    response = browser.client.get(path)
    assert response.status_code == 303
    door = response.location
    assert door.startswith("/sign-in?next=")
    assert browser.send(door, name=ada.name, password=PASSWORD).location == path


def test_a_stranger_may_send_nothing(browser: Browser) -> None:
    """A form that needs an account leads to the door, and does nothing."""
    response = browser.send("/goals", name="A boat", target="100")
    assert (response.status_code, response.location) == (303, "/sign-in")
    assert browser.client.get("/").location == "/sign-in"


def test_an_account_takes_one_form(app: Flask) -> None:
    """Whoever makes an account is signed in and asked for a first goal."""
    page = Browser(app.test_client()).post("/register", name=" Ada  Lovelace ", password=PASSWORD)
    assert page.status_code == 200
    assert "What are you saving for, Ada Lovelace?" in page.text
    with app.app_context():
        user = db.session.get(User, 1)
        assert user
        assert PASSWORD not in user.password_hash
        assert user.name == "Ada Lovelace"


@pytest.mark.parametrize("write", [str, str.lower, str.upper, "  {} ".format])
def test_a_name_is_taken_once(ada: Member, browser: Browser, write: Callable[[str], str]) -> None:
    """A name that somebody has, in whatever case, comes back with kind words."""
    response = browser.send("/register", name=write(ada.name), password=PASSWORD)
    assert response.status_code == 422
    assert "Somebody has that name already" in response.text
    assert browser.client.get("/").status_code == 303


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": " ", "password": PASSWORD}, "choose a name"),
        ({"name": "a\0b", "password": PASSWORD}, "choose a name"),
        ({"name": "x" * 41, "password": PASSWORD}, "at most 40 characters"),
        ({"name": "Nobody yet", "password": "1234567"}, "at least 8 characters"),
        ({}, "choose a name"),
    ],
)
def test_what_is_no_account(browser: Browser, fields: dict[str, str], words: str) -> None:
    """A form that is wrong comes back, says why, and does not repeat the password."""
    response = browser.send("/register", **fields)
    assert response.status_code == 422
    assert words in response.text
    assert 'aria-invalid="true"' in response.text
    assert PASSWORD not in response.text
    assert browser.client.get("/").status_code == 303


def test_a_wrong_password_and_a_wrong_name_look_alike(ada: Member, browser: Browser) -> None:
    """Who does not match is told so, and not which of the two was wrong."""
    for name, password in [(ada.name, "wrong horse"), ("Nobody", PASSWORD), ("", "")]:
        response = browser.send("/sign-in", name=name, password=password)
        assert response.status_code == 422
        assert "Name and password do not match" in response.text
        assert browser.client.get("/").status_code == 303


def test_out_is_out(ada: Member) -> None:
    """After signing out nothing is open, and no page was left in the browser's cache."""
    assert ada.fetch("/gallery").headers["Cache-Control"] == "no-store"
    assert "You are signed out" in ada.post("/sign-out").text
    assert ada.client.get("/").status_code == 303
    assert ada.client.get("/media/jobs").status_code == 403


def test_an_answer_on_its_way_signs_nobody_in_again(ada: Member) -> None:
    """Whoever signs out meanwhile stays out: answers bring no session along."""
    assert "Set-Cookie" not in ada.fetch("/").headers  # the first one neither
    goal = ada.add()
    with ada.app.app_context():
        (job,) = current_media.jobs(ada.id)
    for path in (goal, f"/media/jobs/{job.id}/events", "/gallery"):
        assert "Set-Cookie" not in ada.fetch(path).headers, path


def test_who_is_in_needs_no_door(ada: Member) -> None:
    """Both forms lead on whoever is signed in."""
    assert ada.client.get("/sign-in").location == "/"
    assert ada.client.get("/register?next=/gallery").location == "/gallery"


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n//evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
    ],
)
def test_the_door_leads_to_no_other_site(ada: Member, browser: Browser, wanted: str) -> None:
    """A link that wants to be elsewhere after signing in leads to the goals."""
    door = "/sign-in?" + urlencode({"next": wanted})
    assert browser.send(door, name=ada.name, password=PASSWORD).location == "/"


def test_signing_in_begins_a_new_session(ada: Member, browser: Browser) -> None:
    """What somebody planted in the browser before is not there afterwards."""
    before = browser.token()
    with browser.client.session_transaction() as session:
        session["planted"] = True
    browser.send("/sign-in", name=ada.name, password=PASSWORD)
    with browser.client.session_transaction() as session:
        assert "planted" not in session
    assert browser.token() != before


def _posts(app: Flask, path: str) -> list[str]:
    return [
        rule.rule.replace("/goals/<int:goal_id>", path)
        for rule in app.url_map.iter_rules()
        if "POST" in (rule.methods or ()) and not rule.endpoint.startswith("media.")
    ]


@pytest.mark.parametrize("token", [None, "", "wrong", "\N{SNOWMAN}"])
def test_no_form_of_another_site_is_taken(ada: Member, token: str | None) -> None:
    """No route takes a form without the session's token, signed in or not."""
    path = ada.add()
    paths = _posts(ada.app, path)
    assert len(paths) >= 8
    for path in paths:
        data = {"name": "x", "target": "1"} | ({} if token is None else {"csrf_token": token})
        for client in (ada.client, ada.app.test_client()):
            response = client.post(path, data=data)
            assert response.status_code == 400, path
            assert "reload the page" in response.text
    assert "A boat" in ada.get("/")


def test_a_post_of_another_site_orders_nothing(ada: Member) -> None:
    """The blueprint of pictures needs no token: it takes no form, and nothing of another origin."""
    for kind, origin in (
        ("application/x-www-form-urlencoded", None),
        (None, "https://evil.example"),
    ):
        response = ada.client.post(
            "/media/generate",
            data='{"prompt": "x"}',
            content_type=kind or "application/json",
            headers={"Origin": origin} if origin else {},
        )
        assert response.status_code in (403, 415)
    assert ada.client.get("/media/jobs").json == {"jobs": [], "next": None}


def test_nobody_sees_what_is_another_s(ada: Member) -> None:
    """Goals, pictures, jobs and their events are there for whose they are, and for nobody else."""
    bob = Member(ada.app)
    path = ada.add("A secret boat")
    page = ada.get(path)
    found = re.search(r'<img src="(/media/[^"]+)"', page.split('class="picture"')[1])
    assert found
    picture = unescape(found[1])
    job = ada.client.get("/media/jobs").json["jobs"][0]["id"]  # type: ignore[index]
    theirs = [path, picture, f"/media/jobs/{job}", f"/media/jobs/{job}/events"]
    for one in theirs:
        response = ada.client.get(one)
        assert response.status_code == 200, one
        response.close()
        assert bob.client.get(one).status_code == 404, one
        assert ada.app.test_client().get(one).status_code in (303, 403), one
    for action in ("saved", "pictures", "retry", "delete"):
        assert bob.send(f"{path}/{action}", amount="5", scene="x").status_code == 404
    for room in ("/", "/gallery"):
        assert "secret" not in bob.get(room)
    assert ada.get(path) == page
