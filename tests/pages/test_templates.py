"""The helpers in an app's templates."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask import get_template_attribute
from flask import render_template
from flask import render_template_string
from jinja2 import DictLoader
from jinja2 import Environment

from flask_media import FlaskMedia
from flask_media import InvalidRequest
from flask_media.pages import media_picture
from flask_media.pages import media_url

from ..core.conftest import MakeApp
from ..core.conftest import make_app
from .support import info
from .support import read
from .support import whole

__all__ = ["make_app"]

PAGE = "{{ media_picture(picture, alt='A house') }}"


def _render(app: Flask, source: str, **values: Any) -> str:
    with app.app_context():
        return render_template_string(source, **values)


def test_one_line(make_app: MakeApp) -> None:
    """One line shows the picture, and is not escaped once more."""
    app = make_app()
    FlaskMedia(app)
    picture = info(whole("avif", 640))
    assert _render(app, PAGE, picture=picture) == media_picture(picture, alt="A house")


def test_macros_have_them_too(make_app: MakeApp) -> None:
    """A macro that is imported without context, and one taken from Python, know the helpers."""
    app = make_app()
    FlaskMedia(app)
    files = {
        "macros.html": "{% macro card(picture) %}" + PAGE + "{% endmacro %}",
        "page.html": "{% from 'macros.html' import card %}{{ card(picture) }}",
    }
    with app.app_context():
        app.jinja_env.loader = DictLoader(files)
        taken = get_template_attribute("macros.html", "card")(info())
        assert read(taken).img["alt"] == "A house"
        assert render_template("page.html", picture=info()) == taken


def test_the_app_configures_jinja_later(make_app: MakeApp) -> None:
    """init_app leaves the environment to be made: what the app sets afterwards counts."""
    before = dict(Flask.jinja_options)
    app = make_app()
    FlaskMedia(app)
    assert "jinja_env" not in vars(app)
    app.jinja_options["trim_blocks"] = True
    app.jinja_options["extensions"].append("jinja2.ext.do")
    app.config["TEMPLATES_AUTO_RELOAD"] = True
    assert app.jinja_env.trim_blocks
    assert app.jinja_env.auto_reload
    assert _render(app, "{% do [] %}" + PAGE, picture=info()).startswith("<img")
    assert Flask.jinja_options == before


def test_options_that_were_there(make_app: MakeApp) -> None:
    """Options and extensions that the app had set before stay."""
    app = make_app()
    app.jinja_options = {"extensions": ["jinja2.ext.do"], "trim_blocks": True}
    FlaskMedia(app)
    assert app.jinja_env.trim_blocks
    assert _render(app, "{% do [] %}" + PAGE, picture=info()).startswith("<img")


def test_an_environment_that_is_made(make_app: MakeApp) -> None:
    """An app whose environment is there already gets them too."""
    app = make_app()
    assert isinstance(app.jinja_env, Environment)
    FlaskMedia(app)
    assert _render(app, PAGE, picture=info()).startswith("<img")


@pytest.mark.parametrize("is_made", [True, False])
def test_the_apps_own_helpers_stay(make_app: MakeApp, is_made: bool) -> None:
    """A global of the app's own by that name is not taken from it."""
    app = make_app()
    if is_made:
        app.add_template_global(lambda key: f"own {key}", "media_url")
        FlaskMedia(app)
    else:
        FlaskMedia(app)
        app.add_template_global(lambda key: f"own {key}", "media_url")
    assert _render(app, "{{ media_url('a') }}") == "own a"
    assert _render(app, PAGE, picture=info()).startswith("<img")


def test_each_app_its_own(make_app: MakeApp) -> None:
    """One template of two apps gives the URLs of each."""
    apps = [make_app(MEDIA_FILES_URL=f"https://{name}.example") for name in ("one", "two")]
    media = FlaskMedia()
    for app in apps:
        media.init_app(app)
    urls = [_render(app, "{{ media_url('a b/c.png') }}") for app in apps]
    assert urls == ["https://one.example/a%20b/c.png", "https://two.example/a%20b/c.png"]


def test_outside_of_an_app() -> None:
    """media_url needs an app context; a picture that is at hand needs none."""
    with pytest.raises(RuntimeError, match="needs an app context"):
        media_url("a.png")
    assert media_picture(info(), alt="").startswith("<img")


@pytest.mark.parametrize("key", ["", "/a.png", "a/../b.png"])
def test_wrong_keys(make_app: MakeApp, key: str) -> None:
    """A key that can be none is refused, as everywhere."""
    app = make_app()
    FlaskMedia(app)
    with app.app_context(), pytest.raises(InvalidRequest, match="object_key"):
        media_url(key)


def test_no_key(make_app: MakeApp) -> None:
    """Another thing than a key is refused by its name."""
    app = make_app()
    FlaskMedia(app)
    wrong: Any = None
    with app.app_context(), pytest.raises(InvalidRequest, match="media_url's key is None; allowed"):
        media_url(wrong)
