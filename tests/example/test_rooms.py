"""The gallery, the spend page, and what goes with every page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

from example_app import gallery
from flask_media.emulator import GeminiEmulator

from .conftest import Browser
from .conftest import MakeApp
from .conftest import Member


def test_the_gallery_has_every_picture_page_by_page(
    ada: Member, emulator: GeminiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures come newest first, earlier versions too, failed ones not; older ones by a link."""
    monkeypatch.setattr(gallery, "PAGE", 2)
    assert "There is none yet" in ada.get("/gallery")
    path = ada.add("One")
    ada.ask(f"{path}/pictures", scene="Two", shape="square")
    emulator.script("503")
    ada.add("Failed")
    ada.add("Three")
    pages = [ada.get("/gallery")]
    found = re.search(r'href="(/gallery\?before=\d+)"', pages[0])
    assert found
    pages.append(ada.get(found[1]))
    alts = [re.findall(r'<li>\s*<a[^>]*>\s*<img[^>]* alt="([^"]+)"', page) for page in pages]
    assert alts == [["Three", "Two"], ["One"]]
    assert "Older pictures" not in pages[1]
    assert "Three" in ada.get("/gallery?before=99999999999999999999")
    assert "Three" in ada.get("/gallery?before=nonsense")


def test_pictures_come_in_several_sizes(make_app: MakeApp) -> None:
    """With the app's own config each picture is offered in three widths and two formats."""
    from example_app.settings import configure

    plain = Flask("plain")
    configure(plain, {})
    ada = Member(make_app(MEDIA_VARIANTS=plain.config["MEDIA_VARIANTS"]))
    page = ada.get(ada.add())
    for format_ in ("avif", "webp"):
        found = re.search(rf'<source type="image/{format_}" srcset="([^"]+)"', page)
        assert found
        assert [part.split()[1] for part in found[1].split(",")] == ["320w", "640w", "1024w"]


def test_everybody_sees_their_own_spending(ada: Member, emulator: GeminiEmulator) -> None:
    """The page has the sums of who looks, by day, failed pictures among them."""
    bob = Member(ada.app)
    assert "No picture was drawn for you yet" in ada.get("/spending")
    ada.add("One")
    ada.add("Two")
    emulator.script("503")
    ada.add("Failed")
    page = ada.get("/spending")
    assert "2 pictures" in page
    (row,) = re.findall(r'<th scope="row">.+?</tr>', page, re.DOTALL)
    pictures, cost = re.findall(r"<td>([^<]+)</td>", row)
    assert pictures == "2"
    assert re.search(r"\$0\.0[67]", cost)
    assert f'<p class="number">${float(cost[1:]):.2f} <small>of $1.00</small></p>' in page
    assert "No picture was drawn for you yet" in bob.get("/spending")


def test_placeholders_cost_nothing(app: Flask) -> None:
    """Offline, the page says that its pictures are free."""
    ada = Member(app)
    ada.add()
    page = ada.get("/spending")
    assert "1 picture. Placeholders cost nothing." in page


def test_without_a_budget_none_is_shown(make_app: MakeApp) -> None:
    """Where no budget is set the page speaks of none."""
    ada = Member(make_app(MEDIA_BUDGET_USD_PER_USER_PER_DAY=None))
    assert "budget" not in ada.get("/spending")


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nope", "/media/jobs"])
def test_what_browsers_are_told(browser: Browser, path: str) -> None:
    """Every answer names what may be loaded: our own files, and no inline script or style sheet."""
    headers = browser.client.get(path).headers
    policy: dict[str, Any] = dict(
        part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'self'"
    assert policy["img-src"] == "'self' data:"
    assert "script-src" not in policy
    assert "style-src" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_a_bucket_s_pictures_may_be_shown(make_app: MakeApp) -> None:
    """With a bucket the policy lets pictures come from where the files route leads."""
    app = make_app(
        SPACES_BUCKET="pictures", SPACES_REGION="fra1", SPACES_KEY="key", SPACES_SECRET="secret"
    )
    policy = app.test_client().get("/sign-in").headers["Content-Security-Policy"]
    assert policy.endswith("img-src 'self' data: https:")
    with app.app_context():
        url = app.extensions["media"].url("users/1/goals/1/1-a-boat.png")
    assert url == "/media/files/users/1/goals/1/1-a-boat.png"


def test_no_page_has_what_the_policy_drops(ada: Member) -> None:
    """No template has an inline script, a handler or a style sheet of its own."""
    path = ada.add()
    for page in (ada.get(path), ada.get("/"), ada.get("/gallery"), ada.get("/spending")):
        assert re.findall(r"<script(?![^>]* src=)", page) == []
        assert re.findall(r"\son\w+=", page) == []
        assert "<style" not in page
