"""The pytest plugin, in test runs of its own."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CONFTEST = """
import pytest
from flask import Flask
from flask_media import FlaskMedia

@pytest.fixture
def app(tmp_path):
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.update(GEMINI_API_KEY="key", MEDIA_STORAGE="memory")
    FlaskMedia(app)
    return app
"""

FAKED = """
from flask_media import current_media

def test_faked(app, media_fake):
    with app.app_context():
        current_media.generate_and_upload("A boat", "a.png")
    media_fake.assert_uploaded("a.png")
"""

STRAY = """
from flask_media import current_media

def test_stray(app):
    with app.app_context():
        try:
            current_media.generate("A boat")
        except Exception:
            pass
"""

LATER = """
import pytest
from flask_media import NotConfigured, current_media

JOBS = []

def test_later(app):
    with app.app_context():
        JOBS.append((app, current_media.generate_later("A boat", "a.png")))

def test_afterwards():
    app, job = JOBS[0]
    with app.app_context(), pytest.raises(NotConfigured, match="This test calls the outside"):
        current_media.job(job.id).result(timeout=10)
"""


def run(folder: Path, *arguments: str, **files: str) -> subprocess.CompletedProcess[str]:
    """A test run of those files, with the plugin as its entry point would load it."""
    for name, text in files.items():
        suffix = ".ini" if name == "pytest" else ".py"
        (folder / f"{name}{suffix}").write_text(text)
    plugins = ["-p", "pytest_flask_media", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_fixture(tmp_path: Path) -> None:
    """``media_fake`` fakes the app of the fixture ``app``."""
    done = run(tmp_path, conftest=CONFTEST, test_it=FAKED)
    assert "1 passed" in done.stdout, done.stdout


def test_without_an_app(tmp_path: Path) -> None:
    """Tests of other projects run as ever; only ``media_fake`` asks for an app, and says so."""
    done = run(
        tmp_path,
        test_it="def test_other(): pass\ndef test_needs(media_fake): pass\n",
    )
    assert "1 passed" in done.stdout
    assert "needs a fixture named 'app'" in done.stdout
    assert done.stdout.count("Traceback") == 0


@pytest.mark.parametrize("how", ["option", "ini"])
def test_prevent_stray(tmp_path: Path, how: str) -> None:
    """With the option or the ini line a real call fails its test, though that catches it."""
    ini = "[pytest]\n" + ("flask_media_prevent_stray = true\n" if how == "ini" else "")
    arguments = ["--flask-media-prevent-stray"] if how == "option" else []
    done = run(tmp_path, *arguments, pytest=ini, conftest=CONFTEST, test_it=STRAY + FAKED)
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "googleapis.com" in done.stdout
    assert "media_fake" in done.stdout


def test_a_call_that_comes_later(tmp_path: Path) -> None:
    """What a test orders in the background fails it too, though it does not wait for that; and the
    job has failed, so that nothing buys the picture later."""
    arguments = ["--flask-media-prevent-stray"]
    done = run(tmp_path, *arguments, pytest="[pytest]\n", conftest=CONFTEST, test_it=LATER)
    assert "2 passed, 1 error" in done.stdout, done.stdout
    assert "ERROR at teardown of test_later" in done.stdout
    assert "In another thread" in done.stdout


def test_allowed_hosts(tmp_path: Path) -> None:
    """The ini file may name hosts that are called; nobody is here, so the app's except sees it."""
    conftest = CONFTEST.replace(
        'MEDIA_STORAGE="memory"', 'MEDIA_STORAGE="memory", GEMINI_BASE_URL="http://gemini.invalid"'
    )
    ini = "[pytest]\nflask_media_prevent_stray = true\nflask_media_allow_hosts = gemini.invalid\n"
    done = run(tmp_path, pytest=ini, conftest=conftest, test_it=STRAY)
    assert "1 passed" in done.stdout, done.stdout


def test_it_imports_nothing() -> None:
    """The start of a test run imports neither Flask nor the package."""
    code = (
        "import pytest, sys; before = set(sys.modules); import pytest_flask_media; "
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['pytest_flask_media']"


def test_entry_point() -> None:
    """The distribution names the plugin, and the wheel has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["pytest11"] == {"flask_media": "pytest_flask_media"}
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["only-include"] == ["flask_media", "pytest_flask_media.py"]
