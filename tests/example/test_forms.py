"""What the forms take and what they refuse."""

from __future__ import annotations

import re

import pytest

from .conftest import Member


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "in a few words"),
        ({"name": " \t "}, "in a few words"),
        ({"name": "a\0b"}, "in a few words"),
        ({"name": "x" * 121}, "at most 120 characters"),
        ({"target": ""}, "in whole dollars"),
        ({"target": "much"}, "in whole dollars"),
        ({"target": "0"}, "in whole dollars"),
        ({"target": "-5"}, "in whole dollars"),
        ({"target": "1" * 40}, "in whole dollars"),
        ({"target": "\N{ARABIC-INDIC DIGIT FIVE}"}, "in whole dollars"),
    ],
)
def test_a_goal_that_is_none_comes_back_with_its_form(
    ada: Member, fields: dict[str, str], words: str
) -> None:
    """A wrong field is named in the form, what was right is kept, and nothing is ordered."""
    response = ada.send("/goals", **{"name": "A <boat>", "target": "1,250"} | fields)
    assert response.status_code == 422
    assert words in response.text
    assert 'aria-invalid="true"' in response.text
    assert "A &lt;boat&gt;" in response.text or "1,250" in response.text
    assert ada.client.get("/media/jobs").json == {"jobs": [], "next": None}


@pytest.mark.parametrize("fields", [{"theme": "rude"}, {"shape": "round"}])
def test_what_no_form_offers_is_refused(ada: Member, fields: dict[str, str]) -> None:
    """A style or shape that is none is a 400, which only a forged form gets."""
    path = ada.add()
    assert ada.send(f"{path}/pictures", scene="A ship", **fields).status_code == 400


@pytest.mark.parametrize("scene", ["", "\0", "x" * 501])
def test_a_scene_that_is_none_comes_back(ada: Member, scene: str) -> None:
    """Empty or endless words come back with the form, and the chosen style is kept."""
    path = ada.add()
    response = ada.send(f"{path}/pictures", scene=scene, theme="isometric", shape="square")
    assert response.status_code == 422
    assert 'value="isometric" checked' in response.text
    assert 'id="scene-problem"' in response.text


def test_money_is_put_aside_and_taken_back(ada: Member) -> None:
    """Amounts add up, never below nothing; a goal that is reached says so."""
    path = ada.add(target="$1,000")
    for amount, saved in [
        ("250", "$250"),
        ("$1,000", "$1,250"),
        ("-50", "$1,200"),
        ("-9999", "$0"),
    ]:
        page = ada.post(f"{path}/saved", amount=amount).text
        assert f"<strong>{saved}</strong> of $1,000" in page
        assert ("Reached" in page) == (saved in ("$1,250", "$1,200"))
    response = ada.send(f"{path}/saved", amount="1.50")
    assert response.status_code == 422
    assert "in whole dollars" in response.text


@pytest.mark.parametrize("number", ["2000000", "99999999999999999999"])
def test_a_goal_that_is_not_there(ada: Member, number: str) -> None:
    """An unknown goal is a kind page with a way back."""
    response = ada.client.get(f"/goals/{number}")
    assert response.status_code == 404
    assert "There is no such goal." in response.text
    assert "To your goals" in response.text


def test_every_field_has_its_label(ada: Member) -> None:
    """Each field of each form is named by a label, and each id is there once."""
    path = ada.add()
    pages = [ada.get(path), ada.get("/goals/new")]
    ada.send("/sign-out")
    pages += [ada.get("/sign-in"), ada.get("/register")]
    for page in pages:
        ids = re.findall(r'\bid="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        fields = re.findall(r"<(?:input|textarea|select) id=\"([^\"]+)\"", page)
        assert fields
        for field in fields:
            assert f'<label for="{field}">' in page
