"""What a process does once, however many apps it has: a test suite makes one a test."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
from botocore.loaders import JSONFileLoader
from flask import Flask
from sqlalchemy.sql.compiler import DDLCompiler

from flask_media.config_checks import Secret
from flask_media.options import StorageProvider
from flask_media.storage.s3 import S3Storage

from .conftest import MakeApp


def _counted(patch: pytest.MonkeyPatch, owner: Any, name: str) -> list[object]:
    """The arguments of each call of a library's method from now on."""
    calls: list[object] = []
    do = getattr(owner, name)

    def counting(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments[1:])
        return do(*arguments, **named)

    patch.setattr(owner, name, counting)
    return calls


@pytest.fixture
def apps(make_app: MakeApp, tmp_path: Path) -> Iterator[Flask]:
    """Apps with a journal each."""
    urls = (f"sqlite:///{tmp_path / str(number)}.sqlite3" for number in itertools.count())
    return (make_app(MEDIA_JOURNAL_URL=url) for url in urls)


def test_the_second_app(apps: Iterator[Flask], monkeypatch: pytest.MonkeyPatch) -> None:
    """It compiles neither the prompt's template nor the statements that make the tables."""
    next(apps).extensions["media"].generate_and_upload("A house", "house.png")
    templates = _counted(monkeypatch, jinja2.Environment, "compile")
    tables = _counted(monkeypatch, DDLCompiler, "visit_create_table")
    indexes = _counted(monkeypatch, DDLCompiler, "visit_create_index")
    next(apps).extensions["media"].generate_and_upload("A house", "house.png")
    assert (templates, indexes) == ([], [])
    assert len(tables) == 1  # the version's, which says whether the others are there


def test_no_authorities(apps: Iterator[Flask], monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK loads no certificate authorities for connections that nobody opens (45 ms)."""
    loaded = _counted(monkeypatch, ssl, "create_default_context")
    result = next(apps).extensions["media"].generate_and_upload("A house", "house.png")
    assert result.model
    assert loaded == []


def test_the_second_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second bucket's client reads none of botocore's descriptions again."""

    def connect(bucket: str) -> None:
        S3Storage(
            provider=StorageProvider.MINIO,
            bucket=bucket,
            region="us-east-1",
            key=Secret("key"),
            secret=Secret("secret"),
            endpoint_url="http://127.0.0.1:9",
        ).check_ready()

    connect("first")
    read = _counted(monkeypatch, JSONFileLoader, "load_file")
    connect("second")
    assert read == []
