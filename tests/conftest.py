"""Fixtures that more than one folder of tests uses, and what tests side by side need."""

from __future__ import annotations

import collections
import contextlib
import fcntl
import os
import tempfile
from collections.abc import Generator
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import statements
from .ceph import ceph
from .servers import moto
from .servers import postgres
from .servers import rabbitmq
from .servers import rclone
from .servers import seaweedfs
from .servers import valkey

TRACED_CASES = 2
"""Cases of a test whose coverage is measured: what the others cover besides is not counted."""

__all__ = ["ceph", "moto", "postgres", "rabbitmq", "rclone", "seaweedfs", "valkey"]

statements.share()

pytest.register_assert_rewrite(
    "flask_media.testing.storage_contract", "flask_media.testing.generator_contract"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tracing takes a third of the time, so of each test only the first cases are traced, and
    nothing that measures time.

    Those that have the machine to themselves come last: before, all would wait for them.
    """
    cases: collections.Counter[object] = collections.Counter()
    for item in items:
        if isinstance(item, pytest.Function):
            code = item.function.__code__
            cases[code] += 1
            measures = item.get_closest_marker("alone") is not None
            if measures or cases[code] > TRACED_CASES:
                item.add_marker(pytest.mark.no_cover)
    items.sort(key=lambda item: item.get_closest_marker("alone") is not None)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before the clock of pytest-timeout starts
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test marked ``alone`` has the machine to itself, also under ``pytest -n``."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return (yield)
    with _turn(f"flask-media-tests-{run}", alone=item.get_closest_marker("alone") is not None):
        return (yield)


@contextlib.contextmanager
def _turn(name: str, *, alone: bool) -> Iterator[None]:
    """Hold the lock of the run, shared or alone, in the order of asking."""
    folder = Path(tempfile.gettempdir())
    with (folder / f"{name}.lock").open("ab") as lock:
        with (folder / f"{name}.queue").open("ab") as queue:
            fcntl.flock(queue, fcntl.LOCK_EX)  # who waits to be alone keeps others from starting
            fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
