"""Telemetry that fails costs nothing."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace import TracerProvider

from flask_media import ContentBlocked
from flask_media import ImageGenerationConfig
from flask_media import current_media
from flask_media import telemetry
from flask_media.emulator import GeminiEmulator

from .conftest import Told

SMALL = ImageGenerationConfig(size=(64, 64), enhance_prompt=False)


class Faulty(SpanProcessor):
    """An app's own processor with a fault."""

    at = ""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Raise, if it is to."""
        if self.at == "start":
            raise ZeroDivisionError

    def on_end(self, span: Any) -> None:
        """Raise, if it is to."""
        if self.at == "end":
            raise ZeroDivisionError


@pytest.fixture(params=["start", "end"])
def faulty(request: pytest.FixtureRequest, told: Told) -> Iterator[Faulty]:
    """Its fault, at the start or at the end of each span."""
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    processor = Faulty()
    provider.add_span_processor(processor)
    processor.at = request.param
    yield processor
    processor.at = ""


def test_a_picture_is_not_lost(
    app: Flask, faulty: Faulty, emulator: GeminiEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    """A span processor that raises is logged; the picture is bought once, and stored."""
    result = current_media.generate_and_upload("A house", "houses/1.png", config=SMALL)
    assert current_media.stat("houses/1.png").size_bytes == result.size_bytes
    assert current_media.job(result.job_id).status == "done"
    assert len(emulator.requests) == 1
    assert {one.message for one in caplog.records if one.levelno >= logging.WARNING} == {
        "OpenTelemetry failed"
    }


def test_an_error_is_itself(app: Flask, faulty: Faulty, emulator: GeminiEmulator) -> None:
    """A refusal is told as it is, not as the processor's fault."""
    emulator.script("safety")
    with pytest.raises(ContentBlocked):
        current_media.generate("A house", SMALL)
    assert len(emulator.requests) == 1


def test_another_api(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An API that lacks what is needed is as none; that is said once."""
    telemetry._loaded.cache_clear()
    monkeypatch.delattr(telemetry, "otel", raising=False)
    monkeypatch.setitem(sys.modules, "flask_media.telemetry.otel", None)
    for number in range(2):
        current_media.generate_and_upload("A house", f"houses/{number}.png", config=SMALL)
    said = [one.message for one in caplog.records if "OpenTelemetry" in one.message]
    telemetry._loaded.cache_clear()
    assert said == ["This OpenTelemetry can't be used, so nothing is recorded."]
