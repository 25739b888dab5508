"""The public names as a user writes them; mypy in strict mode is the test."""

from __future__ import annotations

from datetime import date
from datetime import datetime
from datetime import timedelta
from decimal import Decimal
from typing import assert_type

from flask import Blueprint
from flask import Flask
from flask import Request

from flask_media import BudgetExceeded
from flask_media import Collected
from flask_media import ContentBlocked
from flask_media import FlaskMedia
from flask_media import GeneratedImage
from flask_media import ImageFormat
from flask_media import ImageGenerationConfig
from flask_media import ImageQuality
from flask_media import ImageSize
from flask_media import ImageTheme
from flask_media import MediaError
from flask_media import MediaResult
from flask_media import MediaService
from flask_media import ObjectStat
from flask_media import RateLimited
from flask_media import StorageProvider
from flask_media import Usage
from flask_media import current_media
from flask_media import get_image_generation_service
from flask_media import signals

media = FlaskMedia()


def create_app() -> Flask:
    """The factory of an app."""
    app = Flask(__name__)
    app.config.from_prefixed_env()
    media.init_app(app)
    assert_type(media.create_blueprint(authorize=who), Blueprint)
    app.register_blueprint(media.create_blueprint(authorize=lambda _: "ann", name="pictures"))
    FlaskMedia(app)
    return app


def who(request: Request) -> str | None:
    """Who asks."""
    return request.headers.get("X-User")


async def wait() -> str:
    """The calls that are awaited."""
    result = await current_media.agenerate_and_upload("Sea house", "goals/7/house.webp", wait=True)
    assert_type(result, MediaResult)
    assert_type(await current_media.agenerate("Sea house"), GeneratedImage)
    assert_type(await current_media.aupload(b"...", "goals/7/house.webp"), MediaResult)
    assert_type(await current_media.aresume(result.job_id), MediaResult | GeneratedImage)
    job = await current_media.agenerate_later("Sea house", "goals/8/house.webp")
    assert_type(await job.aresult(timeout=60), MediaResult)
    await current_media.agenerate("Sea house", prompts="no such argument")  # type: ignore[call-arg]
    return result.url


def generate() -> str:
    """Every way to make and read a picture."""
    config = ImageGenerationConfig(
        size=ImageSize.BANNER,
        quality=ImageQuality.HIGH,
        theme=ImageTheme.ILLUSTRATION,
        brand_colors=["#0066CC", "#00AA66"],
        style_notes="soft light",
        negative="people",
        format=ImageFormat.WEBP,
        compression=80,
        enhance_prompt=True,
        model="gemini-3-pro-image",
    )
    ImageGenerationConfig(size=(640, 480), brand_colors=("navy",))
    assert_type(ImageGenerationConfig.from_dict({"size": "banner"}), ImageGenerationConfig)
    result = current_media.generate_and_upload(
        prompt="Sea house",
        object_key="goals/7/sea_house.webp",
        metadata={"goal_id": 7, "user_id": None, "goal_name": "Être libre"},
        config=config,
        reference_images=[b"...", "goals/6/house.png"],
        idempotency_key="goal-7",
        reuse=True,
        spender="ada",
        wait=False,
    )
    assert_type(result, MediaResult)
    assert_type(result.url, str)
    assert_type(result.prompt, str | None)
    assert_type(result.cost_usd, Decimal | None)
    assert_type(result.usage, Usage | None)
    assert_type(MediaResult.from_dict(result.to_dict()), MediaResult)
    image = current_media.generate("Sea house", config)
    assert_type(image, GeneratedImage)
    assert_type(image.data, bytes)
    assert_type(current_media.upload(image.data, "a.webp", {"a": 1}), MediaResult)
    assert_type(current_media.stat("a.webp"), ObjectStat)
    assert_type(current_media.exists("a.webp"), bool)
    with current_media.open("a.webp") as file:
        assert_type(file.read(), bytes)
    current_media.delete("a.webp")
    assert_type(current_media.url("a.webp"), str)
    assert_type(current_media.resume(result.job_id, buy=True), MediaResult | GeneratedImage)
    for outcome in current_media.resume_all():
        assert_type(outcome, MediaResult | GeneratedImage | MediaError)
    assert_type(current_media.usage().cost_usd, Decimal)
    assert_type(current_media.usage(date(2026, 11, 1), by="day")["2026-11-22"].jobs, int)
    assert_type(current_media.gc(timedelta(days=30)), Collected)
    return f"{result['url']} {dict(result)}"


def set_up() -> None:
    """The calls of the migration guide."""
    service = get_image_generation_service()
    assert_type(service, MediaService)
    service.configure_gemini("AIza")
    service.configure_storage(
        provider=StorageProvider.DIGITALOCEAN_SPACES,
        region="fra1",
        bucket="pictures",
        access_key="key",
        secret_key="secret",
    )
    service.configure_storage(StorageProvider.FILESYSTEM)


def handle() -> tuple[bool, float | None, str | None]:
    """The errors with what they carry."""
    try:
        generate()
    except RateLimited as error:
        return error.retryable, error.retry_after, error.job_id
    except ContentBlocked as error:
        assert_type(error.usage, Usage | None)
        return error.retryable, None, error.reason
    except BudgetExceeded as error:
        assert_type(error.limit_usd, Decimal | None)
        assert_type(error.resets_at, datetime | None)
        return error.retryable, None, error.spender
    except MediaError as error:
        return error.retryable, None, error.message
    return False, None, None


@signals.upload_finished.connect
def stored(sender: Flask, *, job_id: str, result: MediaResult, **others: object) -> None:
    """A receiver with the types that it is called with."""
    sender.logger.info("%s: %s", job_id, result.url)
