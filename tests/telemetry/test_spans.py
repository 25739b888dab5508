"""The spans of a picture."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from opentelemetry.trace import StatusCode

from flask_media import ContentBlocked
from flask_media import ImageGenerationConfig
from flask_media import UploadFailed
from flask_media import current_media
from flask_media.config_checks import Secret
from flask_media.emulator import GeminiEmulator
from flask_media.generators.gemini import GeminiGenerator
from flask_media.testing import fake

from ..service.conftest import MakeApp
from .conftest import Told

MODEL = "gemini-nano-banana-2.1"
SMALL = ImageGenerationConfig(size=(64, 64), enhance_prompt=False)
TRACER = trace.get_tracer("tests")


def test_a_picture(app: Flask, emulator: GeminiEmulator, told: Told) -> None:
    """A job has a span; within it are the call's, by the GenAI conventions, and the storing's."""
    with TRACER.start_as_current_span("request"):
        result = current_media.generate_and_upload("A secret house", "houses/1.png", config=SMALL)
    call, store, job, request = told.spans()
    assert [call.name, store.name, job.name] == [
        f"generate_content {MODEL}",
        "flask_media.store",
        "flask_media.generate_and_upload",
    ]
    assert [call.kind, store.kind, job.kind] == [
        SpanKind.CLIENT,
        SpanKind.INTERNAL,
        SpanKind.INTERNAL,
    ]
    assert call.parent == store.parent == job.context
    assert job.parent == request.context
    about = {"flask_media.job.id": result.job_id, "flask_media.object_key": "houses/1.png"}
    server = urlsplit(emulator.url)
    usage = result.usage
    assert usage is not None
    assert result.cost_usd is not None
    assert usage.output_tokens is not None
    thoughts = (
        {"gen_ai.usage.reasoning.output_tokens": usage.thought_tokens}
        if usage.thought_tokens is not None
        else {}
    )
    assert dict(call.attributes or {}) == thoughts | {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": MODEL,
        "gen_ai.response.model": MODEL,
        "gen_ai.output.type": "image",
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens + (usage.thought_tokens or 0),
        "server.address": server.hostname,
        "server.port": server.port,
        "flask_media.attempt": 1,
        "flask_media.cost_usd": float(result.cost_usd),
        "flask_media.job.id": result.job_id,
    }
    assert dict(store.attributes or {}) == about | {"flask_media.storage": "memory"}
    assert dict(job.attributes or {}) == about | {
        "flask_media.resumed": False,
        "flask_media.cached": False,
        "flask_media.width": 64,
        "flask_media.height": 64,
        "flask_media.size_bytes": result.size_bytes,
        "flask_media.content_type": "image/png",
        "flask_media.attempts": 1,
        "flask_media.cost_usd": float(result.cost_usd),
    }
    assert "secret" not in "".join(span.to_json() for span in told.spans())


@pytest.mark.parametrize(
    ("value", "is_told"),
    [("true", True), ("SPAN_ONLY", True), ("SPAN_AND_EVENT", True), ("EVENT_ONLY", False)],
)
def test_a_prompt_that_may_be_told(
    app: Flask, told: Told, monkeypatch: pytest.MonkeyPatch, value: str, *, is_told: bool
) -> None:
    """The prompt is an attribute only where the conventions' environment variable says so."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", value)
    current_media.generate("Être libre", SMALL)
    messages = (told.span(f"generate_content {MODEL}").attributes or {}).get(
        "gen_ai.input.messages"
    )
    if not is_told:
        assert messages is None
        return
    assert json.loads(str(messages)) == [
        {"role": "user", "parts": [{"type": "text", "content": "Être libre"}]}
    ]
    assert told.span("flask_media.generate").parent is None


def test_calls_that_are_refused(make_app: MakeApp, emulator: GeminiEmulator, told: Told) -> None:
    """Each call has its span: the model that it asked, which it was, and why it failed."""
    emulator.script("429", "ok")
    with make_app(GEMINI_FALLBACK_MODELS=["gemini-2.5-flash-image"]).app_context():
        current_media.generate_and_upload("A house", "houses/1.png", config=SMALL)
    refused, answered = (span for span in told.spans() if span.kind is SpanKind.CLIENT)
    assert refused.name == f"generate_content {MODEL}"
    assert refused.status.status_code is StatusCode.ERROR
    assert (refused.attributes or {})["error.type"] == "RateLimited"
    assert answered.name == "generate_content gemini-2.5-flash-image"
    assert answered.status.status_code is StatusCode.UNSET
    assert (answered.attributes or {})["flask_media.attempt"] == 2


def test_a_picture_that_is_refused(app: Flask, emulator: GeminiEmulator, told: Told) -> None:
    """Its spans have the error's class; not what the model said, which is content."""
    emulator.script("safety")
    with pytest.raises(ContentBlocked) as caught:
        current_media.generate_and_upload("A house", "houses/1.png", config=SMALL)
    for span in told.spans():
        assert (span.attributes or {})["error.type"] == "ContentBlocked"
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description is None
        assert not span.events
    assert len(told.spans()) == 2
    assert caught.value.job_id == (told.spans()[0].attributes or {})["flask_media.job.id"]


def test_a_picture_that_is_not_stored(app: Flask, told: Told) -> None:
    """Storing has an error, and so has the job; the one that goes on has resumed."""
    with fake(app) as it:
        it.fail_upload()
        with pytest.raises(UploadFailed) as caught:
            current_media.generate_and_upload("A house", "houses/1.png")
        failed = told.span("flask_media.generate_and_upload")
        assert told.span("flask_media.store").status.status_code is StatusCode.ERROR
        assert (failed.attributes or {})["error.type"] == "UploadFailed"
        assert failed.status.description == caught.value.message
        told.clear()
        current_media.resume(caught.value.job_id or "")
    resumed = told.span("flask_media.generate_and_upload")
    assert (resumed.attributes or {})["flask_media.resumed"] is True
    assert resumed.status.status_code is StatusCode.UNSET


def test_a_picture_that_was_there(app: Flask, told: Told) -> None:
    """A request that is asked for again has a span that says so, whoever waits for it."""
    asked: dict[str, Any] = {
        "prompt": "A house",
        "object_key": "houses/1.png",
        "config": SMALL,
        "idempotency_key": "house-1",
    }
    job_id = current_media.generate_and_upload(**asked).job_id
    told.clear()
    current_media.generate_and_upload(**asked)
    current_media.generate_later(**asked)
    for span in told.spans("flask_media.generate_and_upload"):
        assert (span.attributes or {})["flask_media.cached"] is True
        assert (span.attributes or {})["flask_media.job.id"] == job_id
    assert len(told.spans()) == 2


def test_one_trace(app: Flask, told: Told) -> None:
    """Threads go on in the trace of whoever asked: the queue's, those of many, those awaited."""

    async def wait() -> None:
        await current_media.agenerate_and_upload("A house", "houses/3.png", config=SMALL)

    with TRACER.start_as_current_span("request") as request:
        current_media.generate_later("A house", "houses/1.png", config=SMALL).result(20)
        many = [{"prompt": "A house", "object_key": "houses/2.png", "config": SMALL}]
        current_media.generate_many(many)
        asyncio.run(wait())
    current_media.close()  # its threads have told all
    jobs = told.spans("flask_media.generate_and_upload")
    assert len(jobs) == 3
    assert [job.parent for job in jobs] == [request.get_span_context()] * 3


@pytest.mark.parametrize(
    ("values", "provider", "server"),
    [
        ({}, "gcp.gemini", ("generativelanguage.googleapis.com", 443)),
        (
            {"vertexai": True, "project": "p", "location": "europe-west4"},
            "gcp.vertex_ai",
            ("europe-west4-aiplatform.googleapis.com", 443),
        ),
        (
            {"base_url": "http://user:word@gate.example/api"},
            "gcp.gemini",
            ("gate.example", 80),
        ),
    ],
)
def test_who_is_asked(values: dict[str, Any], provider: str, server: tuple[str, int]) -> None:
    """Provider and server are those that the config names, without a password."""
    arguments: dict[str, Any] = {"base_url": None} | values
    generator = GeminiGenerator(
        api_key=Secret("key-of-the-test"), model=MODEL, api_version="v1", timeout=10, **arguments
    )
    assert (generator.provider, generator.server) == (provider, server)


WITHOUT = """
import sys
from flask import Flask
from flask_media import FlaskMedia, current_media
from flask_media.emulator import GeminiEmulator
with GeminiEmulator() as emulator:
    app = Flask("shop", instance_path=sys.argv[1])
    app.config.update(
        GEMINI_API_KEY="key-of-the-test", GEMINI_BASE_URL=emulator.url, MEDIA_STORAGE="memory"
    )
    FlaskMedia(app)
    with app.app_context():
        current_media.generate_and_upload("A house", "houses/1.png")
        current_media.generate_later("A house", "houses/2.png").result(20)
print([name for name in sys.modules if "opentelemetry" in name or name.endswith(".otel")])
"""


def test_nothing_is_imported(tmp_path: Any) -> None:
    """A process that does not use OpenTelemetry does not load it, installed as it is."""
    command = [sys.executable, "-c", WITHOUT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
