"""Spans and metrics, where the app has OpenTelemetry loaded; else nothing is imported and done.

An app that sends telemetry has imported OpenTelemetry's API before, or ``opentelemetry-instrument``
has. So looking for that costs nothing where there is none, and needs no switch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextlib import nullcontext
from typing import TYPE_CHECKING
from typing import TypeVar

if TYPE_CHECKING:
    from types import ModuleType

    from ..generators.base import Generator
    from ..journal.records import Claim
    from ..types import GeneratedImage
    from ..types import MediaResult
    from ..values import GenerationAnswer
    from ..values import GenerationJob
    from ..values import GenerationRequest
    from ..values import Job

T = TypeVar("T")


def _otel() -> ModuleType | None:
    if "opentelemetry.trace" not in sys.modules:
        return None
    from . import otel

    return otel


def work(
    claim: Claim, job: GenerationJob, go_on: Callable[[], MediaResult | GeneratedImage]
) -> MediaResult | GeneratedImage:
    """Go on with a job, in a span of its own."""
    otel = _otel()
    return go_on() if otel is None else otel.work(claim, job, go_on)


def call(generator: Generator, request: GenerationRequest, attempt: int) -> GenerationAnswer:
    """Make one call to the model, in a span by the GenAI conventions.

    :param attempt: which call for the picture it is, from 1.
    """
    otel = _otel()
    if otel is None:
        return generator.generate(request)
    answer: GenerationAnswer = otel.call(generator, request, attempt)
    return answer


def store(job: Job, storage: str, put: Callable[[], T]) -> T:
    """Store a picture and what belongs to it, in a span.

    :param storage: which kind of storage it is.
    """
    otel = _otel()
    return put() if otel is None else otel.store(job, storage, put)


def found(result: MediaResult) -> None:
    """Tell of a picture that was there already when it was asked for."""
    otel = _otel()
    if otel is not None:
        otel.found(result)


def here() -> object | None:
    """The trace that this thread is in, to go on with in another; see :func:`within`."""
    otel = _otel()
    return None if otel is None else otel.here()


def within(trace: object | None) -> AbstractContextManager[object]:
    """A block in another thread's trace, as :func:`here` gave it; None is none."""
    otel = _otel()
    return nullcontext() if otel is None or trace is None else otel.within(trace)
