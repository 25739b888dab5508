"""Spans and metrics, where the app has OpenTelemetry loaded; else nothing is imported and done.

An app that sends telemetry has imported OpenTelemetry's API before, or ``opentelemetry-instrument``
has. So looking for that costs nothing where there is none, and needs no switch. What raises in it,
as an app's own span processor may, is logged and costs nothing: no picture that was paid for.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextlib import nullcontext
from typing import TYPE_CHECKING
from typing import Any
from typing import Generic
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

logger = logging.getLogger(__name__)


def _otel() -> ModuleType | None:
    return _loaded() if "opentelemetry.trace" in sys.modules else None


@functools.cache
def _loaded() -> ModuleType | None:
    try:
        from . import otel
    except Exception:  # an API that is too old, for one, which nobody asked us for
        logger.warning("This OpenTelemetry can't be used, so nothing is recorded.", exc_info=True)
        return None
    return otel


class _Once(Generic[T]):
    """Work that is done once and counts, whatever becomes of those who watch it."""

    def __init__(self, do: Callable[[], T]) -> None:
        self._do = do
        self._has_begun = False
        self._values: list[T] = []
        self.error: BaseException | None = None
        """What it raised."""

    def __call__(self) -> T:
        self._has_begun = True
        try:
            self._values.append(self._do())
        except BaseException as error:
            self.error = error
            raise
        return self._values[0]

    def outcome(self) -> T:
        """What it gave or raised; does it, if that has not begun."""
        if not self._has_begun:
            return self()
        if self.error is not None:
            raise self.error
        return self._values[0]


def _watched(do: Callable[[], T], watch: Callable[[Callable[[], T]], Any]) -> T:
    once = _Once(do)
    try:
        watch(once)
    except Exception as error:
        if error is once.error:
            raise
        logger.exception("OpenTelemetry failed")
    return once.outcome()


def work(
    claim: Claim, job: GenerationJob, go_on: Callable[[], MediaResult | GeneratedImage]
) -> MediaResult | GeneratedImage:
    """Go on with a job, in a span of its own."""
    otel = _otel()
    if otel is None:
        return go_on()
    return _watched(go_on, lambda once: otel.work(claim, job, once))


def call(generator: Generator, request: GenerationRequest, attempt: int) -> GenerationAnswer:
    """Make one call to the model, in a span by the GenAI conventions.

    :param attempt: which call for the picture it is, from 1.
    """
    otel = _otel()
    if otel is None:
        return generator.generate(request)
    return _watched(
        lambda: generator.generate(request),
        lambda once: otel.call(generator, request, attempt, once),
    )


def store(job: Job, storage: str, put: Callable[[], T]) -> T:
    """Store a picture and what belongs to it, in a span.

    :param storage: which kind of storage it is.
    """
    otel = _otel()
    return put() if otel is None else _watched(put, lambda once: otel.store(job, storage, once))


def found(result: MediaResult) -> None:
    """Tell of a picture that was there already when it was asked for."""
    otel = _otel()
    if otel is not None:
        _watched(lambda: None, lambda _: otel.found(result))


def here() -> object | None:
    """The trace that this thread is in, to go on with in another; see :func:`within`."""
    otel = _otel()
    return None if otel is None else otel.here()


def within(trace: object | None) -> AbstractContextManager[object]:
    """A block in another thread's trace, as :func:`here` gave it; None is none."""
    otel = _otel()
    return nullcontext() if otel is None or trace is None else otel.within(trace)
