"""init_app: once an app, nothing of an app on the object, nothing heavy, no network."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.local import LocalProxy

from flask_media import FlaskMedia
from flask_media import InvalidConfig
from flask_media import MediaService
from flask_media import NotConfigured
from flask_media import StorageProvider
from flask_media import current_media
from flask_media import get_image_generation_service
from flask_media import standalone

from .conftest import MakeApp

MEMORY = {"MEDIA_GENERATOR": "placeholder", "MEDIA_STORAGE": "memory"}


def _python(code: str, **environment: str) -> str:
    """What a fresh interpreter prints that runs the code."""
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env=env | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_init_app(make_app: MakeApp) -> None:
    """init_app and FlaskMedia(app) put the app's service into its extensions."""
    early, late = make_app(), make_app()
    FlaskMedia(early)
    FlaskMedia().init_app(late)
    assert isinstance(early.extensions["media"], MediaService)
    assert isinstance(late.extensions["media"], MediaService)
    assert early.extensions["media"] is not late.extensions["media"]


@pytest.mark.parametrize("first", [FlaskMedia, FlaskMedia().init_app])
@pytest.mark.parametrize("second", [FlaskMedia, FlaskMedia().init_app])
def test_once_an_app(first: Any, second: Any, make_app: MakeApp) -> None:
    """A second init_app, by the same object or another, is refused and changes nothing."""
    app = make_app(name="bakery")
    first(app)
    service = app.extensions["media"]
    with pytest.raises(RuntimeError, match=r"initialised on the app 'bakery' already.*once an app"):
        second(app)
    assert app.extensions["media"] is service


def test_a_wrong_config_leaves_no_service(make_app: MakeApp) -> None:
    """After a refused config the app is as it was, and can be initialised with a better one."""
    app = make_app(MEDIA_STORAGE="tape")
    media = FlaskMedia()
    with pytest.raises(InvalidConfig, match="MEDIA_STORAGE is 'tape'"):
        media.init_app(app)
    assert "media" not in app.extensions
    app.config["MEDIA_STORAGE"] = "memory"
    media.init_app(app)


def test_one_object_on_many_apps(make_app: MakeApp, png: bytes) -> None:
    """Each app has its own config, storage and URLs; nothing of any is on the object."""
    media = FlaskMedia()
    one = make_app(media, "one", **MEMORY, GEMINI_API_KEY="one-key")
    two = make_app(media, "two", **MEMORY, GEMINI_MODEL="other-model", MEDIA_FILES_URL="/two")
    assert vars(media) == {}
    with one.app_context():
        current_media.upload(png, "house.png")
        assert current_media.url("house.png") == "memory://house.png"
        assert current_media.config.gemini_model == "gemini-nano-banana-2.1"
        assert current_media.config.gemini_api_key is not None
    with two.app_context():
        assert not current_media.exists("house.png")
        assert current_media.url("house.png") == "/two/house.png"
        assert current_media.config.gemini_model == "other-model"
        assert current_media.config.gemini_api_key is None
        with one.app_context():
            assert current_media.exists("house.png")
        assert not current_media.exists("house.png")
    assert vars(media) == {}


def test_config_is_read_once(make_app: MakeApp) -> None:
    """What is done to app.config after init_app changes nothing."""
    app = make_app(FlaskMedia(), GEMINI_MODEL="first")
    app.config["GEMINI_MODEL"] = "second"
    assert app.extensions["media"].config.gemini_model == "first"


def test_factory(monkeypatch: pytest.MonkeyPatch, png: bytes) -> None:
    """The factory pattern with from_prefixed_env makes independent apps of one environment."""
    monkeypatch.setenv("FLASK_MEDIA_STORAGE", "memory")
    monkeypatch.setenv("FLASK_GEMINI_API_KEY", "AIza")
    media = FlaskMedia()

    def create_app() -> Flask:
        app = Flask("shop")
        app.config.from_prefixed_env()
        media.init_app(app)
        return app

    first, second = create_app(), create_app()
    with first.app_context():
        assert current_media.config.storage_name == "memory"
        current_media.upload(png, "house.png")
    with second.app_context():
        assert not current_media.exists("house.png")


@pytest.mark.parametrize(
    ("given", "below"),
    [(None, "instance/media"), ("pictures", "instance/pictures"), ("..", ""), ("{}/x", "x")],
)
def test_folder(
    given: str | None, below: str, make_app: MakeApp, tmp_path: Path, png: bytes
) -> None:
    """Pictures lie in the instance folder's media, or where MEDIA_FOLDER says, seen from there."""
    folder = given.format(tmp_path) if given else None
    app = make_app(FlaskMedia(), MEDIA_FOLDER=folder)
    assert not (tmp_path / "instance").exists(), "init_app made a folder"
    with app.app_context():
        current_media.upload(png, "goals/house.png")
    assert (tmp_path / below / "goals/house.png").read_bytes() == png


def test_outside_an_app() -> None:
    """Without an app context, current_media says that there is none and where there is one."""
    with pytest.raises(RuntimeError, match="current_media needs an app context") as caught:
        current_media.url("house.png")
    assert "app.app_context()" in str(caught.value)
    assert isinstance(current_media, LocalProxy)


def test_in_an_app_without_init(make_app: MakeApp) -> None:
    """In an app without Flask-Media, current_media names the app and the missing call."""
    with (
        make_app(name="bakery").app_context(),
        pytest.raises(RuntimeError, match="not initialised on the app 'bakery'") as caught,
    ):
        current_media.url("house.png")
    assert "media.init_app(app)" in str(caught.value)
    assert "app context" not in str(caught.value)


def test_current_media_is_the_apps_service(make_app: MakeApp) -> None:
    """In a context, current_media is the service in the app's extensions."""
    app = make_app(FlaskMedia())
    with app.app_context():
        assert current_media == app.extensions["media"]
        assert isinstance(current_media, MediaService)


HEAVY = (
    "PIL",
    "boto3",
    "botocore",
    "genai_prices",
    "google.genai",
    "httpx2",
    "pydantic",
    "sqlalchemy",
    "tenacity",
)


@pytest.mark.parametrize(
    ("storage", "generator"), [("spaces", "gemini"), ("filesystem", "placeholder")]
)
def test_nothing_heavy_and_no_network(storage: str, generator: str) -> None:
    """Importing, init_app and a blueprint load no heavy package, open no socket and no file."""
    printed = _python(
        """
        import sys
        events = []
        from flask import Flask
        import blinker, jinja2, logging
        written = []
        def watch(event, args):
            if event.startswith("socket."):
                events.append(event)
            if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
                written.append(args[0])
        sys.addaudithook(watch)
        from flask_media import FlaskMedia, get_image_generation_service
        app = Flask("shop")
        app.config.from_prefixed_env()
        media = FlaskMedia(app)
        app.register_blueprint(media.create_blueprint(authorize=lambda request: "me"))
        with app.app_context():
            get_image_generation_service().config
        heavy = HEAVY
        print([name for name in heavy if name in sys.modules])
        print(events)
        print(written)
        """.replace("HEAVY", repr(HEAVY)),
        FLASK_MEDIA_STORAGE=storage,
        FLASK_MEDIA_GENERATOR=generator,
        FLASK_SPACES_BUCKET="pictures",
        FLASK_SPACES_KEY="key",
        FLASK_SPACES_SECRET="secret",
        FLASK_GEMINI_API_KEY="AIza",
    )
    assert printed.splitlines() == ["[]", "[]", "[]"]


def test_the_audit_hook_would_see_it(tmp_path: Path) -> None:
    """The check above is not blind: a picture from the placeholder loads Pillow."""
    printed = _python(
        """
        import os, sys
        sockets = []
        sys.addaudithook(lambda event, args: event.startswith("socket.") and sockets.append(event))
        from flask import Flask
        from flask_media import FlaskMedia
        app = Flask("shop", instance_path=os.environ["INSTANCE"])
        app.config.update(MEDIA_GENERATOR="placeholder", MEDIA_STORAGE="memory")
        FlaskMedia(app)
        app.extensions["media"].generate("house")
        print("PIL" in sys.modules, "google.genai" in sys.modules, "boto3" in sys.modules, sockets)
        import socket
        socket.socket().close()
        print(sockets)
        """,
        INSTANCE=str(tmp_path),
    )
    assert printed.splitlines() == ["True False False []", "['socket.__new__']"]


# get_image_generation_service


@pytest.fixture
def no_process_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has not asked for its service yet."""
    monkeypatch.setattr(standalone, "_process_service", None)


def test_the_apps_service(make_app: MakeApp) -> None:
    """In an app, get_image_generation_service is current_media."""
    app = make_app(FlaskMedia(), GEMINI_MODEL="mine")
    with app.app_context():
        assert get_image_generation_service() is app.extensions["media"]


def test_an_app_without_init(make_app: MakeApp) -> None:
    """An app that has no service gets one of its config, once, from however many threads."""
    app = make_app(GEMINI_MODEL="mine", **MEMORY)
    start, found = threading.Barrier(8), []

    def ask() -> None:
        with app.app_context():
            start.wait(10)
            found.append(get_image_generation_service())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert set(map(id, found)) == {id(app.extensions["media"])}
    assert found[0].config.gemini_model == "mine"
    with pytest.raises(RuntimeError, match=r"so does get_image_generation_service\(\)"):
        FlaskMedia(app)


def test_an_app_with_a_wrong_config(make_app: MakeApp) -> None:
    """A wrong key is refused there as in init_app, and again when asked again."""
    with make_app(MEDIA_STORAGE="tape").app_context():
        for _ in range(2):
            with pytest.raises(InvalidConfig, match="MEDIA_STORAGE"):
                get_image_generation_service()


@pytest.mark.usefixtures("no_process_service")
def test_the_processs_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, png: bytes
) -> None:
    """Outside any app there is one service, it keeps files under MEDIA_HOME and says so once."""
    caplog.set_level(logging.INFO, "flask_media")
    monkeypatch.setenv("MEDIA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FLASK_MEDIA_STORAGE", "memory")
    service = get_image_generation_service()
    assert get_image_generation_service() is service
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.getMessage() == (
        f"There is no app: journal and pictures without a bucket are in {tmp_path / 'home'}"
    )
    assert not (tmp_path / "home").exists(), "a folder was made before it was needed"
    result = service.upload(png, "house.png")
    assert result.url == (tmp_path / "home/media/house.png").as_uri()
    assert (tmp_path / "home/media/house.png").read_bytes() == png


@pytest.mark.usefixtures("no_process_service")
def test_unconfigured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a key, generating raises NotConfigured, a RuntimeError that names the key."""
    monkeypatch.setenv("MEDIA_HOME", str(tmp_path))
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-of-another-program")
    with pytest.raises(NotConfigured, match="GEMINI_API_KEY") as caught:
        get_image_generation_service().generate_and_upload("house", "house.png")
    assert isinstance(caught.value, RuntimeError)


@pytest.mark.usefixtures("no_process_service")
def test_the_guides_calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The migration guide's calls set up the process's service, with no secret in sight."""
    monkeypatch.setenv("MEDIA_HOME", str(tmp_path))
    service = get_image_generation_service()
    service.configure_gemini("AIza-hunter2")
    service.configure_storage(
        provider=StorageProvider.DIGITALOCEAN_SPACES,
        region="fra1",
        bucket="pictures",
        access_key="hunter2",
        secret_key="hunter2",
    )
    config = get_image_generation_service().config
    assert (config.storage_name, config.spaces_bucket) == ("spaces", "pictures")
    assert config.gemini_api_key is not None
    assert config.gemini_api_key.reveal() == "AIza-hunter2"
    assert "hunter2" not in repr(config)
    assert service.url("a b.png") == "https://pictures.fra1.digitaloceanspaces.com/a%20b.png"


@pytest.mark.usefixtures("no_process_service")
def test_an_app_does_not_see_the_process(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The process's service and an app's are two, and neither has the other's config."""
    monkeypatch.setenv("MEDIA_HOME", str(tmp_path))
    get_image_generation_service().configure_gemini("AIza")
    with make_app(FlaskMedia()).app_context():
        assert get_image_generation_service().config.gemini_api_key is None
    assert get_image_generation_service().config.gemini_api_key is not None


@pytest.mark.parametrize(
    ("environment", "home"),
    [
        ({"MEDIA_HOME": "{}/mine", "XDG_STATE_HOME": "{}/state"}, "mine"),
        ({"MEDIA_HOME": "", "XDG_STATE_HOME": "{}/state"}, "state/flask-media"),
        ({"XDG_STATE_HOME": "", "HOME": "{}/me"}, "me/.local/state/flask-media"),
        ({"HOME": "{}/me"}, "me/.local/state/flask-media"),
    ],
)
@pytest.mark.usefixtures("no_process_service")
def test_home(
    environment: dict[str, str], home: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """MEDIA_HOME goes before XDG_STATE_HOME, and that before ~/.local/state; empty is unset."""
    for name in ("MEDIA_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    url = get_image_generation_service().url("house.png")
    assert url == (tmp_path / home / "media/house.png").as_uri()
