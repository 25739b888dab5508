"""OpenTelemetry's own SDK, which keeps what it is told in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry import trace
from opentelemetry.sdk.metrics import Counter
from opentelemetry.sdk.metrics import Histogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ..service.conftest import app
from ..service.conftest import emulator
from ..service.conftest import make_app

__all__ = ["app", "emulator", "make_app"]


class Told:
    """What was recorded since the test began."""

    def __init__(self, exporter: InMemorySpanExporter, reader: InMemoryMetricReader) -> None:
        self._exporter, self._reader = exporter, reader
        self._points: dict[str, list[Any]] = {}

    def clear(self) -> None:
        """Begin anew."""
        self._exporter.clear()
        self._reader.get_metrics_data()
        self._points.clear()

    def spans(self, name: str | None = None) -> list[ReadableSpan]:
        """Those that have ended, in that order."""
        spans = self._exporter.get_finished_spans()
        return [span for span in spans if name in (None, span.name)]

    def span(self, name: str) -> ReadableSpan:
        """The one of that name."""
        (span,) = self.spans(name)
        return span

    def points(self, name: str) -> list[Any]:
        """The points of a metric."""
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self._points.setdefault(metric.name, []).extend(metric.data.data_points)
        return self._points.get(name, [])


@pytest.fixture(scope="session")
def sdk() -> Told:
    """The SDK, set up once: a process has one."""
    exporter = InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(tracers)
    delta = AggregationTemporality.DELTA
    reader = InMemoryMetricReader(preferred_temporality={Counter: delta, Histogram: delta})
    metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
    return Told(exporter, reader)


@pytest.fixture
def told(sdk: Told) -> Iterator[Told]:
    """What this test records."""
    sdk.clear()
    yield sdk
    sdk.clear()
