"""Spans and metrics by OpenTelemetry's conventions for generative AI, in development as they are.

Imported only where the app has imported OpenTelemetry itself. Without its SDK all this is no-ops.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar

from opentelemetry import context  # noqa: TID253 - see above
from opentelemetry import metrics  # noqa: TID253
from opentelemetry import trace  # noqa: TID253

from ..errors import ContentBlocked
from ..errors import JobCancelled
from ..errors import MediaError
from ..errors import NoImageReturned
from ..journal.steps import LostHoldError
from ..types import GeneratedImage
from ..types import MediaResult

if TYPE_CHECKING:
    from decimal import Decimal

    from opentelemetry.context import Context

    from ..generators.base import Generator
    from ..journal.records import Claim
    from ..types import Usage
    from ..values import GenerationAnswer
    from ..values import GenerationJob
    from ..values import GenerationRequest
    from ..values import Job

T = TypeVar("T")

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The environment variable of the conventions' instrumentations that lets prompts be recorded."""

CAPTURING = ("true", "span_only", "span_and_event")
"""Its values that mean attributes of spans."""

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Bounds of the buckets for durations, as the conventions give them."""

TOKENS = tuple(4**power for power in range(14))
"""Bounds of the buckets for tokens, as the conventions give them."""

_VERSION = version("flask-media-ai")
_tracer = trace.get_tracer("flask_media", _VERSION)
_meter = metrics.get_meter("flask_media", _VERSION)

_duration = _meter.create_histogram(
    "gen_ai.client.operation.duration",
    unit="s",
    description="GenAI operation duration.",
    explicit_bucket_boundaries_advisory=SECONDS,
)
_tokens = _meter.create_histogram(
    "gen_ai.client.token.usage",
    unit="{token}",
    description="Number of input and output tokens used.",
    explicit_bucket_boundaries_advisory=TOKENS,
)
_cost = _meter.create_counter(
    "flask_media.cost", unit="{USD}", description="What calls to the model cost, where it is known."
)
_pictures = _meter.create_counter(
    "flask_media.pictures", unit="{picture}", description="Pictures asked for, by outcome."
)
_storing = _meter.create_histogram(
    "flask_media.store.duration",
    unit="s",
    description="Storing a picture and what belongs to it.",
    explicit_bucket_boundaries_advisory=SECONDS,
)


def work(
    claim: Claim, job: GenerationJob, go_on: Callable[[], MediaResult | GeneratedImage]
) -> MediaResult | GeneratedImage:
    """See :func:`flask_media.telemetry.work`."""
    attributes = _about(job) | {"flask_media.resumed": not claim.is_new}
    with _span(_job_name(job.object_key), attributes) as span:
        try:
            result = go_on()
        except (LostHoldError, JobCancelled):
            raise  # what comes of it is told elsewhere
        except BaseException as error:
            if not (isinstance(error, MediaError) and claim.is_retried(error)):
                _pictures.add(1, {"flask_media.outcome": "failed", "error.type": _kind(error)})
            raise
        outcome = "stored" if isinstance(result, MediaResult) else "returned"
        _pictures.add(1, {"flask_media.outcome": outcome, "gen_ai.response.model": result.model})
        _set(span, _of_result(result))
        return result


def call(
    generator: Generator,
    request: GenerationRequest,
    attempt: int,
    ask: Callable[[], GenerationAnswer],
) -> GenerationAnswer:
    """See :func:`flask_media.telemetry.call`."""
    model = generator.model_of(request)
    common: dict[str, Any] = {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": generator.provider,
        "gen_ai.request.model": model,
    }
    if (server := generator.server) is not None:
        common["server.address"], common["server.port"] = server
    attributes = common | {
        "gen_ai.output.type": "image",
        "flask_media.job.id": request.job_id,
        "flask_media.attempt": attempt,
    }
    started = time.perf_counter()
    failure: dict[str, Any] = {}
    kind = trace.SpanKind.CLIENT
    with _span(f"generate_content {model}", attributes, kind) as span:
        if span.is_recording() and os.environ.get(CAPTURE, "").lower() in CAPTURING:
            span.set_attribute("gen_ai.input.messages", _messages(request.prompt))
        try:
            answer = ask()
        except BaseException as error:
            failure = {"error.type": _kind(error)}
            _spent(span, common, getattr(error, "usage", None), getattr(error, "cost_usd", None))
            raise
        else:
            common["gen_ai.response.model"] = answer.model
            span.set_attribute("gen_ai.response.model", answer.model)
            _spent(span, common, answer.usage, answer.cost_usd)
            return answer
        finally:
            _duration.record(time.perf_counter() - started, common | failure)


def store(job: Job, storage: str, put: Callable[[], T]) -> T:
    """See :func:`flask_media.telemetry.store`."""
    attributes: dict[str, Any] = {"flask_media.storage": storage}
    started = time.perf_counter()
    with _span("flask_media.store", _about(job) | attributes):
        try:
            return put()
        except BaseException as error:
            attributes["error.type"] = _kind(error)
            raise
        finally:
            _storing.record(time.perf_counter() - started, attributes)


def found(result: MediaResult) -> None:
    """See :func:`flask_media.telemetry.found`."""
    attributes = _of_result(result) | {
        "flask_media.job.id": result.job_id,
        "flask_media.object_key": result.object_key,
        "flask_media.cached": True,
    }
    with _span(_job_name(result.object_key), attributes):
        _pictures.add(1, {"flask_media.outcome": "cached"})


def here() -> Context:
    """See :func:`flask_media.telemetry.here`."""
    return context.get_current()


@contextmanager
def within(other: Context) -> Iterator[None]:
    """See :func:`flask_media.telemetry.within`."""
    token = context.attach(other)
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def _span(
    name: str, attributes: dict[str, Any], kind: trace.SpanKind = trace.SpanKind.INTERNAL
) -> Iterator[trace.Span]:
    """A span; an error is its status and ``error.type``. No stack trace: logs have those."""
    given = {name: value for name, value in attributes.items() if value is not None}
    with _tracer.start_as_current_span(
        name, kind=kind, attributes=given, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except LostHoldError:
            raise  # another process goes on
        except BaseException as error:
            span.set_attribute("error.type", _kind(error))
            span.set_status(trace.StatusCode.ERROR, _words(error))
            raise


def _job_name(object_key: str | None) -> str:
    return "flask_media.generate" + ("" if object_key is None else "_and_upload")


def _about(job: Job) -> dict[str, Any]:
    return {"flask_media.job.id": job.id, "flask_media.object_key": job.object_key}


def _of_result(result: MediaResult | GeneratedImage) -> dict[str, Any]:
    return {
        "flask_media.cached": False,
        "flask_media.width": result.width,
        "flask_media.height": result.height,
        "flask_media.size_bytes": result.size_bytes,
        "flask_media.content_type": result.content_type,
        "flask_media.attempts": result.attempts,
        "flask_media.cost_usd": _float(result.cost_usd),
    }


def _spent(
    span: trace.Span, common: dict[str, Any], usage: Usage | None, cost_usd: Decimal | None
) -> None:
    """Tell of tokens and money, as far as they are known."""
    if usage is not None:
        answered = [one for one in (usage.output_tokens, usage.thought_tokens) if one is not None]
        output = sum(answered) if answered else None
        for kind, count in (("input", usage.input_tokens), ("output", output)):
            if count is not None:
                _tokens.record(count, common | {"gen_ai.token.type": kind})
                span.set_attribute(f"gen_ai.usage.{kind}_tokens", count)
        _set(span, {"gen_ai.usage.reasoning.output_tokens": usage.thought_tokens})
    if cost_usd is not None:
        _cost.add(float(cost_usd), common)
        span.set_attribute("flask_media.cost_usd", float(cost_usd))


def _set(span: trace.Span, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        if value is not None:
            span.set_attribute(name, value)


def _messages(prompt: str) -> str:
    return json.dumps(
        [{"role": "user", "parts": [{"type": "text", "content": prompt}]}], ensure_ascii=False
    )


def _words(error: BaseException) -> str | None:
    """What an error says; not where the model says it, which is content."""
    return None if isinstance(error, ContentBlocked | NoImageReturned) else str(error)


def _kind(error: BaseException) -> str:
    return type(error).__qualname__


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
