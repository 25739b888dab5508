"""Every config key: default, good forms, refusals; and that no secret ever shows."""

from __future__ import annotations

import copy
import dataclasses
import logging
import pickle
import re
import traceback
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from flask import Flask

from flask_media import FlaskMedia
from flask_media import InvalidConfig
from flask_media import JournalError
from flask_media import NotConfigured
from flask_media import StorageProvider
from flask_media import Variant
from flask_media.config import MediaConfig
from flask_media.config_checks import Secret

FIELDS = {field.metadata["key"]: field for field in dataclasses.fields(MediaConfig)}

DEFAULTS: dict[str, Any] = {
    "GEMINI_API_KEY": None,
    "GEMINI_MODEL": "gemini-nano-banana-2.1",
    "GEMINI_FALLBACK_MODELS": (),
    "GEMINI_BASE_URL": None,
    "GEMINI_API_VERSION": "v1",
    "GEMINI_TIMEOUT": 180.0,
    "GEMINI_MAX_ATTEMPTS": 3,
    "GEMINI_VERTEXAI": False,
    "GEMINI_PROJECT": None,
    "GEMINI_LOCATION": None,
    "SPACES_KEY": None,
    "SPACES_SECRET": None,
    "SPACES_REGION": None,
    "SPACES_BUCKET": None,
    "SPACES_PROVIDER": StorageProvider.DIGITALOCEAN_SPACES,
    "SPACES_ENDPOINT_URL": None,
    "SPACES_ADDRESSING_STYLE": None,
    "SPACES_CDN_URL": None,
    "SPACES_ACL": None,
    "MEDIA_GENERATOR": "gemini",
    "MEDIA_STORAGE": None,
    "MEDIA_FOLDER": None,
    "MEDIA_FILES_URL": None,
    "MEDIA_CACHE_CONTROL": None,
    "MEDIA_CONTENT_DISPOSITION": None,
    "MEDIA_STORAGE_MIRROR": None,
    "MEDIA_JOURNAL_URL": None,
    "MEDIA_LEASE": 30.0,
    "MEDIA_ON_UNKNOWN": "retry",
    "MEDIA_QUEUE": "threads",
    "MEDIA_QUEUE_THREADS": 4,
    "MEDIA_QUEUE_SIZE": 100,
    "MEDIA_QUEUE_RETRIES": 5,
    "MEDIA_QUEUE_RETRY_SECONDS": 10.0,
    "MEDIA_ASYNC_THREADS": 64,
    "MEDIA_BUDGET_USD_PER_DAY": None,
    "MEDIA_BUDGET_USD_PER_USER_PER_DAY": None,
    "MEDIA_REUSE": False,
    "MEDIA_RETENTION_DAYS": 90,
    "MEDIA_PROMPT_TEMPLATE": None,
    "MEDIA_VARIANTS": {},
    "MEDIA_VARIANTS_WHEN": "eager",
    "MEDIA_PLACEHOLDER": False,
    "MEDIA_KEEP_ORIGINAL": False,
    "MEDIA_CREDIT": None,
    "MEDIA_COPYRIGHT": None,
    "MEDIA_WEBHOOK_URL": None,
    "MEDIA_WEBHOOK_SECRET": None,
    "MEDIA_WEBHOOK_RETRY_SECONDS": 10.0,
}

SECRETS = ("GEMINI_API_KEY", "SPACES_KEY", "SPACES_SECRET")
URLS = ("GEMINI_BASE_URL", "SPACES_ENDPOINT_URL", "SPACES_CDN_URL", "MEDIA_FILES_URL")
NAMES = ("GEMINI_MODEL", "GEMINI_API_VERSION", "GEMINI_PROJECT", "GEMINI_LOCATION", "SPACES_REGION")


def _read(key: str, value: Any) -> Any:
    """The field that the key's value becomes."""
    return getattr(MediaConfig.from_mapping({key: value}), FIELDS[key].name)


def test_defaults() -> None:
    """Without any key, each field has the default that the contract promises."""
    config = MediaConfig.from_mapping({})
    assert {key: getattr(config, field.name) for key, field in FIELDS.items()} == DEFAULTS
    assert config == MediaConfig()


@pytest.mark.parametrize("key", FIELDS)
@pytest.mark.parametrize("nothing", [None, ""])
def test_empty_is_unset(key: str, nothing: str | None) -> None:
    """None and the empty string, as an empty environment variable gives, are the default."""
    assert _read(key, nothing) == DEFAULTS[key]


GOOD = [
    ("GEMINI_MODEL", "gemini-3-pro-image", "gemini-3-pro-image"),
    ("GEMINI_BASE_URL", "http://127.0.0.1:8089", "http://127.0.0.1:8089"),
    ("GEMINI_BASE_URL", " https://gw.example.com/gemini/ ", "https://gw.example.com/gemini"),
    ("GEMINI_API_VERSION", "v1beta", "v1beta"),
    ("GEMINI_TIMEOUT", 60, 60.0),
    ("GEMINI_TIMEOUT", "2.5", 2.5),
    ("GEMINI_TIMEOUT", 3600, 3600.0),
    ("GEMINI_MAX_ATTEMPTS", 1, 1),
    ("GEMINI_MAX_ATTEMPTS", " 20 ", 20),
    ("GEMINI_VERTEXAI", True, True),
    ("GEMINI_VERTEXAI", "Yes", True),
    ("GEMINI_VERTEXAI", "1", True),
    ("GEMINI_VERTEXAI", 1, True),
    ("GEMINI_VERTEXAI", " on ", True),
    ("GEMINI_VERTEXAI", "False", False),
    ("GEMINI_VERTEXAI", 0, False),
    ("GEMINI_VERTEXAI", "off", False),
    ("GEMINI_PROJECT", "my-project-7", "my-project-7"),
    ("GEMINI_LOCATION", "europe-west4", "europe-west4"),
    ("SPACES_REGION", "fra1", "fra1"),
    ("SPACES_BUCKET", "my.bucket-7", "my.bucket-7"),
    ("SPACES_BUCKET", "b" * 63, "b" * 63),
    ("SPACES_PROVIDER", "AWS_S3", StorageProvider.AWS_S3),
    ("SPACES_PROVIDER", StorageProvider.MINIO, StorageProvider.MINIO),
    ("SPACES_ENDPOINT_URL", "http://localhost:9000", "http://localhost:9000"),
    ("SPACES_ADDRESSING_STYLE", "Path", "path"),
    ("SPACES_CDN_URL", "https://cdn.example.com/x@2x/", "https://cdn.example.com/x@2x"),
    ("SPACES_ACL", "none", "none"),
    ("SPACES_ACL", "public-read", "public-read"),
    ("MEDIA_GENERATOR", "placeholder", "placeholder"),
    ("MEDIA_STORAGE", "Memory", "memory"),
    ("MEDIA_FOLDER", "pictures", Path("pictures")),
    ("MEDIA_FOLDER", Path("/srv/pictures"), Path("/srv/pictures")),
    ("MEDIA_FILES_URL", "/media/", "/media"),
    ("MEDIA_FILES_URL", "/", ""),
    ("MEDIA_FILES_URL", "https://static.example.com", "https://static.example.com"),
    ("MEDIA_CACHE_CONTROL", " public, max-age=60 ", "public, max-age=60"),
    ("MEDIA_CACHE_CONTROL", "no-store", "no-store"),
    ("MEDIA_CONTENT_DISPOSITION", "Inline", "inline"),
    ("MEDIA_CONTENT_DISPOSITION", "attachment", "attachment"),
    ("MEDIA_STORAGE_MIRROR", " Memory ", "memory"),
    ("MEDIA_PROMPT_TEMPLATE", "media/prompt.txt", "media/prompt.txt"),
    ("GEMINI_FALLBACK_MODELS", ["a", "gemini-3-pro-image"], ("a", "gemini-3-pro-image")),
    ("GEMINI_FALLBACK_MODELS", ("a",), ("a",)),
    ("GEMINI_FALLBACK_MODELS", [], ()),
    ("GEMINI_FALLBACK_MODELS", " a, b ,c,", ("a", "b", "c")),
    ("MEDIA_VARIANTS", {"a": 256}, MappingProxyType({"a": Variant(width=256)})),
    ("MEDIA_VARIANTS", {"a": [64, 40]}, MappingProxyType({"a": Variant(width=64, height=40)})),
    ("MEDIA_VARIANTS_WHEN", "Lazy", "lazy"),
    ("MEDIA_PLACEHOLDER", "yes", True),
    ("MEDIA_KEEP_ORIGINAL", 1, True),
    ("MEDIA_CREDIT", "Zoë & Co <7>", "Zoë & Co <7>"),
    ("MEDIA_LEASE", 2, 2.0),
    ("MEDIA_LEASE", "0.5", 0.5),
    ("MEDIA_ON_UNKNOWN", "Raise", "raise"),
    ("MEDIA_QUEUE", "Celery", "celery"),
    ("MEDIA_QUEUE_THREADS", "1", 1),
    ("MEDIA_QUEUE_SIZE", 100_000, 100_000),
    ("MEDIA_QUEUE_RETRIES", 0, 0),
    ("MEDIA_QUEUE_RETRY_SECONDS", "0.5", 0.5),
    ("MEDIA_BUDGET_USD_PER_DAY", 5, Decimal(5)),
    ("MEDIA_BUDGET_USD_PER_DAY", 0, Decimal(0)),
    ("MEDIA_BUDGET_USD_PER_DAY", 2.5, Decimal("2.5")),
    ("MEDIA_BUDGET_USD_PER_DAY", "0.039", Decimal("0.039")),
    ("MEDIA_BUDGET_USD_PER_DAY", Decimal("1e6"), Decimal(1_000_000)),
    ("MEDIA_BUDGET_USD_PER_USER_PER_DAY", " 1 ", Decimal(1)),
    ("MEDIA_REUSE", "yes", True),
    ("MEDIA_RETENTION_DAYS", 1, 1),
    ("MEDIA_RETENTION_DAYS", " 365 ", 365),
    ("MEDIA_RETENTION_DAYS", " None ", None),
]


@pytest.mark.parametrize(("key", "given", "value"), GOOD)
def test_good_values(key: str, given: Any, value: Any) -> None:
    """A good value, as Python or an environment writes it, becomes what the code uses."""
    made = _read(key, given)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize("key", SECRETS)
def test_good_secrets(key: str) -> None:
    """A credential is taken without the spaces around it, as text or as a Secret."""
    assert _read(key, " AIza-x_y/z+= ").reveal() == "AIza-x_y/z+="
    assert _read(key, Secret("AIza")) == Secret("AIza")


WRONG: list[tuple[str, Any]] = [
    *((key, value) for key in NAMES for value in (7, 1.5, True, " ", "a b", "a/b", "ü", "x" * 101)),
    *(
        (key, value)
        for key in URLS
        for value in (
            7,
            " ",
            "cdn.example.com",
            "ftp://example.com",
            "https://",
            "https:///path",
            "https://[::1",
            "https://host:0",
            "https://host:99999",
            "https://host:port",
            "https://ho\nst",
            "https://ho st/",
            "https://hôst/",
            "https://user@host",
            "https://user:hunter2@host",
            "https://@host",
            "https://host/?key=hunter2",
            "https://host/?",
            "https://host/#hunter2",
            "javascript:alert(1)",
        )
    ),
    *(
        ("GEMINI_TIMEOUT", value)
        for value in (0, -1, 3601, "soon", True, [1], float("nan"), float("inf"), "1e999")
    ),
    ("GEMINI_TIMEOUT", 10**400),
    *(("GEMINI_MAX_ATTEMPTS", v) for v in (0, 21, -1, 1.5, "1.5", "x", True, "9" * 5000, "²", [3])),
    *(("GEMINI_VERTEXAI", value) for value in (2, "maybe", "2", [3], 0.5)),
    *(("SPACES_BUCKET", v) for v in (7, "ab", "x" * 64, "a/b", "-ab", "ab-", "bücket", "a b", " ")),
    *(("SPACES_PROVIDER", v) for v in ("s3", "filesystem", "memory", StorageProvider.MEMORY, 1)),
    *(("SPACES_ADDRESSING_STYLE", value) for value in ("auto", 1, "virtual-host")),
    *(("SPACES_ACL", value) for value in ("public", "public-read-write", False)),
    *(("MEDIA_GENERATOR", value) for value in ("openai", True, " ")),
    *(("MEDIA_STORAGE", value) for value in ("s3", "file", 1)),
    *(("MEDIA_FOLDER", value) for value in (7, " ", b"pictures", "a\0b", ["a"])),
    *(("MEDIA_FILES_URL", value) for value in ("//evil.example", "/a b", "/é", "media")),
    *(("GEMINI_FALLBACK_MODELS", v) for v in (7, True, ["a b"], "a b", ["a", 7], {"a": 1})),
    *(("MEDIA_VARIANTS", value) for value in ("big", 7, {"a": 0}, {"A": 7}, {"original": 7})),
    *(("MEDIA_VARIANTS_WHEN", value) for value in ("now", 7)),
    *(("MEDIA_CREDIT", value) for value in (7, "a\0b", "x" * 501, "line\nline")),
    *(("MEDIA_LEASE", value) for value in (0, -1, 3601, "soon", True, float("nan"))),
    *(("MEDIA_ON_UNKNOWN", value) for value in ("buy", True, 1, ["retry"])),
    *(("MEDIA_QUEUE", value) for value in ("rq", True, 1)),
    *(("MEDIA_QUEUE_THREADS", value) for value in (0, 257, "many", True)),
    *(("MEDIA_QUEUE_SIZE", value) for value in (0, 100_001, 1.5)),
    *(("MEDIA_QUEUE_RETRIES", value) for value in (-1, 101)),
    *(("MEDIA_QUEUE_RETRY_SECONDS", value) for value in (0, -1, 3601)),
    *(
        (f"MEDIA_BUDGET_USD_PER_{whose}DAY", value)
        for whose in ("", "USER_PER_")
        for value in (
            -1,
            "2,50",
            "$5",
            True,
            [5],
            "nan",
            "inf",
            float("inf"),
            1_000_001,
            "1e9",
            "²x",
        )
    ),
    *(("MEDIA_REUSE", value) for value in (2, "maybe")),
    *(("MEDIA_RETENTION_DAYS", v) for v in (0, -1, "0", 36_501, 1.5, True, "ever", [90])),
    *(("MEDIA_CACHE_CONTROL", v) for v in (7, " ", "a\nb", "a\r\nX: b", "é", "a\0", "x" * 1001)),
    *(("MEDIA_CONTENT_DISPOSITION", v) for v in ("form-data", 'attachment; filename="a"', True)),
    *(("MEDIA_PROMPT_TEMPLATE", v) for v in (7, " ", "/etc/passwd", "../secret.txt", "a/../b")),
]


@pytest.mark.parametrize(("key", "value"), WRONG, ids=lambda part: repr(part)[:30])
def test_wrong_values(key: str, value: Any) -> None:
    """A wrong value is refused by the key's name, with the value and what is allowed."""
    with pytest.raises(InvalidConfig) as caught:
        MediaConfig.from_mapping({key: value})
    message = str(caught.value)
    assert message.startswith(f"{key} is ")
    assert "; it must be " in message
    assert message.isprintable()
    assert len(message) < 250
    assert "hunter2" not in message
    if len(repr(value)) < 30 and "://" not in str(value):
        assert f"{key} is {value!r};" in message
    assert isinstance(caught.value, NotConfigured)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("key", ["GEMINI_PROJECT", "SPACES_BUCKET"])
def test_a_number_from_the_environment_says_how_to_quote(key: str) -> None:
    """Text that looks like a number comes from the environment as one; the message has the fix."""
    with pytest.raises(InvalidConfig, match="in the environment, quote what looks like a number"):
        MediaConfig.from_mapping({key: 123456})


def test_a_url_with_a_credential_is_shown_without() -> None:
    """Of a refused URL, user, password, query and fragment are not shown, and the rest is."""
    with pytest.raises(InvalidConfig) as caught:
        MediaConfig.from_mapping(
            {"GEMINI_BASE_URL": "https://me:hunter2@gw.example.com/x?key=AIza"}
        )
    assert "'https://***@gw.example.com/x?***'" in str(caught.value)


JOURNAL_URLS = {
    "sqlite:///media.db": "sqlite:///media.db",
    " sqlite:////srv/my app/Zoë.db ": "sqlite:////srv/my app/Zoë.db",
    "sqlite:///media.db?mode=rw&uri=true": "sqlite:///media.db?mode=rw&uri=true",
    "postgresql://me:hunter2@db.example.com:5433/shop": (
        "postgresql+psycopg://me:hunter2@db.example.com:5433/shop"
    ),
    "postgres://me:p%40ss@db/shop?sslmode=require": (
        "postgresql+psycopg://me:p%40ss@db/shop?sslmode=require"
    ),
    "postgresql+psycopg2://db/shop": "postgresql+psycopg2://db/shop",
    "postgresql:///shop?host=/run/postgresql": "postgresql+psycopg:///shop?host=/run/postgresql",
}


@pytest.mark.parametrize(("given", "value"), JOURNAL_URLS.items())
def test_good_journal_urls(given: str, value: str) -> None:
    """URLs of SQLite and PostgreSQL are taken; the extra's driver is the default."""
    made = _read("MEDIA_JOURNAL_URL", given)
    assert isinstance(made, Secret)
    assert made.reveal() == value
    assert _read("MEDIA_JOURNAL_URL", Secret(given)) == made


@pytest.mark.parametrize(
    "value",
    [
        "media.db",
        "hunter2",
        "mysql://me:hunter2@db/shop",
        "https://me:hunter2@db/shop",
        "postgresql:me:hunter2@db",
        "postgresql://me:hunter2\n@db/shop",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file::memory:?cache=shared&uri=true",
        "sqlite://hunter2/media.db",
        "sqlite+aiosqlite:///hunter2.db",
        7,
        ["hunter2"],
        " ",
    ],
)
def test_wrong_journal_urls_stay_secret(value: Any) -> None:
    """A URL that can't be a journal's is refused by the key's name; its password shows nowhere."""
    with pytest.raises(InvalidConfig) as caught:
        MediaConfig.from_mapping({"MEDIA_JOURNAL_URL": value})
    assert str(caught.value).startswith("MEDIA_JOURNAL_URL has a value that can't be used; it ")
    assert "'sqlite:///' and a file" in str(caught.value) or "text" in str(caught.value)
    for text in (str(caught.value), _with_locals(caught.value, below="from_mapping")):
        assert "hunter2" not in text


def test_a_journals_password_shows_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A journal that can't be reached is JournalError, and no call; its password is in no text."""
    caplog.set_level(logging.DEBUG)
    app = Flask("shop", instance_path=str(tmp_path))
    app.config["MEDIA_JOURNAL_URL"] = "postgresql://me:hunter2@127.0.0.1:9/shop?connect_timeout=5"
    app.config["MEDIA_GENERATOR"] = "placeholder"
    FlaskMedia(app)
    service = app.extensions["media"]
    with pytest.raises(JournalError, match="MEDIA_JOURNAL_URL") as caught:
        service.generate("A house")
    assert "127.0.0.1" in str(caught.value)
    assert caught.value.retryable
    assert "hunter2" not in _with_locals(caught.value, below="generate")
    assert "hunter2" not in repr(vars(service)) + repr(vars(service.journal)) + caplog.text
    assert b"hunter2" not in pickle.dumps(caught.value)


@pytest.mark.parametrize("key", SECRETS)
@pytest.mark.parametrize(
    "value",
    [
        " hunter2 x",
        "hunter2\n2",
        "hunter2é",
        "hunter2\0",
        4242424242,
        ["hunter2"],
        True,
        {"hunter2": 1},
        Secret("hunter2 x"),
        "  ",
    ],
    ids=range(10),
)
def test_wrong_secrets_stay_secret(key: str, value: Any) -> None:
    """A credential that can't be one is refused by name alone: in no message and no traceback."""
    with pytest.raises(InvalidConfig) as caught:
        MediaConfig.from_mapping({key: value, "SPACES_REGION": "fra1"})
    message = str(caught.value)
    assert message.startswith(f"{key} has a value that can't be used; it must be ")
    shown = _with_locals(caught.value, below="from_mapping")
    for text in (message, shown):
        assert "hunter2" not in text
        assert "4242424242" not in text


def _with_locals(error: BaseException, *, below: str) -> str:
    """The traceback as an error reporter shows it, with locals, from the function down."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    while report.stack and report.stack[0].name != below:
        del report.stack[0]
    assert report.stack, f"no frame of {below}"
    return "".join(report.format())


def test_other_keys_of_a_refused_config_stay_secret() -> None:
    """A wrong value of one key shows none of the others in a traceback with locals."""
    config = {"GEMINI_API_KEY": "hunter2", "SECRET_KEY": "hunter2", "MEDIA_STORAGE": "tape"}
    app = Flask("shop")
    app.config.update(config)
    with pytest.raises(InvalidConfig, match="MEDIA_STORAGE is 'tape'") as caught:
        FlaskMedia(app)
    assert "hunter2" not in _with_locals(caught.value, below="init_app")


def test_a_secret_shows_nowhere() -> None:
    """A Secret shows in no repr, text, f-string, %-format, log line or config."""
    secret = Secret("hunter2")
    values = dict.fromkeys(SECRETS, "hunter2") | {"MEDIA_JOURNAL_URL": "postgresql://a:hunter2@b/c"}
    config = MediaConfig.from_mapping(values)
    for shown in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>30}",
        f"{secret!s}",
        "%s %r" % (secret, secret),  # noqa: UP031
        repr([secret]),
        repr(config),
        str(config),
        f"{config}",
        repr(vars(config)),
        repr(dir(secret)),
    ):
        assert "hunter2" not in shown
    assert "Secret('***')" in repr(config)
    with pytest.raises(TypeError):
        format(secret, ">30")
    assert secret.reveal() == "hunter2"


def test_a_secret_shows_in_no_traceback() -> None:
    """A traceback with locals shows neither a Secret nor a config that holds it."""

    def use(config: MediaConfig, secret: Secret | None) -> None:
        raise ValueError("broken")

    config = MediaConfig.from_mapping({"GEMINI_API_KEY": "hunter2"})
    with pytest.raises(ValueError, match="broken") as caught:
        use(config, config.gemini_api_key)
    shown = _with_locals(caught.value, below="use")
    assert "Secret('***')" in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    """Pickling a Secret, or a config that holds one, is refused with the reason."""
    config = MediaConfig.from_mapping({"GEMINI_API_KEY": "hunter2"})
    for value in (Secret("hunter2"), config):
        with pytest.raises(TypeError, match="secret can't be pickled"):
            pickle.dumps(value, protocol)
    with pytest.raises(TypeError, match="secret can't be pickled"):
        copy.deepcopy(config)


def test_secrets_are_equal_by_value() -> None:
    """Two Secrets of one value are equal and one key; a Secret is not the text it holds."""
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert not hasattr(Secret("a"), "__dict__")


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that come through from_prefixed_env are read as they are meant."""
    environment = {
        "GEMINI_API_KEY": "AIza",
        "GEMINI_TIMEOUT": "60",
        "GEMINI_MAX_ATTEMPTS": "5",
        "GEMINI_VERTEXAI": "true",
        "GEMINI_PROJECT": '"123456"',
        "SPACES_KEY": "",
        "SPACES_BUCKET": "pictures",
        "SPACES_REGION": "null",
        "SPACES_PROVIDER": "minio",
        "SPACES_ENDPOINT_URL": "http://localhost:9000",
        "MEDIA_FOLDER": "/srv/pictures",
        "GEMINI_FALLBACK_MODELS": '["gemini-3-pro-image"]',
        "MEDIA_JOURNAL_URL": "postgresql://me:pass@db/shop",
        "MEDIA_LEASE": "10",
        "MEDIA_ON_UNKNOWN": "raise",
        "MEDIA_BUDGET_USD_PER_DAY": "2.50",
        "MEDIA_BUDGET_USD_PER_USER_PER_DAY": "1",
        "MEDIA_REUSE": "true",
        "MEDIA_RETENTION_DAYS": "none",
    }
    for name, value in environment.items():
        monkeypatch.setenv(f"FLASK_{name}", value)
    app = Flask("shop")
    app.config.from_prefixed_env()
    config = MediaConfig.from_mapping(app.config)
    assert config == MediaConfig(
        gemini_api_key=Secret("AIza"),
        gemini_timeout=60.0,
        gemini_max_attempts=5,
        gemini_vertexai=True,
        gemini_project="123456",
        spaces_bucket="pictures",
        spaces_provider=StorageProvider.MINIO,
        spaces_endpoint_url="http://localhost:9000",
        folder=Path("/srv/pictures"),
        gemini_fallback_models=("gemini-3-pro-image",),
        journal_url=Secret("postgresql+psycopg://me:pass@db/shop"),
        lease=10.0,
        on_unknown="raise",
        budget_per_day=Decimal("2.5"),
        budget_per_user_per_day=Decimal(1),
        reuse=True,
        retention_days=None,
    )


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({}, "filesystem"),
        ({"SPACES_BUCKET": "pictures"}, "spaces"),
        ({"SPACES_BUCKET": "pictures", "MEDIA_STORAGE": "memory"}, "memory"),
        ({"MEDIA_STORAGE": "spaces"}, "spaces"),
    ],
)
def test_storage_name(keys: dict[str, str], name: str) -> None:
    """A bucket means spaces and no bucket the filesystem, unless MEDIA_STORAGE says otherwise."""
    assert MediaConfig.from_mapping(keys).storage_name == name


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("GEMINI_APIKEY", "GEMINI_API_KEY"),
        ("SPACES_SECRETS", "SPACES_SECRET"),
        ("MEDIA_STORGE", "MEDIA_STORAGE"),
        ("GEMINI_TIME_OUT", "GEMINI_TIMEOUT"),
    ],
)
def test_a_typo_is_logged(typo: str, meant: str, caplog: pytest.LogCaptureFixture) -> None:
    """A key that is nearly ours is named in a warning with the one meant, without its value."""
    MediaConfig.from_mapping({typo: "hunter2"})
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"Config key {typo} is not known; did you mean {meant}?"


@pytest.mark.parametrize(
    "key", ["MEDIA_ROOT", "GEMINI_COLOR", "SPACES_X", "OTHER_KEY", "gemini_api_key"]
)
def test_keys_of_others_are_left_alone(key: str, caplog: pytest.LogCaptureFixture) -> None:
    """A key of another extension is no typo of ours, and nothing is logged."""
    MediaConfig.from_mapping({key: "x"})
    assert not caplog.records


def test_replace() -> None:
    """A replaced field is checked as its key is, and the original stays."""
    config = MediaConfig.from_mapping({"GEMINI_MODEL": "gemini-3-pro-image"})
    made = config.replace(gemini_api_key=" AIza ", spaces_provider="minio")
    assert made.gemini_api_key == Secret("AIza")
    assert made.spaces_provider is StorageProvider.MINIO
    assert made.gemini_model == "gemini-3-pro-image"
    assert config.gemini_api_key is None
    with pytest.raises(InvalidConfig, match=r"^SPACES_BUCKET is 'a b'; it must be"):
        config.replace(spaces_bucket="a b")
    with pytest.raises(InvalidConfig, match=r"^GEMINI_API_KEY has a value") as caught:
        config.replace(gemini_api_key="hunter2 x")
    assert "hunter2" not in _with_locals(caught.value, below="_checked")


def test_frozen() -> None:
    """A config can't be changed after it was checked."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        MediaConfig().gemini_model = "other"  # type: ignore[misc]


def test_every_field_says_what_it_is() -> None:
    """Every field has a key, a check and a docstring in the source, and the table here is whole."""
    assert set(FIELDS) == set(DEFAULTS)
    source = Path(str(__import__("flask_media.config").config.__file__)).read_text()
    for key, field in FIELDS.items():
        assert callable(field.metadata["check"]), key
        after = re.split(rf'_key\(\s*"{key}"', source)[1]
        assert after.split("\n    ", 2)[1].startswith('"""') or '\n    """' in after[:200], key
