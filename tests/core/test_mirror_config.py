"""MEDIA_STORAGE_MIRROR: which second storage it makes, and that it keeps its secrets."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_media import FlaskMedia
from flask_media import current_media
from flask_media.config import MediaConfig
from flask_media.errors import InvalidConfig
from flask_media.errors import NotConfigured
from flask_media.storage.filesystem import FilesystemStorage
from flask_media.storage.memory import MemoryStorage
from flask_media.storage.mirror import MirroredStorage
from flask_media.storage.s3 import S3Storage

SPACES = {
    "SPACES_BUCKET": "pictures",
    "SPACES_REGION": "fra1",
    "SPACES_KEY": "main-key",
    "SPACES_SECRET": "main-secret",
}
OTHER = {
    "SPACES_PROVIDER": "aws_s3",
    "SPACES_BUCKET": "other-pictures",
    "SPACES_REGION": "eu-west-1",
    "SPACES_KEY": "hunter2-key",
    "SPACES_SECRET": "hunter2-secret",
}


def storage_of(tmp_path: Path, **config: Any) -> MirroredStorage:
    """The storage of an app with that config."""
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config.update(config)
    FlaskMedia(app)
    with app.app_context():
        storage = current_media.storage
    assert isinstance(storage, MirroredStorage)
    return storage


@pytest.mark.parametrize(
    ("config", "mirror", "main_is", "mirror_at"),
    [
        (SPACES, "filesystem", S3Storage, "file://{home}/media"),
        (SPACES, " Filesystem ", S3Storage, "file://{home}/media"),
        (SPACES | {"MEDIA_FOLDER": "pictures"}, "filesystem", S3Storage, "file://{home}/pictures"),
        (SPACES, "memory", S3Storage, "memory://"),
        (
            SPACES | {"MEDIA_STORAGE": "filesystem"},
            "spaces",
            FilesystemStorage,
            "s3://pictures@fra1.digitaloceanspaces.com",
        ),
        ({}, {"MEDIA_FOLDER": "second"}, FilesystemStorage, "file://{home}/second"),
        ({}, {"MEDIA_FOLDER": "/srv/second"}, FilesystemStorage, "file:///srv/second"),
        (SPACES, {"MEDIA_STORAGE": "filesystem"}, S3Storage, "file://{home}/media"),
        (SPACES, OTHER, S3Storage, "s3://other-pictures@s3.eu-west-1.amazonaws.com"),
        (
            SPACES,
            SPACES | {"SPACES_REGION": "nyc3"},
            S3Storage,
            "s3://pictures@nyc3.digitaloceanspaces.com",
        ),
        ({"MEDIA_STORAGE": "memory"}, OTHER, MemoryStorage, "s3://other-pictures@"),
    ],
)
def test_second_storage(
    tmp_path: Path, config: Any, mirror: Any, main_is: type, mirror_at: str
) -> None:
    """It is a kind that the other keys configure, or one with keys of its own."""
    for value in (mirror,) if isinstance(mirror, str) else (mirror, json.dumps(mirror)):
        storage = storage_of(tmp_path, **config, MEDIA_STORAGE_MIRROR=value)
        assert isinstance(storage.main, main_is)
        assert storage.mirror.location.startswith(mirror_at.format(home=tmp_path))
        assert storage.location == storage.main.location


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Flask reads a mapping from the environment as JSON, or each of its keys by itself."""
    monkeypatch.setenv("FLASK_MEDIA_STORAGE_MIRROR", json.dumps(OTHER))
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config.from_prefixed_env()
    whole = MediaConfig.from_mapping(app.config)
    monkeypatch.delenv("FLASK_MEDIA_STORAGE_MIRROR")
    for name, value in OTHER.items():
        monkeypatch.setenv(f"FLASK_MEDIA_STORAGE_MIRROR__{name}", value)
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config.from_prefixed_env()
    assert MediaConfig.from_mapping(app.config) == whole
    assert whole.mirror
    assert whole.mirror.spaces_bucket == "other-pictures"


def test_headers_are_those_of_the_app(tmp_path: Path) -> None:
    """Cache-Control and Content-Disposition are for every picture, wherever it lies."""
    config = MediaConfig.from_mapping(
        {"MEDIA_CACHE_CONTROL": "max-age=60", "MEDIA_STORAGE_MIRROR": OTHER}
    )
    assert config.mirror
    assert config.mirror.cache_control == "max-age=60"


@pytest.mark.parametrize(
    ("config", "mirror"),
    [
        ({}, "filesystem"),
        ({}, {"MEDIA_STORAGE": "filesystem"}),
        ({"MEDIA_FOLDER": "a"}, {"MEDIA_FOLDER": "a"}),
        ({"MEDIA_STORAGE": "memory"}, "memory"),
        (SPACES, "spaces"),
        (SPACES, SPACES),
        (SPACES, SPACES | {"SPACES_KEY": "another-key", "SPACES_ACL": "private"}),
    ],
)
def test_same_storage(config: dict[str, str], mirror: Any) -> None:
    """A second storage that is the first is refused when the app is made."""
    with pytest.raises(InvalidConfig, match="MEDIA_STORAGE_MIRROR names the storage"):
        MediaConfig.from_mapping(config | {"MEDIA_STORAGE_MIRROR": mirror})


def test_same_folder_in_other_words(tmp_path: Path) -> None:
    """One folder that was written in two ways is found where the storages are made."""
    with pytest.raises(InvalidConfig, match="MEDIA_STORAGE_MIRROR"):
        storage_of(tmp_path, MEDIA_STORAGE_MIRROR={"MEDIA_FOLDER": str(tmp_path / "media")})
    (tmp_path / "linked").symlink_to(tmp_path / "media")
    with pytest.raises(InvalidConfig, match="MEDIA_STORAGE_MIRROR"):
        storage_of(tmp_path, MEDIA_STORAGE_MIRROR={"MEDIA_FOLDER": "linked"})


@pytest.mark.parametrize(
    ("mirror", "named"),
    [
        ("filesytem", "'filesytem'; it must be 'spaces' or 'filesystem' or 'memory', or a mapp"),
        ({}, "mapping"),
        (7, "mapping"),
        (["spaces"], "mapping"),
        ('{"SPACES_BUCKET": "hunter2', "JSON"),
        ('["hunter2"]', "mapping"),
        (OTHER | {"SPACES_BUCKET": "b"}, "SPACES_BUCKET is 'b'"),
        (OTHER | {"SPACES_PROVIDER": "tape"}, "SPACES_PROVIDER is 'tape'"),
        (OTHER | {"SPACES_SECRET": "hunter2 hunter2"}, "SPACES_SECRET has a value that can't"),
        (OTHER | {"MEDIA_STORAGE_MIRROR": "memory"}, "'MEDIA_STORAGE_MIRROR' is no key of a sec"),
        (OTHER | {"GEMINI_API_KEY": "hunter2"}, "'GEMINI_API_KEY' is no key of a second"),
        (OTHER | {"SPACES_SEKRET": "hunter2"}, "'SPACES_SEKRET' is no key of a second"),
        (OTHER | {3: "hunter2"}, "'3' is no key"),
    ],
    ids=range(13),
)
def test_wrong_values_stay_secret(mirror: Any, named: str) -> None:
    """What is wrong with a second storage is said by its own keys, and shows no credential."""
    for value in (mirror, json.dumps(mirror)) if isinstance(mirror, dict) else (mirror,):
        with pytest.raises(InvalidConfig, match=named) as caught:
            MediaConfig.from_mapping({"MEDIA_STORAGE_MIRROR": value})
        assert str(caught.value).startswith("MEDIA_STORAGE_MIRROR ")
        report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        while report.stack[0].name != "from_mapping":
            del report.stack[0]
        assert "hunter2" not in "".join(report.format())
        assert b"hunter2" not in pickle.dumps(caught.value)


def test_secrets_show_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The second storage's credentials are in no repr, log, pickle or traceback of a use."""
    caplog.set_level(logging.DEBUG)
    config = MediaConfig.from_mapping(SPACES | {"MEDIA_STORAGE_MIRROR": OTHER})
    storage = storage_of(tmp_path, **SPACES, MEDIA_STORAGE_MIRROR=OTHER)
    storage.check_ready()
    storage.mirror.signed_url("a", 60)
    for shown in (repr(config), repr(config.mirror), repr(vars(config)), repr(storage)):
        assert "hunter2" not in shown
    assert "hunter2" not in repr(vars(storage)) + repr(vars(storage.mirror)) + caplog.text
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(config)
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(storage)


def test_missing_credentials(tmp_path: Path) -> None:
    """What the second storage lacks is said before anything is paid."""
    mirror = {"SPACES_BUCKET": "other-pictures", "SPACES_REGION": "fra1"}
    storage = storage_of(tmp_path, MEDIA_STORAGE_MIRROR=mirror)
    with pytest.raises(NotConfigured, match=r"MEDIA_STORAGE_MIRROR: .*SPACES_KEY and SPACES_SEC"):
        storage.check_ready()


def test_another_storage_meanwhile(tmp_path: Path) -> None:
    """A main storage that becomes the mirror's place is refused too."""
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config.update(SPACES, MEDIA_STORAGE="filesystem", MEDIA_STORAGE_MIRROR="spaces")
    FlaskMedia(app)
    with app.app_context(), pytest.raises(InvalidConfig, match="MEDIA_STORAGE_MIRROR"):
        current_media.configure_storage(bucket="pictures", region="fra1")
