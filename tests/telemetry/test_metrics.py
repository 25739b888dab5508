"""The metrics of pictures."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_media import ContentBlocked
from flask_media import ImageGenerationConfig
from flask_media import current_media
from flask_media.emulator import GeminiEmulator
from flask_media.testing import fake

from .conftest import Told

MODEL = "gemini-nano-banana-2.1"
SMALL = ImageGenerationConfig(size=(64, 64), enhance_prompt=False)


def test_a_picture(app: Flask, told: Told) -> None:
    """Durations and tokens are in the conventions' buckets; cost and pictures are counted."""
    result = current_media.generate_and_upload("A house", "houses/1.png", config=SMALL)
    (duration,) = told.points("gen_ai.client.operation.duration")
    assert duration.count == 1
    assert duration.explicit_bounds[0] == 0.01
    assert duration.explicit_bounds[-1] == 81.92
    assert duration.attributes["gen_ai.response.model"] == MODEL
    assert duration.attributes["gen_ai.provider.name"] == "gcp.gemini"
    assert "flask_media.job.id" not in duration.attributes, "that would be a series a job"
    tokens = {
        point.attributes["gen_ai.token.type"]: point
        for point in told.points("gen_ai.client.token.usage")
    }
    assert result.usage is not None
    assert tokens["input"].sum == result.usage.input_tokens
    assert tokens["output"].sum >= (result.usage.output_tokens or 0)
    assert tokens["output"].explicit_bounds[-1] == 67108864
    (cost,) = told.points("flask_media.cost")
    assert cost.value == pytest.approx(float(result.cost_usd or 0))
    (pictures,) = told.points("flask_media.pictures")
    assert pictures.value == 1
    assert pictures.attributes == {
        "flask_media.outcome": "stored",
        "gen_ai.response.model": MODEL,
    }
    (stored,) = told.points("flask_media.store.duration")
    assert stored.attributes == {"flask_media.storage": "memory"}


def test_outcomes(app: Flask, emulator: GeminiEmulator, told: Told) -> None:
    """What was handed out, was there already or failed is counted as that."""
    current_media.generate("A house", SMALL)
    emulator.script("safety")
    with pytest.raises(ContentBlocked):
        current_media.generate("A house", SMALL)
    for _ in range(3):
        current_media.generate_and_upload(
            "A house", "houses/1.png", config=SMALL, idempotency_key="house"
        )
    counts = {
        (point.attributes["flask_media.outcome"], point.attributes.get("error.type")): point.value
        for point in told.points("flask_media.pictures")
    }
    assert counts == {
        ("returned", None): 1,
        ("failed", "ContentBlocked"): 1,
        ("stored", None): 1,
        ("cached", None): 2,
    }
    failed = [
        point.attributes
        for point in told.points("gen_ai.client.operation.duration")
        if "error.type" in point.attributes
    ]
    assert [attributes["error.type"] for attributes in failed] == ["ContentBlocked"]


def test_a_try_that_is_not_the_last(app: Flask, told: Told) -> None:
    """A job in the background that is tried again is one picture, and no failure."""
    with fake(app) as it:
        it.fail_upload()
        current_media._parts.reconfigure(queue_retry_seconds=0.01)
        current_media.generate_later("A house", "houses/1.png").result(20)
    outcomes = [
        (point.attributes["flask_media.outcome"], point.value)
        for point in told.points("flask_media.pictures")
    ]
    assert outcomes == [("stored", 1)]
    assert len(told.spans("flask_media.generate_and_upload")) == 2
