"""The pytest plugin of Flask-Media.

A module of its own, since pytest loads plugins before all else: importing the package here would
import Flask in each test run of the environment, and before coverage measures it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask_media.testing import Fake

OPTION = "flask_media_prevent_stray"
ALLOW = "flask_media_allow_hosts"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and its two lines of an ini file."""
    help_text = "fail each test that calls a real Gemini or bucket"
    group = parser.getgroup("flask-media")
    group.addoption("--flask-media-prevent-stray", action="store_true", dest=OPTION, help=help_text)
    parser.addini(OPTION, help_text, type="bool", default=False)
    parser.addini(ALLOW, "hosts besides the loopback that they may call", type="args", default=[])


@pytest.fixture(autouse=True)
def _flask_media_no_stray(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let no test pay, where the option or the ini file says so."""
    config = request.config
    if not (config.getoption(OPTION) or config.getini(OPTION)):
        yield
        return
    from flask_media.testing import prevent_stray

    with prevent_stray(allow=config.getini(ALLOW)):
        yield


@pytest.fixture
def media_fake(request: pytest.FixtureRequest) -> Iterator[Fake]:
    """A fake in place of what the service of the fixture ``app`` asks; see
    :func:`flask_media.testing.fake`."""
    try:
        app = request.getfixturevalue("app")
    except pytest.FixtureLookupError:
        pytest.fail(
            "media_fake needs a fixture named 'app' that gives your Flask app. Write one in "
            "conftest.py, or use flask_media.testing.fake(app) yourself.",
            pytrace=False,
        )
    from flask_media.testing import fake

    with fake(app) as it:
        yield it
