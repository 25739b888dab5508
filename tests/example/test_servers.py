"""The app on PostgreSQL, and with Celery's workers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from example_app.models import Picture
from example_app.models import db
from flask_media.emulator import GeminiEmulator

from .conftest import MakeApp
from .conftest import Member
from .test_goals import picture_of

ROOT = Path(__file__).parents[2]


def test_everything_is_in_postgresql(
    make_app: MakeApp,
    gemini_config: dict[str, Any],
    emulator: GeminiEmulator,
    postgres: Callable[[], str],
    tmp_path: Path,
) -> None:
    """With PostgreSQL's URL nothing is in a file but the pictures."""
    url = postgres()
    app = make_app(**gemini_config, DATABASE_URL=url, MEDIA_JOURNAL_URL=url)
    ada = Member(app)
    path = ada.add("A house by the sea")
    assert ada.fetch(picture_of(ada.get(path))).content_type == "image/png"
    emulator.script("503")
    assert "did not come this time" in ada.ask(f"{path}/pictures", scene="A ship", shape="square")
    assert "1 picture." in ada.get("/spending")
    assert ada.post(f"{path}/delete").status_code == 200
    assert list(tmp_path.glob("*.sqlite*")) == []


@contextlib.contextmanager
def worker(folder: Path, **config: str) -> Iterator[None]:
    """A worker, started as the tutorial says, with its config from the environment."""
    environment = {name: text for name, text in os.environ.items() if name[:6] != "FLASK_"}
    environment |= {f"FLASK_{name}": text for name, text in config.items()}
    log = folder / "worker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "example_app.worker", "worker"),
                *("--concurrency=1", "--without-gossip", "--without-mingle"),
            ],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield
    except (AssertionError, TimeoutError) as error:
        error.add_note(log.read_text()[-3000:])
        raise
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def on_servers(postgres: Callable[[], str], valkey: str) -> dict[str, str]:
    """The config of an app on PostgreSQL, with Celery on Valkey."""
    url = postgres()
    return {
        "DATABASE_URL": url,
        "MEDIA_JOURNAL_URL": url,
        "MEDIA_QUEUE": "celery",
        "BROKER_URL": valkey,
    }


def test_one_setting_gives_the_pictures_to_celery(
    make_app: MakeApp,
    gemini_config: dict[str, Any],
    emulator: GeminiEmulator,
    on_servers: dict[str, str],
    tmp_path: Path,
) -> None:
    """The web process orders, a worker draws and writes the row, and the page has the picture."""
    app: Flask = make_app(**gemini_config, **on_servers)
    try:
        ada = Member(app)
        path = ada.send("/goals", name="A boat", target="100").location
        assert "waits for its turn" in ada.get(path)
        assert emulator.calls == 0
        texts = {name: str(value) for name, value in gemini_config.items()}
        own = {name: app.config[name] for name in ("MEDIA_FOLDER", "SECRET_KEY")}
        with worker(tmp_path, **texts, **on_servers, **own):
            ada.wait()
            assert emulator.calls == 1
            with app.app_context():
                picture = db.session.get(Picture, 1)
                assert picture
                assert picture.image_generation_status == "completed"
        assert ada.fetch(picture_of(ada.get(path))).content_type == "image/png"
    finally:
        app.extensions["celery"].close()
