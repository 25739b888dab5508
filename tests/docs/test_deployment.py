"""The files of the page on deployment work, and fit together."""

from __future__ import annotations

import json
import re
import runpy
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from flask import Flask

from flask_media import FlaskMedia
from flask_media.config import MediaConfig
from flask_media.emulator import GeminiEmulator

from ..servers import wait_for
from ..web.serving import gunicorn
from .conftest import ROOT

FILES = ROOT / "docs" / "examples" / "deploy"
PAGE = (ROOT / "docs" / "deployment.rst").read_text()


def test_gunicorn_lets_a_call_end(tmp_path: Path) -> None:
    """Told to stop in the middle of a call, gunicorn ends when the picture is stored."""
    with GeminiEmulator(latency=1.5) as emulator:
        config: dict[str, Any] = {
            "GEMINI_API_KEY": "key",
            "GEMINI_BASE_URL": emulator.url,
            "MEDIA_STORAGE": "filesystem",
        }
        options = [
            f"--config={FILES / 'gunicorn.conf.py'}",
            "--workers=1",
            "--access-logfile=/dev/null",
        ]
        with gunicorn(tmp_path, *options, **config) as url:
            asked = urllib.request.Request(
                f"{url}/generate",
                json.dumps({"prompt": "A boat"}).encode(),
                {"X-User": "ann", "Content-Type": "application/json"},
            )
            with urllib.request.urlopen(asked, timeout=20) as answer:
                job_id = json.load(answer)["id"]
            wait_for(lambda: emulator.requests or 1 / 0)
        assert emulator.calls == 1
    app = Flask("served", instance_path=str(tmp_path / "instance"))
    app.config.update(config)
    FlaskMedia(app)
    assert app.extensions["media"].job(job_id).status == "done"


@pytest.fixture
def compose() -> dict[str, Any]:
    """The services."""
    return yaml.safe_load((FILES / "compose.yaml").read_text())  # type: ignore[no-any-return]


def test_times_fit() -> None:
    """gunicorn waits longer than a call takes, and the container longer than gunicorn."""
    settings = runpy.run_path(str(FILES / "gunicorn.conf.py"))
    grace = re.search(r"stop_grace_period: (\d+)s", (FILES / "compose.yaml").read_text())
    assert grace
    assert MediaConfig().gemini_timeout < settings["graceful_timeout"] < int(grace[1])


def test_names_of_the_containers(compose: dict[str, Any]) -> None:
    """Volumes, services and config keys that are named are there."""
    services = compose["services"]
    keys = {field.metadata["key"] for field in MediaConfig.__dataclass_fields__.values()}
    for service in services.values():
        for name in service["environment"]:
            key = name.removeprefix("FLASK_")
            if key.startswith(("MEDIA_", "SPACES_", "GEMINI_")):
                assert key in keys, name
        for volume in service["volumes"]:
            assert volume.partition(":")[0] in compose["volumes"]
        assert set(service.get("depends_on", ())) <= set(services)
    journal = services["web"]["environment"]["FLASK_MEDIA_JOURNAL_URL"]
    assert MediaConfig.from_mapping({"MEDIA_JOURNAL_URL": journal}).journal_url
    assert "@journal/" in journal


def test_image() -> None:
    """What is copied into the image is there, and it starts the command of the page."""
    steps = (FILES / "Dockerfile").read_text()
    for sources in re.findall(r"^COPY (.+) \./$", steps, re.MULTILINE):
        for source in sources.split():
            assert (FILES / source).is_file()
    command = re.search(r"^CMD (.+)$", steps, re.MULTILINE)
    assert command
    program, app = json.loads(command[1])
    assert f'    {program} "{app}"\n' in PAGE


def test_app_of_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app is made of the environment, and lets nobody in who is not signed in."""
    monkeypatch.setenv("SHOP_INSTANCE", str(tmp_path))
    monkeypatch.setenv("FLASK_MEDIA_GENERATOR", "placeholder")
    monkeypatch.setenv("FLASK_SECRET_KEY", "secret")
    app = runpy.run_path(str(FILES / "shop.py"))["create_app"]()
    client = app.test_client()
    assert client.get("/media/files/a.png").status_code == 403
    with client.session_transaction() as session:
        session["user"] = "ann"
    assert client.get("/media/files/a.png").status_code == 404


def test_every_file_is_shown() -> None:
    """No file of the folder is left out of the page."""
    shown = set(re.findall(r"examples/deploy/(\S+)$", PAGE, re.MULTILINE))
    assert shown == {file.name for file in FILES.iterdir() if file.is_file()}
