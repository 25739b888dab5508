"""Goals and their pictures, through the pages."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from PIL import Image

from example_app.models import Goal
from example_app.models import Picture
from example_app.models import db
from flask_media import current_media
from flask_media.emulator import GeminiEmulator

from .conftest import MakeApp
from .conftest import Member
from .conftest import broken_folder
from .conftest import held


def picture_of(page: str) -> str:
    """The URL of the picture that a goal's page shows."""
    found = re.search(r'class="frame">\s*<img src="([^"]+)"', page)
    assert found, page
    return unescape(found[1])


def test_a_goal_gets_a_picture_that_the_browser_can_show(ada: Member) -> None:
    """A new goal's page shows a picture whose bytes decode in the shape that was asked for."""
    page = ada.get(ada.add("A house by the sea"))
    assert "<h1>A house by the sea</h1>" in page
    url = picture_of(page)
    assert re.fullmatch(rf"/media/files/users/{ada.id}/goals/\d+/\d+-a-house-by-the-sea\.png", url)
    response = ada.fetch(url)
    assert response.content_type == "image/png"
    with Image.open(io.BytesIO(response.data)) as picture:
        picture.load()
        assert picture.size == (1200, 896)


def test_nobody_waits_for_a_picture(ada: Member, emulator: GeminiEmulator) -> None:
    """The page is there while the model is at it, says how far it is, and where to hear more."""
    with held(emulator) as asked:
        path = ada.send("/goals", name="A boat", target="100").location
        assert asked.wait(60)
        for text in (ada.get("/"), ada.get(path)):
            assert '<noscript><meta http-equiv="refresh"' in text
            found = re.search(r'data-events="(/media/jobs/\w{32}/events)" data-renew="#', text)
            assert found
        assert "The picture is being drawn" in ada.get(path)
    ada.wait()
    assert found
    events = ada.fetch(found[1])
    assert events.mimetype == "text/event-stream"
    assert '"status":"done"' in events.text
    page = ada.get(path)
    assert "data-events" not in page
    assert "noscript" not in page


def test_what_is_asked_for_is_what_the_form_says(ada: Member, emulator: GeminiEmulator) -> None:
    """Words, style and shape of the form are in the request to the model."""
    path = ada.add("A hut", theme="isometric")
    ada.ask(f"{path}/pictures", scene="A hut in snow", theme="watercolor", shape="portrait")
    first, second = (request.body.decode() for request in emulator.requests)
    assert "financial goal: A hut" in first
    assert "isometric" in first.lower()
    assert '"4:3"' in first
    assert "financial goal: A hut in snow" in second
    assert "watercolo" in second.lower()
    assert '"3:4"' in second


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("429,retry=4000", "Too many pictures are wanted just now"),
        ("429-day", "Too many pictures are wanted just now"),
        ("503", "did not come this time"),
        ("text-only", "could not be made"),
        ("403", "site&#39;s owner has mended"),
        ("bad-image", "could not be made"),
        ("reset", "could not be made"),
    ],
)
def test_a_failure_is_told_kindly_and_can_be_tried_again(
    ada: Member, emulator: GeminiEmulator, mode: str, words: str
) -> None:
    """Whatever Gemini answers, the page says what to do and shows no inner name."""
    emulator.script(mode)
    path = ada.add("A sailing boat")
    page = ada.get(path)
    assert words in page
    assert "GEMINI" not in page
    assert "No picture yet" in ada.get("/")
    emulator.reset()
    page = ada.ask(f"{path}/retry")
    if mode == "reset":  # it may have been charged, and one call was allowed
        assert words in page
        page = ada.ask(f"{path}/pictures", scene="A sailing boat", shape="square")
    assert ada.fetch(picture_of(page)).content_type == "image/png"
    assert words not in page


def test_a_refusal_asks_for_other_words(ada: Member, emulator: GeminiEmulator) -> None:
    """What the model declines is not tried again as it is, but in other words."""
    emulator.script("image-safety")
    path = ada.add("A famous film star")
    page = ada.get(path)
    assert "declines to draw this" in page
    assert "Choose other words" in page
    assert "Try again" not in page
    ada.ask(f"{path}/retry")
    assert emulator.calls == 1
    page = ada.ask(f"{path}/pictures", scene="A sailing boat", theme="vibrant", shape="square")
    assert "declines" not in page
    assert picture_of(page).endswith("-a-sailing-boat.png")


def test_trying_again_does_not_pay_again(
    gemini_app: Flask, emulator: GeminiEmulator, tmp_path: Path
) -> None:
    """A picture that could not be stored is stored by the button, without a second call."""
    ada = Member(gemini_app)
    with broken_folder(tmp_path / "media"):
        path = ada.add("A sailing boat")
    assert "could not be stored yet" in ada.get(path)
    page = ada.ask(f"{path}/retry")
    assert ada.fetch(picture_of(page)).content_type == "image/png"
    assert emulator.calls == 1


def test_a_new_version_replaces_nothing_until_it_is_there(
    ada: Member, emulator: GeminiEmulator
) -> None:
    """The earlier picture is shown while the new one is drawn, and then beside it."""
    path = ada.add("A boat")
    before = picture_of(ada.get(path))
    with held(emulator) as asked:
        ada.send(f"{path}/pictures", scene="A boat at night", theme="abstract", shape="square")
        assert asked.wait(60)
        assert picture_of(ada.get(path)) == before
        page = ada.post(f"{path}/pictures", scene="Another", shape="square").text
        assert "One picture at a time" in page
    ada.wait()
    page = ada.get(path)
    assert picture_of(page).endswith("-a-boat-at-night.png")
    assert before in page.split("Earlier versions")[1]
    assert emulator.calls == 2
    with Image.open(io.BytesIO(ada.fetch(picture_of(page)).data)) as picture:
        assert picture.size == (1024, 1024)


def test_a_failed_version_leaves_the_earlier_one(ada: Member, emulator: GeminiEmulator) -> None:
    """The page keeps the picture that is there, beside the words about the one that failed."""
    path = ada.add("A boat")
    emulator.script("503")
    page = ada.ask(f"{path}/pictures", scene="A ship", shape="square")
    assert "did not come this time" in page
    assert picture_of(page).endswith("-a-boat.png")
    assert "-a-boat.png" in ada.get("/")


def test_no_config_is_told_kindly(make_app: MakeApp) -> None:
    """A server without what it needs says so without naming a config key."""
    ada = Member(make_app(MEDIA_GENERATOR="gemini"))
    page = ada.get(ada.add())
    assert "not set up on this server" in page
    assert "GEMINI" not in page


def test_without_a_key_pictures_say_what_they_are(app: Flask) -> None:
    """The placeholder draws offline, and the page says so."""
    ada = Member(app)
    page = ada.get(ada.add())
    assert "The pictures here are placeholders" in page
    assert 'alt="Placeholder picture: A boat"' in page
    assert ada.fetch(picture_of(page)).content_type == "image/png"


def test_a_used_up_budget_is_told_with_its_end(
    make_app: MakeApp, gemini_config: dict[str, object], emulator: GeminiEmulator
) -> None:
    """What does not fit in the day's budget costs nothing, and the page says when there is more."""
    app = make_app(**gemini_config | {"MEDIA_BUDGET_USD_PER_USER_PER_DAY": "0.05"})
    ada, bob = Member(app), Member(app)
    path = ada.add("A boat")
    page = ada.ask(f"{path}/pictures", scene="A ship", shape="square")
    assert "The budget for pictures is used up. There is a new one each day from 00:00 UTC" in page
    assert picture_of(page).endswith("-a-boat.png")
    assert "could not be" not in bob.get(bob.add("A boat"))
    assert emulator.calls == 2
    spending = ada.get("/spending")
    assert "$0.03 <small>of $0.05</small>" in spending


def test_deleting_takes_the_pictures_along(gemini_app: Flask, tmp_path: Path) -> None:
    """A deleted goal leaves nothing on the pages nor in the storage."""
    ada = Member(gemini_app)
    path = ada.add("A boat")
    ada.ask(f"{path}/pictures", scene="A ship", shape="square")
    assert len(list((tmp_path / "media").rglob("*.png"))) == 2
    page = ada.post(f"{path}/delete").text
    assert "“A boat” is deleted" in page
    assert ada.client.get(path).status_code == 404
    assert list((tmp_path / "media").rglob("*.png")) == []


def test_what_is_being_drawn_goes_with_its_goal(
    gemini_app: Flask, emulator: GeminiEmulator, tmp_path: Path
) -> None:
    """A picture that comes after its goal was deleted is not kept."""
    ada = Member(gemini_app)
    with held(emulator) as asked:
        path = ada.send("/goals", name="A boat", target="100").location
        assert asked.wait(60)
        assert "is deleted" in ada.post(f"{path}/delete").text
    ada.wait()
    assert list((tmp_path / "media").rglob("*.png")) == []


def test_what_the_journal_forgot_is_on_the_page_still(gemini_app: Flask) -> None:
    """A picture is shown when its job is tidied away."""
    ada = Member(gemini_app)
    path = ada.add("A boat")
    with gemini_app.app_context():
        assert current_media.gc(older_than=timedelta(0)).jobs == 1
    assert picture_of(ada.get(path)).endswith("-a-boat.png")


def test_an_order_that_was_cut_off_can_be_made_again(ada: Member) -> None:
    """A goal whose process died before it could order the picture offers to try again."""
    with ada.app.app_context():
        goal = Goal(user_id=int(ada.id), name="A boat", target=100)
        db.session.add(goal)
        goal.pictures.append(Picture(scene="A boat", theme="vibrant", shape="square"))
        db.session.commit()
        path = f"/goals/{goal.id}"
    assert "Drawing was cut off" in ada.get(path)
    assert picture_of(ada.ask(f"{path}/retry")).endswith("-a-boat.png")
