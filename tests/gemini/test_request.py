"""What goes out: ratio, size step, references, headers, address."""

from __future__ import annotations

import base64
import logging
import subprocess
import sys
from decimal import Decimal

import pytest

from flask_media.emulator import GeminiEmulator
from flask_media.errors import InvalidRequest
from flask_media.errors import NotConfigured
from flask_media.generators.gemini import GeminiGenerator
from flask_media.generators.models import MODELS
from flask_media.generators.models import find_model
from flask_media.generators.pricing import cost_of
from flask_media.options import ImageFormat
from flask_media.options import ImageQuality
from flask_media.types import Usage
from flask_media.values import Picture

from .conftest import KEY
from .conftest import MakeGenerator
from .support import ask

LOW, STANDARD, HIGH = ImageQuality.LOW, ImageQuality.STANDARD, ImageQuality.HIGH
NANO, FLASH = "gemini-nano-banana-2.1", "gemini-3.1-flash-image"


@pytest.mark.parametrize(
    ("model", "width", "height", "quality", "ratio", "step"),
    [
        (NANO, 1024, 1024, STANDARD, "1:1", "1K"),
        (NANO, 1024, 1024, HIGH, "1:1", "2K"),
        (NANO, 1920, 1080, LOW, "16:9", "1K"),
        (NANO, 1920, 1080, STANDARD, "16:9", "2K"),
        (NANO, 1920, 1080, HIGH, "16:9", "4K"),
        (NANO, 9000, 9000, STANDARD, "1:1", "4K"),
        (NANO, 9000, 9000, HIGH, "1:1", "4K"),
        (NANO, 3000, 300, STANDARD, "8:1", "1K"),
        (NANO, 300, 1200, STANDARD, "1:4", "1K"),
        (FLASH, 256, 256, STANDARD, "1:1", "512"),
        (FLASH, 1024, 1024, LOW, "1:1", "512"),
        (FLASH, 1024, 1024, STANDARD, "1:1", "1K"),
        ("gemini-3-pro-image", 3000, 300, STANDARD, "21:9", "2K"),
        ("gemini-2.5-flash-image", 4000, 4000, HIGH, "1:1", None),
        ("gemini-from-next-year", 896, 1200, HIGH, "3:4", None),
    ],
)
def test_ratio_and_step(  # noqa: PLR0917
    emulator: GeminiEmulator,
    generator: GeminiGenerator,
    model: str,
    width: int,
    height: int,
    quality: ImageQuality,
    ratio: str,
    step: str | None,
) -> None:
    """Pixels and quality become the model's nearest ratio and the right size step."""
    generator.generate(ask(model=model, width=width, height=height, quality=quality))
    config = emulator.requests[0].json["generationConfig"]["imageConfig"]
    assert config.get("aspectRatio") == ratio
    assert config.get("imageSize") == step


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_table_is_what_the_service_takes(make: MakeGenerator, model: object) -> None:
    """The pixels of the table are those of the emulator's, kept apart, for each ratio and step."""
    known = find_model(getattr(model, "name", ""))
    assert known is not None
    with GeminiEmulator(strict=True, honour_image_config=True) as emulator:
        generator = make(emulator.url, model=known.name)
        for ratio, (width, height) in known.ratios.items():
            assert known.nearest_ratio(width, height) == ratio
            data = generator.generate(ask(width=width, height=height)).data
            assert data[16:24] == width.to_bytes(4, "big") + height.to_bytes(4, "big")


def test_what_is_sent(emulator: GeminiEmulator, generator: GeminiGenerator) -> None:
    """One request with key, version and model in their places, and a deadline that Google takes."""
    answered = generator.generate(ask("a cat {name} %s"))
    sent = emulator.requests[0]
    assert sent.path == "/v1/models/gemini-nano-banana-2.1:generateContent"
    assert sent.headers["x-goog-api-key"] == KEY
    assert sent.headers["x-server-timeout"] == "20"
    assert sent.json["contents"] == [{"parts": [{"text": "a cat {name} %s"}], "role": "user"}]
    assert sent.json["generationConfig"]["responseModalities"] == ["TEXT", "IMAGE"]
    assert answered.model == "gemini-nano-banana-2.1"


def test_short_timeout_is_not_told(emulator: GeminiEmulator, make: MakeGenerator) -> None:
    """A timeout under Google's least deadline is kept here and not sent there."""
    assert make(emulator.url, timeout=3.0).generate(ask()).data
    assert emulator.requests[0].headers["x-server-timeout"] == "10"


def test_references(emulator: GeminiEmulator, generator: GeminiGenerator) -> None:
    """References go along as inline parts after the prompt, however large."""
    data = bytes(range(256)) * 1000
    picture = Picture(data=data, format=ImageFormat.WEBP, width=8, height=8)
    generator.generate(ask(references=(picture, picture)))
    _, first, second = emulator.requests[0].json["contents"][0]["parts"]
    assert first == second
    assert first["inlineData"]["mime_type"] == "image/webp"
    assert base64.urlsafe_b64decode(first["inlineData"]["data"]) == data


def test_too_many_references(emulator: GeminiEmulator, generator: GeminiGenerator) -> None:
    """More references than the model takes are refused before the call."""
    picture = Picture(data=b"x", format=ImageFormat.PNG, width=8, height=8)
    with pytest.raises(
        InvalidRequest, match=r"4 pictures; gemini-2\.5-flash-image takes at most 3"
    ):
        generator.generate(ask(model="gemini-2.5-flash-image", references=(picture,) * 4))
    assert emulator.calls == 0
    assert generator.reference_side(ask()) == 2048


def test_without_a_key(make: MakeGenerator) -> None:
    """Without a key nothing is sent, and the error names the config key."""
    with pytest.raises(NotConfigured, match="GEMINI_API_KEY"):
        make("http://127.0.0.1:9", api_key=None).check(ask())


def test_unknown_model_warns_once(
    generator: GeminiGenerator, caplog: pytest.LogCaptureFixture
) -> None:
    """A model that is not in the table passes, with one warning."""
    for _ in range(3):
        generator.check(ask(model="gemini-from-next-year"))
    generator.check(ask())
    warnings = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "gemini-from-next-year" in warnings[0].getMessage()


@pytest.mark.parametrize(
    ("model", "price"),
    [
        (NANO, "0.034"),
        ("gemini-3-pro-image", "0.134"),
        ("gemini-3.1-flash-lite-image", "0.034"),
        (FLASH, "0.067"),
    ],
)
def test_price_of_a_picture(model: str, price: str) -> None:
    """A picture at 1K costs what Google's price list says, to a tenth of a cent."""
    usage = Usage(input_tokens=8, output_tokens=1120, image_tokens=1120)
    cost = cost_of(model, usage)
    assert cost is not None
    assert round(cost, 3) == Decimal(price)


def test_cost_in_the_answer(generator: GeminiGenerator) -> None:
    """The answer says tokens and price, thoughts included."""
    answered = generator.generate(ask())
    assert answered.usage == Usage(
        input_tokens=8, output_tokens=1120, image_tokens=1120, total_tokens=1128
    )
    thinking = Usage(input_tokens=8, output_tokens=1120, image_tokens=1120, thought_tokens=1000)
    cost, dearer = cost_of(NANO, answered.usage), cost_of(NANO, thinking)
    assert answered.cost_usd == cost
    assert cost is not None
    assert dearer == cost + Decimal("0.0075")


@pytest.mark.parametrize(
    "usage",
    [
        None,
        Usage(),
        Usage(input_tokens=8, output_tokens=1120),
        Usage(output_tokens=1120, image_tokens=1120),
        Usage(input_tokens=-8, output_tokens=1120, image_tokens=1120),
    ],
)
def test_unknown_cost_is_none(usage: Usage | None) -> None:
    """A price that can't be known is None and no guess."""
    assert cost_of(NANO, usage) is None


def test_unknown_model_has_no_price() -> None:
    """A model without a price has the cost None."""
    assert cost_of("stub-ok", Usage(input_tokens=8, output_tokens=8, image_tokens=8)) is None


def test_import_is_light() -> None:
    """Importing the generator imports nothing heavy."""
    heavy = ["google.genai", "httpx2", "pydantic", "genai_prices", "PIL", "boto3"]
    code = "import sys, flask_media.generators.gemini\n"
    code += f"print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
