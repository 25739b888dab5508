"""Migrations that Alembic writes by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from .shop import PlainGoal
from .shop import on_both

ENV = """
import sqlalchemy as sa
from alembic import context
from tests.models.shop import PlainBase

engine = sa.create_engine(context.config.get_main_option("url"))
with engine.connect() as connection:
    context.configure(
        connection=connection, target_metadata=PlainBase.metadata, compare_server_default=True
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
"""

SCRIPT = """
from alembic import op
import sqlalchemy as sa

revision, down_revision = ${repr(up_revision)}, ${repr(down_revision)}

def upgrade():
    ${upgrades}

def downgrade():
    ${downgrades}
"""


@pytest.fixture
def config(database_url: str, tmp_path: Path) -> Config:
    """The migrations of a project whose database has the table, without pictures, and a goal."""
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENV)
    (folder / "script.py.mako").write_text(SCRIPT)
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    config.set_main_option("url", database_url.replace("%", "%%"))
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE plain_goal (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(50) NOT NULL)"
        )
        connection.exec_driver_sql("INSERT INTO plain_goal (id, name) VALUES (1, 'House')")
    engine.dispose()
    return config


@on_both
def test_a_migration_is_written_once(config: Config, database_url: str) -> None:
    """It adds the columns to a table with rows, goes back, and leaves nothing for the next one."""
    command.revision(config, autogenerate=True)
    command.upgrade(config, "head")
    command.check(config)
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        status = sa.select(PlainGoal.image_generation_status)
        assert connection.scalars(status).all() == ["pending"]
        indexed = {
            tuple(one["column_names"]) for one in sa.inspect(connection).get_indexes("plain_goal")
        }
        assert indexed == {("image_object_key",), ("image_job_id",)}
    engine.dispose()
    command.downgrade(config, "base")
    command.upgrade(config, "head")
    command.check(config)
