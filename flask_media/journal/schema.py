"""The tables, and how those of an older version become them."""

from __future__ import annotations

import sqlalchemy as sa  # noqa: TID253 - the whole package is imported at the first use
from sqlalchemy import exc  # noqa: TID253

from .states import UNFINISHED
from .states import State

SCHEMA_VERSION = 4
"""Version of the tables below; raised with each migration."""

metadata = sa.MetaData()

schema_version = sa.Table(
    "media_schema", metadata, sa.Column("version", sa.Integer, primary_key=True)
)

UNFINISHED_SQL = "state IN ({})".format(", ".join(f"'{state.value}'" for state in UNFINISHED))
"""The condition of the partial indexes, and so of the queries that shall use them."""

_unfinished = sa.text(UNFINISHED_SQL)

UNTOLD_SQL = f"state IN ('{State.FAILED}', '{State.QUARANTINED}') AND owner IS NOT NULL"
"""The condition of jobs that ended without a picture while their signal is not yet out."""

_untold = sa.text(UNTOLD_SQL)

jobs = sa.Table(
    "media_jobs",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("state", sa.String(12), nullable=False),
    # Which work it is: equal fingerprints are the same asking.
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("object_key", sa.Text),
    sa.Column("fingerprint", sa.String(64)),
    sa.Column("request_hash", sa.String(64), nullable=False),
    sa.Column("reuse_hash", sa.String(64)),
    # Unique among unfinished work that others may join.
    sa.Column("flight", sa.String(66), unique=True),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("spender", sa.Text, nullable=False, server_default=""),
    # Who works on it, until when, and how often it changed hands.
    sa.Column("owner", sa.Text),
    sa.Column("lease_until", sa.Double, nullable=False, server_default="0"),
    sa.Column("epoch", sa.Integer, nullable=False, server_default="1"),
    # Whether a queue took it, so that another process of the queue goes on if one ends.
    sa.Column("queued", sa.Integer, nullable=False, server_default="0"),
    # What was paid, or may have been.
    sa.Column("attempts", sa.Text, nullable=False, server_default="[]"),
    sa.Column("paid_calls", sa.Integer, nullable=False, server_default="0"),
    sa.Column("model", sa.Text),
    sa.Column("usage", sa.Text),
    sa.Column("cost_nano", sa.BigInteger),
    sa.Column("risk_nano", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("reserved_nano", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("day", sa.String(10), nullable=False),
    sa.Column("result", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index(
        "media_jobs_unfinished",
        "fingerprint",
        sqlite_where=_unfinished,
        postgresql_where=_unfinished,
    ),
    sa.Index("media_jobs_reuse", "reuse_hash"),
    sa.Index("media_jobs_day", "day"),
    sa.Index("media_jobs_spender", "scope", "spender", "created_at"),
    sa.Index("media_jobs_created", "scope", "created_at"),
    sa.Index("media_jobs_untold", "scope", sqlite_where=_untold, postgresql_where=_untold),
)
"""A row a job."""

keys = sa.Table(
    "media_keys",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("job_id", sa.String(32), nullable=False, index=True),
    # Of the asking, which may differ from the job's: one that it joined or whose picture it reused.
    sa.Column("request_hash", sa.String(64), nullable=False),
)
"""Idempotency keys and Celery task ids, and the job that each stands for."""

pictures = sa.Table(
    "media_pictures",
    metadata,
    sa.Column("job_id", sa.String(32), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
"""The bytes as they came, from then until they are stored. A table of its own: rows of jobs stay
small."""

references = sa.Table(
    "media_references",
    metadata,
    sa.Column("job_id", sa.String(32), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
"""The reference pictures of unfinished jobs, so that another process can ask again."""

spend = sa.Table(
    "media_spend",
    metadata,
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("spender", sa.Text, primary_key=True),
    sa.Column("nano", sa.BigInteger, nullable=False),
)
"""Running totals a UTC day of what was spent, may have been, or is reserved, where a budget is set;
the spender ``""`` is the whole app. In billionths of a US dollar."""

webhooks = sa.Table(
    "media_webhooks",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("job_id", sa.String(32), nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    # Who delivers it, how often that was tried, and when it is anybody's (again).
    sa.Column("owner", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", sa.Double, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Index("media_webhooks_due", "scope", "due_at"),
)
"""A row an end of a job that is yet to be delivered; written where a webhook is configured."""

objects = sa.Table(
    "media_objects",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("object_key", sa.Text, primary_key=True),
    sa.Column("job_id", sa.String(32), nullable=False),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("is_generated", sa.Integer, nullable=False),
    sa.Column("placeholder", sa.Text),
    sa.Column("color", sa.String(7)),
    sa.Column("provenance", sa.Text),
    sa.Column("is_public", sa.Integer, nullable=False, server_default="0"),
    # The job that is storing a picture under the key just now: which one is there is not known.
    sa.Column("storing", sa.String(32)),
    # Set before the first of its objects is deleted, so that gc can finish that.
    sa.Column("is_doomed", sa.Integer, nullable=False, server_default="0"),
    sa.Column("updated_at", sa.Double, nullable=False),
)
"""A row a stored picture, from then until it is deleted: what pages have to know of it."""

derivatives = sa.Table(
    "media_derivatives",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("variant_key", sa.Text, primary_key=True),
    sa.Column("object_key", sa.Text, nullable=False),
    sa.Column("name", sa.String(32), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    # Among those of its picture, in the order that was asked for.
    sa.Column("position", sa.Integer, nullable=False),
    # What it shall be; none of the untouched original.
    sa.Column("spec", sa.Text),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("size_bytes", sa.BigInteger),
    sa.Column("sha256", sa.String(64)),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index("media_derivatives_of", "scope", "object_key"),
    sa.Index("media_derivatives_state", "scope", "state"),
)
"""A row an object that was made of a picture, is to be made, or is to be deleted."""


def migrate(connection: sa.Connection) -> None:
    """Bring the tables to this version, in the connection's transaction.

    :raises sqlalchemy.exc.InvalidRequestError: they are of a newer one.
    """
    schema_version.create(connection, checkfirst=True)
    found = connection.scalar(sa.select(sa.func.max(schema_version.c.version)))
    if found is not None and found > SCHEMA_VERSION:
        raise exc.InvalidRequestError(
            f"its tables have version {found}, made by a newer Flask-Media than this one"
        )
    if found == SCHEMA_VERSION:
        return
    if found is None:
        for statement in _definitions(connection.dialect):
            connection.exec_driver_sql(statement)
    if found == 1:
        _to_version_2(connection)
    if found in (1, 2):
        for table in (objects, derivatives):
            table.create(connection)
    for index in jobs.indexes if found else ():  # versions 2 and 4 have more of them
        index.create(connection, checkfirst=True)
    connection.execute(schema_version.delete())
    connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))


_definitions_by_dialect: dict[str, list[str]] = {}


def _definitions(dialect: sa.Dialect) -> list[str]:
    """The statements that make the tables that are missing, except the version's. SQLAlchemy would
    compile them anew for each new journal, which was most of what that took."""
    if dialect.name not in _definitions_by_dialect:
        elements: list[sa.schema.ExecutableDDLElement] = []
        for table in metadata.sorted_tables:
            if table is not schema_version:
                elements.append(sa.schema.CreateTable(table, if_not_exists=True))
                elements += [
                    sa.schema.CreateIndex(index, if_not_exists=True) for index in table.indexes
                ]
        statements = [str(one.compile(dialect=dialect)) for one in elements]
        _definitions_by_dialect[dialect.name] = statements
    return _definitions_by_dialect[dialect.name]


def _to_version_2(connection: sa.Connection) -> None:
    """An owner of a failed job means from now on that its signal is not yet out."""
    added = sa.schema.CreateColumn(jobs.c.queued).compile(connection)
    connection.exec_driver_sql(f"ALTER TABLE media_jobs ADD COLUMN {added}")
    connection.execute(jobs.update().where(_untold).values(owner=None))
    webhooks.create(connection)
