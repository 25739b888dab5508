"""From a prompt to a URL, with the real SDK against the emulator."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from datetime import UTC
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote
from urllib.parse import urlsplit

import pytest
from flask import Flask
from PIL import Image

from flask_media import ImageFormat
from flask_media import ImageGenerationConfig
from flask_media import ImageQuality
from flask_media import ImageSize
from flask_media import ImageTheme
from flask_media import MediaResult
from flask_media import current_media
from flask_media.emulator import GeminiEmulator

from .conftest import SECRETS
from .conftest import Heard
from .conftest import MakeApp


def test_contract_example(app: Flask, emulator: GeminiEmulator) -> None:
    """The contract's example gives a banner with exactly its pixels, metadata and URL."""
    before = datetime.now(UTC)
    result = current_media.generate_and_upload(
        prompt="Visual representation of financial goal: Sea house",
        object_key="goals/7/sea_house.png",
        metadata={"goal_id": "7", "user_id": None, "goal_name": "Être libre"},
        config=ImageGenerationConfig(
            size=ImageSize.BANNER,
            quality=ImageQuality.HIGH,
            theme=ImageTheme.ILLUSTRATION,
            brand_colors=["#0066CC", "#00AA66"],
        ),
    )
    assert result.url == result["url"] == current_media.url("goals/7/sea_house.png")
    assert (result.width, result.height, result.content_type) == (1920, 1080, "image/png")
    assert result.original_prompt == "Visual representation of financial goal: Sea house"
    sent = emulator.requests[-1].json
    assert sent["contents"][0]["parts"][-1]["text"] == result.prompt
    assert result.prompt is not None
    for expected in (result.original_prompt, "#0066CC", "#00AA66", "1920"):
        assert expected in result.prompt
    with current_media.open("goals/7/sea_house.png") as file:
        data = file.read()
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert (image.size, image.format) == ((1920, 1080), "PNG")
    assert result.size_bytes == len(data)
    assert result.sha256 == hashlib.sha256(data).hexdigest()
    stat = current_media.stat("goals/7/sea_house.png")
    assert stat.metadata == result.metadata == {"goal_id": "7", "goal_name": "Être libre"}
    assert (stat.size_bytes, stat.content_type) == (len(data), "image/png")
    assert before <= result.created_at <= datetime.now(UTC)
    assert (result.model, result.attempts, result.cached) == ("gemini-nano-banana-2.1", 1, False)
    assert MediaResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_bytes_pass_through(app: Flask, emulator: GeminiEmulator) -> None:
    """A picture that fits already is stored byte for byte, as the model sent it."""
    result = current_media.generate_and_upload("A house", "house.png")
    with current_media.open("house.png") as file:
        stored = file.read()
    generated = current_media.generate("A house")
    assert stored == generated.data
    assert hashlib.sha256(generated.data).hexdigest() == result.sha256


def test_cost_and_usage_are_the_answers(app: Flask) -> None:
    """Usage is what the answer counted, the cost what the price table makes of it."""
    image = current_media.generate("A house")
    assert image.usage is not None
    assert image.usage.image_tokens == 1120
    assert image.cost_usd is not None
    assert Decimal("0.03") < image.cost_usd < Decimal("0.04")


def test_unknown_model_has_no_cost(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """A model without a known price costs None, not 0, and is warned of."""
    with make_app(GEMINI_MODEL="stub-ok").app_context():
        image = current_media.generate("A house")
    assert image.cost_usd is None
    assert "stub-ok" in caplog.text


@pytest.mark.parametrize(
    ("key", "wanted", "content_type"),
    [
        ("a.png", None, "image/png"),
        ("a.JPG", None, "image/jpeg"),
        ("a.webp", None, "image/webp"),
        ("a.avif", None, "image/avif"),
        ("a", None, "image/jpeg"),
        ("a", ImageFormat.WEBP, "image/webp"),
        ("a.v2", None, "image/jpeg"),
        ("a.jpeg", ImageFormat.JPEG, "image/jpeg"),
    ],
)
def test_key_bytes_and_type_agree(
    app: Flask,
    emulator: GeminiEmulator,
    key: str,
    wanted: ImageFormat | None,
    content_type: str,
) -> None:
    """The format is the config's, else the key's, else what the model sent, label or not."""
    emulator.script("ok,mime=image/jpeg,saymime=image/png")
    config = ImageGenerationConfig(format=wanted)
    result = current_media.generate_and_upload("A house", key, config=config)
    assert result.content_type == current_media.stat(key).content_type == content_type
    with current_media.open(key) as file, Image.open(file) as image:
        assert image.get_format_mimetype() == content_type
        assert image.size == (1024, 1024) == (result.width, result.height)


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (1, 1), (2000, 50)])
def test_exact_pixels(app: Flask, size: tuple[int, int]) -> None:
    """Any size asked for is the size stored."""
    image = current_media.generate("A house", ImageGenerationConfig(size=size))
    with Image.open(io.BytesIO(image.data)) as opened:
        assert opened.size == size == (image.width, image.height)


def test_references_by_bytes_file_and_key(app: Flask, emulator: GeminiEmulator) -> None:
    """Reference pictures go along as inline parts, whatever they were given as."""
    picture = current_media.generate("A house").data
    current_media.upload(picture, "stored.png")
    current_media.generate(
        "The same house at night", reference_images=[picture, io.BytesIO(picture), "stored.png"]
    )
    parts = emulator.requests[-1].json["contents"][0]["parts"]
    assert len([part for part in parts if "inlineData" in part]) == 3
    assert next(part["text"] for part in parts if "text" in part).count("night") == 1


def test_prompt_as_it_is(app: Flask, emulator: GeminiEmulator) -> None:
    """With enhance_prompt=False the model gets the text and nothing else."""
    config = ImageGenerationConfig(enhance_prompt=False)
    image = current_media.generate("{{ 7*7 }} {name} %s", config)
    assert image.prompt == image.original_prompt == "{{ 7*7 }} {name} %s"
    assert emulator.requests[-1].json["contents"][0]["parts"] == [{"text": "{{ 7*7 }} {name} %s"}]


def test_signals_of_success(app: Flask, heard: Heard) -> None:
    """Four signals in order, from the app, with what the contract says."""
    result = current_media.generate_and_upload("A house", "house.png")
    assert heard.names == [
        "generation_started",
        "generation_finished",
        "upload_started",
        "upload_finished",
    ]
    for _, sender, values in heard.events:
        assert sender is app
        assert values["job_id"] == result.job_id
        assert values["object_key"] == "house.png"
        assert values["prompt"] == result.prompt
    assert heard.values("generation_finished")["image"].sha256 == result.sha256
    assert heard.values("upload_finished")["result"] == result


def test_log_tells_the_story(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """INFO says what was asked, what came, what it cost and where it went; no secret, no prompt."""
    caplog.set_level(logging.DEBUG)
    result = current_media.generate_and_upload("A very private house", "house.png")
    story = [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.INFO and record.name.startswith("flask_media")
    ]
    assert len(story) == 3
    assert all(line.startswith(f"Job {result.job_id}: ") for line in story)
    assert "1024 x 1024" in story[0]
    assert f"cost {result.cost_usd} USD" in story[1]
    assert "'house.png'" in story[2]
    assert "private" not in " ".join(story)
    assert SECRETS["GEMINI_API_KEY"] not in caplog.text


def test_filesystem_is_the_default_storage(make_app: MakeApp, tmp_path: Path) -> None:
    """Without a bucket pictures lie below the instance folder, under a file URI."""
    with make_app(MEDIA_STORAGE=None).app_context():
        result = current_media.generate_and_upload("A house", "a b/é.png")
    parts = urlsplit(result.url)
    path = Path(unquote(parts.path))
    assert parts.scheme == "file"
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert tmp_path / "instance" / "media" in path.parents


def test_placeholder_needs_no_key(make_app: MakeApp, emulator: GeminiEmulator) -> None:
    """The placeholder draws the same bytes for the same request, costs 0 and calls nobody."""
    with make_app(MEDIA_GENERATOR="placeholder", GEMINI_API_KEY=None).app_context():
        first = current_media.generate_and_upload("A house", "a.png")
        again = current_media.generate_and_upload("A house", "b.png")
        other = current_media.generate_and_upload("A boat", "c.png")
    assert first.sha256 == again.sha256 != other.sha256
    assert (first.cost_usd, first.model) == (Decimal(0), "placeholder")
    assert emulator.calls == 0


def test_two_apps_do_not_share(make_app: MakeApp) -> None:
    """What one app stores, another does not see."""
    one, two = make_app(), make_app()
    with one.app_context():
        current_media.generate_and_upload("A house", "house.png")
        assert current_media.exists("house.png")
    with two.app_context():
        assert not current_media.exists("house.png")
