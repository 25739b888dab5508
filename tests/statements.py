"""SQL that a process compiles once: each test has an engine of its own, which would do so anew."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

_create_engine = sa.create_engine

_shared: dict[str, tuple[sa.Dialect, Any]] = {}
"""By driver, what the first engine knows of the server, and the statements that it compiled."""


def share() -> None:
    """Have all engines of a driver share what the first one that is connected compiles."""
    sa.create_engine = _create_sharing


def _create_sharing(url: str | sa.URL, **options: Any) -> sa.Engine:
    engine = _create_engine(url, **options)
    if "isolation_level" in options:
        return engine
    driver = engine.url.drivername
    if driver in _shared:
        engine.dialect, engine._compiled_cache = _shared[driver]
        engine.pool._dialect = engine.dialect
    else:

        @event.listens_for(engine, "engine_connect", once=True)
        def connected(connection: sa.Connection) -> None:
            _shared.setdefault(driver, (connection.dialect, engine._compiled_cache))

    return engine
