"""What log records say besides their message, in fields."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_media import ContentBlocked
from flask_media import FlaskMedia
from flask_media import ImageGenerationConfig
from flask_media import current_media
from flask_media.emulator import GeminiEmulator

KEY = "key-that-shows-nowhere"
SMALL = ImageGenerationConfig(size=(64, 64), enhance_prompt=False)
SOURCES = sorted(Path(__file__).parents[2].joinpath("flask_media").rglob("*.py"))


@pytest.fixture
def emulator() -> Iterator[GeminiEmulator]:
    """Stands for Gemini."""
    with GeminiEmulator() as emulator:
        yield emulator


@pytest.fixture
def app(emulator: GeminiEmulator, tmp_path: Path) -> Iterator[Flask]:
    """An app that asks the emulator."""
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.update(GEMINI_API_KEY=KEY, GEMINI_BASE_URL=emulator.url, MEDIA_STORAGE="memory")
    FlaskMedia(app)
    with app.app_context():
        yield app


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of ours."""
    return {name: value for name, value in vars(record).items() if name.startswith("media_")}


def test_a_picture(app: Flask, emulator: GeminiEmulator, caplog: pytest.LogCaptureFixture) -> None:
    """Each record about a job has its id; what a call took and cost are numbers."""
    emulator.script("429,retry=0.01", "ok")
    with caplog.at_level(logging.INFO, "flask_media"):
        result = current_media.generate_and_upload("A house", "houses/1.png", config=SMALL)
    records = [record for record in caplog.records if record.name.startswith("flask_media")]
    said = {record.getMessage().split(": ", 1)[1][:12]: fields_of(record) for record in records}
    assert {values["media_job_id"] for values in said.values()} == {result.job_id}
    assert said["call 1 of at"]["media_error"] == "RateLimited"
    assert said["call 1 of at"]["media_attempt"] == 1
    (answered,) = (values for values in said.values() if "media_cost_usd" in values)
    assert answered["media_cost_usd"] == float(result.cost_usd or 0)
    assert answered["media_model"] == result.model
    assert answered["media_attempt"] == 2
    assert answered["media_object_key"] == "houses/1.png"
    assert 0 < answered["media_seconds"] < 60
    (stored,) = (values for start, values in said.items() if start.startswith("stored"))
    assert stored == {
        "media_job_id": result.job_id,
        "media_object_key": "houses/1.png",
        "media_size_bytes": result.size_bytes,
    }
    json.dumps(list(said.values()))
    assert KEY not in json.dumps(list(said.values()))


def test_a_failure(app: Flask, emulator: GeminiEmulator, caplog: pytest.LogCaptureFixture) -> None:
    """The record of a failure names the error's class, the job and the model."""
    emulator.script("safety")
    with pytest.raises(ContentBlocked) as caught:
        current_media.generate("A house", SMALL)
    (record,) = (one for one in caplog.records if one.levelno == logging.WARNING)
    assert fields_of(record)["media_error"] == "ContentBlocked"
    assert fields_of(record)["media_job_id"] == caught.value.job_id


def test_each_record_of_a_job_has_fields() -> None:
    """No message about a job or its variants is logged without fields."""
    count = 0
    for node in (node for path in SOURCES for node in ast.walk(ast.parse(path.read_text()))):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("logger.")):
            continue
        text = ast.unparse(node)
        if "Job %s" in text or "The variants of" in text:
            assert any(keyword.arg == "extra" for keyword in node.keywords), text
            count += 1
    assert count > 20
