"""Parts of an app's own, named by their path: what is refused, and how."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from flask import Flask

from flask_media import FlaskMedia
from flask_media import InvalidConfig
from flask_media import NotConfigured
from flask_media import current_media
from flask_media.config import MediaConfig
from flask_media.generators.placeholder import PlaceholderGenerator
from flask_media.jobs.base import Runner
from flask_media.jobs.threads import ThreadQueue
from flask_media.service import MediaService
from flask_media.storage.memory import MemoryStorage
from flask_media.storage.mirror import MirroredStorage

HERE = __name__


def make_generator(app: Flask) -> PlaceholderGenerator:
    """A function that makes a generator."""
    app.extensions["generators made"] = app.extensions.get("generators made", 0) + 1
    return PlaceholderGenerator()


def make_storage(app: Flask) -> MemoryStorage:
    """A function that makes a storage."""
    return MemoryStorage(base_url=lambda key: f"https://{app.name}.test/{key}")


def make_queue(app: Flask, runner: Runner) -> ThreadQueue:
    """A function that makes a queue."""
    return ThreadQueue(runner, threads=1, size=2, sweep_seconds=9, context=app.app_context)


def make_late(app: Flask) -> PlaceholderGenerator:
    """A function that takes its time."""
    app.extensions["asked"].set()
    app.extensions["go"].wait(10)
    return PlaceholderGenerator()


NOT_CALLABLE = 7


class Broken:
    """Raises when it is made."""

    def __init__(self, app: Flask) -> None:
        raise ZeroDivisionError


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """This module can be imported by its name, whatever pytest's import mode is."""
    import sys

    monkeypatch.setitem(sys.modules, HERE, sys.modules.get(HERE, __import__(HERE)))


def make_app(tmp_path: Path, **config: object) -> Flask:
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.from_mapping({"MEDIA_GENERATOR": "placeholder", **config})
    FlaskMedia(app)
    return app


def test_parts(tmp_path: Path) -> None:
    """A generator, a storage and a queue are made with the app, once, at their first use."""
    app = make_app(
        tmp_path,
        MEDIA_GENERATOR=f"{HERE}:make_generator",
        MEDIA_STORAGE=f"{HERE}:make_storage",
        MEDIA_QUEUE=f"{HERE}:make_queue",
    )
    assert "generators made" not in app.extensions
    with app.app_context():
        result = current_media.generate_later("A boat", "boats/1.png").result(timeout=30)
        current_media.generate("A boat")
        assert result.url == "https://shop.test/boats/1.png"
        current_media.close()
    assert app.extensions["generators made"] == 1


def test_mirror(tmp_path: Path) -> None:
    """A second storage may be one of the app's own too."""
    app = make_app(tmp_path, MEDIA_STORAGE_MIRROR={"MEDIA_STORAGE": f"{HERE}:make_storage"})
    storage = app.extensions["media"].storage
    assert isinstance(storage, MirroredStorage)
    assert isinstance(storage.mirror, MemoryStorage)


def test_mirror_of_itself(tmp_path: Path) -> None:
    """A storage of the app's own is no mirror of itself."""
    path = f"{HERE}:make_storage"
    with pytest.raises(InvalidConfig, match="MEDIA_STORAGE_MIRROR"):
        make_app(tmp_path, MEDIA_STORAGE=path, MEDIA_STORAGE_MIRROR={"MEDIA_STORAGE": path})


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no_such_shop:Painter", "there is no module 'no_such_shop'"),
        (f"{HERE}.inner:Painter", f"there is no module '{HERE}.inner'"),
        (f"{HERE}:Painter", "no attribute 'Painter'"),
        (f"{HERE}:NOT_CALLABLE", "must be the path of a class or function"),
        (f"{HERE}:make_storage", "gives MemoryStorage; it must give a flask_media.generators"),
    ],
)
def test_wrong_paths(tmp_path: Path, path: str, reason: str) -> None:
    """The first use says which key has what for a path, and what is wrong with it."""
    app = make_app(tmp_path, MEDIA_GENERATOR=path)
    with app.app_context(), pytest.raises(InvalidConfig, match=reason) as caught:
        current_media.generate("A boat")
    assert str(caught.value).startswith(f"MEDIA_GENERATOR is {path!r}")


@pytest.mark.parametrize("key", ["MEDIA_GENERATOR", "MEDIA_STORAGE", "MEDIA_QUEUE"])
@pytest.mark.parametrize("value", ["shop.Painter", "shop:", ":Painter", "shop: Painter", "1a:b"])
def test_no_paths(tmp_path: Path, key: str, value: str) -> None:
    """What is neither a known name nor a path is refused at once."""
    with pytest.raises(InvalidConfig, match=f"{key} is .*'package.module:name'"):
        make_app(tmp_path, **{key: value})


def test_own_faults(tmp_path: Path) -> None:
    """An error of the part itself comes through as it is."""
    app = make_app(tmp_path, MEDIA_GENERATOR=f"{HERE}:Broken")
    with app.app_context(), pytest.raises(ZeroDivisionError):
        current_media.generate("A boat")


def test_a_module_that_lacks_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the module is there and what it imports is not, that is what is said."""
    (tmp_path / "lacking.py").write_text("import not_installed_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    app = make_app(tmp_path, MEDIA_GENERATOR="lacking:Painter")
    with app.app_context(), pytest.raises(ModuleNotFoundError, match="not_installed_at_all"):
        current_media.generate("A boat")


def test_without_an_app(tmp_path: Path) -> None:
    """Outside any app there is nothing to make one with."""
    service = MediaService(MediaConfig(generator=f"{HERE}:make_generator"), folder=tmp_path)
    with pytest.raises(NotConfigured, match=r"MEDIA_GENERATOR .* with an app"):
        service.generate("A boat")


def test_the_doctor_knows_them(tmp_path: Path) -> None:
    """``flask media check`` looks at parts of one's own; ``worker`` leaves theirs alone."""
    names = {"GENERATOR": "make_generator", "STORAGE": "make_storage", "QUEUE": "make_queue"}
    own = {f"MEDIA_{key}": f"{HERE}:{name}" for key, name in names.items()}
    app = make_app(tmp_path, **own)
    runner = app.test_cli_runner()
    result = runner.invoke(args=["media", "check"])
    found = [line.split()[:2] for line in result.output.splitlines() if line.startswith("ok")]
    assert found == [["ok", name] for name in ("config", "model", "storage", "journal", "queue")]
    assert f"{HERE}:make_generator," in result.output
    refused = runner.invoke(args=["media", "worker"])
    assert refused.exit_code == 1
    assert f"MEDIA_QUEUE is '{HERE}:make_queue': start its workers." in refused.output
    app.extensions["media"].close()


def test_health_does_not_wait_for_it(tmp_path: Path) -> None:
    """A generator that is long in the making is not well; whoever asks need not wait for it."""
    app = make_app(tmp_path, MEDIA_GENERATOR=f"{HERE}:make_late")
    asked, go = app.extensions["asked"], app.extensions["go"] = threading.Event(), threading.Event()
    service = app.extensions["media"]
    maker = threading.Thread(target=lambda: service.generator)
    maker.start()
    asked.wait(10)
    started = time.monotonic()
    health = service.health(timeout=0.2)
    took = time.monotonic() - started
    go.set()
    maker.join()
    service.close()
    assert not health.ok
    assert took < 2
