"""Journals whose database refuses to record a state."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from collections.abc import Iterator

import sqlalchemy as sa

# In SQLite with the statement. The overflow is an error as a full disk is one; RAISE is another.
ON_SQLITE = """CREATE TRIGGER refuse BEFORE UPDATE ON media_jobs WHEN {condition} BEGIN
    SELECT abs(-9223372036854775807 - 1);
END"""

# In PostgreSQL with the commit.
ON_POSTGRESQL = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'it refuses';
END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON media_jobs DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse()"""


@contextlib.contextmanager
def refused(url: str, state: str | None = None) -> Iterator[Callable[..., None]]:
    """The database refuses to take a job to that state, or any change of one, until it is mended.

    Gives what mends it, which may be a receiver of a signal.
    """
    is_sqlite = url.startswith("sqlite")
    condition = f"NEW.state = '{state}' AND OLD.state <> NEW.state" if state else "true"
    _run(url, (ON_SQLITE if is_sqlite else ON_POSTGRESQL).format(condition=condition))

    def mend(*_: object, **_values: object) -> None:
        _run(url, f"DROP TRIGGER IF EXISTS refuse{'' if is_sqlite else ' ON media_jobs'}")

    try:
        yield mend
    finally:
        mend()


def _run(url: str, statements: str) -> None:
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql(statements)
