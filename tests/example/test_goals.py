"""Adding goals and seeing their pictures, through the pages."""

from __future__ import annotations

import io
import re
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from PIL import Image

from example_app.models import UserGoal
from example_app.models import db
from flask_media.emulator import GeminiEmulator

from .conftest import Browser
from .conftest import broken_folder


def _goal(app: Flask, goal_id: int = 1) -> UserGoal:
    with app.app_context():
        goal = db.session.get(UserGoal, goal_id)
        assert goal is not None
        return goal


def _picture_url(page: str) -> str:
    found = re.search(r'<img src="([^"]+)"', page)
    assert found, page
    return unescape(found[1])


def test_a_goal_gets_a_picture_that_the_browser_can_show(browser: Browser) -> None:
    """A new goal's page shows a picture whose bytes decode at 1024 x 1024 pixels."""
    page = browser.post("/goals", name="A house by the sea")
    assert "A house by the sea" in page.text
    response = browser.fetch(_picture_url(page.text))
    assert response.content_type == "image/png"
    with Image.open(io.BytesIO(response.data)) as picture:
        picture.load()
        assert picture.size == (1024, 1024)


def test_the_database_has_what_was_stored_and_sent(browser: Browser, app: Flask) -> None:
    """URL, sent prompt and status are in the goal's row."""
    browser.post("/goals", name="A house by the sea")
    goal = _goal(app)
    assert goal.image_url == "/media/files/goals/1/a-house-by-the-sea.png"
    assert goal.image_prompt is not None
    assert "financial goal: A house by the sea" in goal.image_prompt
    assert goal.image_generation_status == "completed"


def test_the_list_shows_every_goal_newest_first(browser: Browser) -> None:
    """The start page lists all goals with their pictures, the newest first."""
    browser.post("/goals", name="First")
    browser.post("/goals", name="Second")
    page = browser.get("/")
    assert page.index("Second") < page.index("First")
    assert page.count("<img") == 2


def test_the_page_says_that_pictures_are_placeholders(browser: Browser) -> None:
    """Without a key the page says what the pictures are and where they are kept."""
    page = browser.get("/")
    assert "The pictures here are placeholders" in page
    assert "FLASK_GEMINI_API_KEY" in page
    assert "media</code>" in page


def test_with_a_key_the_pictures_are_the_models(
    gemini_browser: Browser, gemini_app: Flask, emulator: GeminiEmulator
) -> None:
    """With a key Gemini is asked, once a picture, and nothing is said of placeholders."""
    page = gemini_browser.post("/goals", name="A sailing boat")
    assert "placeholder" not in page.text
    assert gemini_browser.fetch(_picture_url(page.text)).content_type == "image/png"
    assert emulator.calls == 1
    assert _goal(gemini_app).image_generation_status == "completed"


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("image-safety", "declines to draw this"),
        ("429,retry=36.2", "try again in 37 seconds"),
        ("429-day", "limit for pictures is reached"),
        ("503", "did not come this time"),
        ("text-only", "could not be made"),
        ("403", "site's owner has mended"),
        ("bad-image", "could not be made"),
    ],
)
def test_a_failure_is_told_kindly_and_can_be_tried_again(
    gemini_browser: Browser, gemini_app: Flask, emulator: GeminiEmulator, mode: str, words: str
) -> None:
    """Whatever Gemini answers, the page says what to do and shows no inner name."""
    emulator.script(mode)
    page = gemini_browser.post("/goals", name="A sailing boat")
    assert page.status_code == 200
    assert words in unescape(page.text)
    assert "Try again" in page.text
    assert "GEMINI" not in page.text
    assert _goal(gemini_app).image_generation_status == "failed"

    emulator.reset()
    page = gemini_browser.post("/goals/1", name="A rowing boat")
    assert "<h1>A rowing boat</h1>" in page.text
    assert _goal(gemini_app).image_url == "/media/files/goals/1/a-rowing-boat.png"


def test_trying_again_does_not_pay_again(
    gemini_browser: Browser, gemini_app: Flask, emulator: GeminiEmulator, tmp_path: Path
) -> None:
    """A picture that could not be stored is stored by the same button, without a second call."""
    with broken_folder(tmp_path / "media"):
        page = gemini_browser.post("/goals", name="A sailing boat")
    assert "could not be stored yet" in page.text
    assert _goal(gemini_app).image_generation_status == "failed"
    page = gemini_browser.post("/goals/1", name="A sailing boat")
    assert gemini_browser.fetch(_picture_url(page.text)).content_type == "image/png"
    assert emulator.calls == 1


def test_no_config_is_told_kindly(make_app: object) -> None:
    """A server without what it needs says so without naming a config key."""
    app: Flask = make_app(MEDIA_GENERATOR="gemini")  # type: ignore[operator]
    page = Browser(app.test_client()).post("/goals", name="A boat")
    assert "not set up on this server" in page.text


def test_a_picture_that_is_there_is_not_drawn_again(
    gemini_browser: Browser, emulator: GeminiEmulator
) -> None:
    """Trying again on a goal that has its picture pays for nothing."""
    gemini_browser.post("/goals", name="A boat")
    gemini_browser.post("/goals/1", name="Another")
    assert emulator.calls == 1
    assert "<h1>A boat</h1>" in gemini_browser.get("/goals/1")


@pytest.mark.parametrize("name", ["", " \t ", "x" * 121])
@pytest.mark.parametrize("path", ["/goals", "/goals/1"])
def test_a_name_that_is_none_is_refused_in_the_form(
    gemini_browser: Browser, emulator: GeminiEmulator, name: str, path: str
) -> None:
    """An empty or over-long name comes back with the form and asks nothing of the model."""
    emulator.script("image-safety")
    gemini_browser.post("/goals", name="Refused, so that it can be tried again")
    page = gemini_browser.post(path, name=name)
    assert page.status_code == 422
    assert 'aria-invalid="true"' in page.text
    assert emulator.calls == 1


def test_a_name_with_a_control_character_is_refused(browser: Browser) -> None:
    """A NUL in a name ends in kind words, not in an error."""
    page = browser.post("/goals", name="a\0b")
    assert page.status_code == 200
    assert "choose another name" in page.text


@pytest.mark.parametrize("token", [None, "", "wrong", "\N{SNOWMAN}"])
@pytest.mark.parametrize("path", ["/goals", "/goals/1"])
def test_a_form_of_another_site_is_refused(
    browser: Browser, app: Flask, path: str, token: str | None
) -> None:
    """A POST without the session's token is refused and adds nothing."""
    browser.get("/")
    data = {"name": "A boat"} | ({} if token is None else {"csrf_token": token})
    response = browser.client.post(path, data=data)
    assert response.status_code == 400
    assert "reload the page" in response.text
    with app.app_context():
        assert db.session.get(UserGoal, 1) is None


def test_a_form_without_a_session_is_refused(app: Flask) -> None:
    """An empty token does not match a session that has none."""
    response = app.test_client().post("/goals", data={"name": "A boat", "csrf_token": ""})
    assert response.status_code == 400


def test_the_session_cookie_stays_on_this_site(browser: Browser) -> None:
    """The cookie is sent by no other site's form and read by no script."""
    cookie = browser.client.get("/").headers["Set-Cookie"]
    assert "SameSite=Lax" in cookie
    assert "HttpOnly" in cookie


def test_a_name_is_text_and_never_markup(browser: Browser) -> None:
    """A script in a name is shown, not run, in the text and in attributes."""
    evil = '"><script>alert(1)</script>'
    shown = "&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"
    page = browser.post("/goals", name=evil).text
    for text in (page, browser.get("/")):
        assert "<script>" not in text
        assert shown in text
    assert f'alt="Placeholder picture of the goal {shown}"' in page


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("../../etc/passwd", "goals/1/etc-passwd.png"),
        ("Être libre / 2030", "goals/1/etre-libre-2030.png"),
        ("家", "goals/1/picture.png"),
        ("a" * 120, f"goals/1/{'a' * 60}.png"),
    ],
)
def test_an_object_key_is_safe_whatever_the_name(
    browser: Browser, app: Flask, name: str, key: str
) -> None:
    """The key has the goal's id and only plain characters of its name."""
    page = browser.post("/goals", name=name)
    assert _goal(app).image_url == f"/media/files/{key}"
    assert browser.fetch(_picture_url(page.text)).content_type == "image/png"


@pytest.mark.parametrize("path", ["/goals/7", f"/goals/{2**70}", "/nowhere"])
def test_what_is_not_there_gets_a_page(browser: Browser, path: str) -> None:
    """An unknown address gets a page of the app with a way back."""
    response = browser.client.get(path)
    assert response.status_code == 404
    assert "All goals" in response.text


def test_a_goal_that_was_cut_off_can_be_tried_again(browser: Browser, app: Flask) -> None:
    """A goal left at 'generating' says so and has the button."""
    with app.app_context():
        db.session.add(UserGoal(name="A boat", image_generation_status="generating"))
        db.session.commit()
    page = browser.get("/goals/1")
    assert "drawing was cut off" in page
    assert "Try again" in page
    assert "Drawing" in browser.get("/")


def test_pages_ask_nobody_else_for_anything(browser: Browser) -> None:
    """Pages and style name no other host."""
    page = browser.post("/goals", name="A boat").text
    style = browser.get("/static/style.css")
    assert "//" not in page.replace("file://", "")
    assert "url(" not in style
