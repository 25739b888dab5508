"""The stored pictures and what was made of them: known from storing one until it is deleted.

Jobs are forgotten some time after they end; what is stored stays listed, so that a page can show
it and nothing of it is left behind when it goes.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa  # noqa: TID253 - the whole package is imported at the first use
from sqlalchemy.dialects import postgresql  # noqa: TID253
from sqlalchemy.dialects import sqlite  # noqa: TID253

from ..variants import ORIGINAL
from .database import Database
from .listing import REPLACED
from .listing import Derivative
from .listing import Listing
from .listing import Made
from .listing import derivative_of
from .listing import derivative_row
from .listing import listing_of
from .listing import object_row
from .schema import derivatives
from .schema import objects

_BELONGING = [Made.STORED.value, Made.LATER.value, Made.LAZY.value]
"""The states of what belongs to a picture."""

_of_a_picture = sa.exists().where(
    objects.c.scope == derivatives.c.scope,
    objects.c.object_key == derivatives.c.object_key,
    objects.c.is_doomed == 0,
)
"""The condition that the picture of something that was made is listed, and not being deleted."""


class Catalog:
    """The list of what is stored, in the journal's database.

    :param database: where it is.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self._list = _upsert(database, objects)
        self._list_made = _upsert(database, derivatives)

    # What is read

    @property
    def exists(self) -> bool:
        """Whether anything may be listed: False where no journal was ever written."""
        return self._db.exists

    def find(self, scope: str, key: str) -> Listing | None:
        """What is known of the picture of that key; None if it is not listed, or being deleted."""
        here = (objects.c.scope == scope, objects.c.object_key == key)
        with self._db.read() as connection:
            row = connection.execute(
                sa.select(objects).where(*here, objects.c.is_doomed == 0)
            ).first()
            if row is None:
                return None
            made = connection.execute(
                sa.select(derivatives)
                .where(
                    derivatives.c.scope == scope,
                    derivatives.c.object_key == key,
                    derivatives.c.state.in_(_BELONGING),
                )
                .order_by(derivatives.c.position, derivatives.c.name)
            )
            return listing_of(row, tuple(derivative_of(one) for one in made))

    def has(self, scope: str, key: str) -> bool:
        """Whether a picture is listed under that key."""
        here = (objects.c.scope == scope, objects.c.object_key == key, objects.c.is_doomed == 0)
        with self._db.read() as connection:
            return connection.execute(sa.select(objects.c.job_id).where(*here)).first() is not None

    def source_of(self, scope: str, variant_key: str) -> tuple[str, Derivative] | None:
        """The picture that something is made of, by its own key; None if it is not listed."""
        query = sa.select(derivatives).where(
            derivatives.c.scope == scope,
            derivatives.c.variant_key == variant_key,
            derivatives.c.state.in_(_BELONGING),
            _of_a_picture,
        )
        with self._db.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row.object_key, derivative_of(row))

    def public_sha256(self, scope: str, key: str) -> str | None:
        """SHA-256 of the object of that key, if its picture was published; the untouched original
        never was."""
        is_published = sa.and_(objects.c.is_public == 1, objects.c.is_doomed == 0)
        own = sa.select(objects.c.sha256).where(
            objects.c.scope == scope, objects.c.object_key == key, is_published
        )
        made = (
            sa.select(derivatives.c.sha256)
            .join(
                objects,
                sa.and_(
                    objects.c.scope == derivatives.c.scope,
                    objects.c.object_key == derivatives.c.object_key,
                ),
            )
            .where(
                derivatives.c.scope == scope,
                derivatives.c.variant_key == key,
                derivatives.c.state.in_(_BELONGING),
                derivatives.c.name != ORIGINAL,
                is_published,
            )
        )
        with self._db.read() as connection:
            for query in (own, made):
                if (row := connection.execute(query).first()) is not None:
                    return row.sha256 or ""
        return None

    def listed(self, scope: str) -> list[str]:
        """The keys of the pictures that something was made of."""
        query = (
            sa.select(derivatives.c.object_key)
            .distinct()
            .where(derivatives.c.scope == scope, _of_a_picture)
        )
        with self._db.read() as connection:
            return list(connection.scalars(query))

    def stored(self, scope: str) -> list[tuple[str, str]]:
        """Key and SHA-256 of each object that is listed as stored."""
        pictures = sa.select(objects.c.object_key, objects.c.sha256).where(
            objects.c.scope == scope, objects.c.is_doomed == 0
        )
        made = sa.select(derivatives.c.variant_key, derivatives.c.sha256).where(
            derivatives.c.scope == scope, derivatives.c.state == Made.STORED.value, _of_a_picture
        )
        with self._db.read() as connection:
            return [(row[0], row[1]) for row in connection.execute(pictures.union_all(made))]

    def doomed(self, scope: str) -> list[str]:
        """The pictures whose deletion was begun."""
        query = sa.select(objects.c.object_key).where(
            objects.c.scope == scope, objects.c.is_doomed == 1
        )
        with self._db.read() as connection:
            return list(connection.scalars(query))

    def leftovers(self, scope: str, older_than: float) -> list[str]:
        """The keys of objects that are stale, or not listed for so many seconds."""
        query = sa.select(derivatives.c.variant_key).where(
            derivatives.c.scope == scope, _is_left(older_than)
        )
        with self._db.read() as connection:
            return list(connection.scalars(query))

    # What is written

    def save(self, scope: str, listing: Listing) -> list[str]:
        """List a picture; see :meth:`put`."""
        with self._db.write() as connection:
            return self.put(connection, scope, listing)

    def put(self, connection: sa.Connection, scope: str, listing: Listing) -> list[str]:
        """List a picture that is stored now, in place of an earlier one of its key.

        :returns: the keys of what was made of the earlier one and belongs to this no more: objects
            to delete. They stay listed, as stale, until :meth:`drop`.
        """
        connection.execute(self._list, object_row(scope, listing) | {"is_doomed": 0})
        listed = {one.key for one in listing.derivatives}
        gone = self._known(connection, scope, listing.object_key) - listed
        self._set_aside(connection, scope, gone)
        self._put_made(connection, scope, listing.object_key, listing.derivatives)
        return sorted(gone)

    def expect(self, scope: str, key: str, planned: Iterable[Derivative]) -> bool:
        """List what is about to be stored beside the picture of that key, so that a crash leaves
        nothing behind that nobody knows of, and nobody deletes it.

        :returns: False while one of them is being deleted: ask again.
        """
        with self._db.write(durable=False) as connection:
            query = sa.select(derivatives.c.variant_key, derivatives.c.state).where(
                derivatives.c.scope == scope,
                derivatives.c.object_key == key,
                derivatives.c.variant_key.in_([one.key for one in planned]),
            )
            states = {row.variant_key: row.state for row in connection.execute(query)}
            if Made.DELETING.value in states.values():
                return False
            new = [
                dataclasses.replace(one, state=Made.EXPECTED)
                for one in planned
                if states.get(one.key, Made.STALE.value) == Made.STALE.value
            ]
            self._put_made(connection, scope, key, new)
            return True

    def replacing(self, scope: str, key: str) -> None:
        """Record that the object of that key is another picture than the listed one, which is yet
        to be listed: nothing that is made of the old one is taken any more."""
        here = (objects.c.scope == scope, objects.c.object_key == key)
        with self._db.write(durable=False) as connection:
            connection.execute(objects.update().where(*here).values(sha256=REPLACED))

    def made(
        self, scope: str, key: str, sha256: str, made: Sequence[Derivative], **values: Any
    ) -> list[str] | None:
        """Record what was made of a picture, each in place of what has its name.

        :param sha256: of the picture that it was made of.
        :param values: what was learnt of the picture besides: ``placeholder``, ``color``.
        :returns: the keys of what it is in place of: objects to delete, listed as stale. None if
            that is not the picture of the key any more.
        """
        here = (
            objects.c.scope == scope,
            objects.c.object_key == key,
            objects.c.sha256 == sha256,
            objects.c.is_doomed == 0,
        )
        replaced = sa.select(derivatives.c.variant_key).where(
            derivatives.c.scope == scope,
            derivatives.c.object_key == key,
            derivatives.c.name.in_([one.name for one in made]),
            derivatives.c.variant_key.not_in([one.key for one in made]),
        )
        with self._db.write() as connection:
            change = objects.update().where(*here).values(updated_at=time.time(), **values)
            if not connection.execute(change).rowcount:
                return None
            gone = set(connection.scalars(replaced))
            self._set_aside(connection, scope, gone)
            self._put_made(connection, scope, key, made)
            return sorted(gone)

    def set_public(self, scope: str, key: str, *, is_public: bool) -> bool:
        """Record whether a picture is public; False if it is not listed."""
        change = (
            objects.update()
            .where(objects.c.scope == scope, objects.c.object_key == key, objects.c.is_doomed == 0)
            .values(is_public=int(is_public))
        )
        with self._db.write() as connection:
            return bool(connection.execute(change).rowcount)

    def take_left(self, scope: str, older_than: float) -> list[str]:
        """Take the pictures whose variants the queue was to make, longer ago than so many seconds:
        for as long nobody else is given them."""
        now = time.time()
        change = (
            derivatives.update()
            .where(
                derivatives.c.scope == scope,
                derivatives.c.state == Made.LATER.value,
                derivatives.c.updated_at < now - older_than,
            )
            .values(updated_at=now)
            .returning(derivatives.c.object_key)
        )
        with self._db.write(durable=False) as connection:
            return sorted(set(connection.scalars(change)))

    def has_left(self, scope: str, older_than: float) -> bool:
        """Whether there is something for :meth:`take_left`."""
        query = sa.select(derivatives.c.variant_key).where(
            derivatives.c.scope == scope,
            derivatives.c.state == Made.LATER.value,
            derivatives.c.updated_at < time.time() - older_than,
        )
        with self._db.read() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def give_up(self, scope: str, key: str) -> None:
        """Let the queue no longer try to make what is left of a picture's variants."""
        change = (
            derivatives.update()
            .where(
                derivatives.c.scope == scope,
                derivatives.c.object_key == key,
                derivatives.c.state == Made.LATER.value,
            )
            .values(state=Made.LAZY.value)
        )
        with self._db.write() as connection:
            connection.execute(change)

    def doom(self, scope: str, key: str) -> list[str]:
        """Record that a picture is being deleted; returns the keys of all that was made of it."""
        change = (
            objects.update()
            .where(objects.c.scope == scope, objects.c.object_key == key)
            .values(is_doomed=1)
        )
        with self._db.write() as connection:
            connection.execute(change)
            return sorted(self._known(connection, scope, key))

    def forget(self, scope: str, key: str) -> None:
        """Record that a picture is deleted, and all that was made of it."""
        of = (derivatives.c.scope == scope, derivatives.c.object_key == key)
        with self._db.write() as connection:
            connection.execute(derivatives.delete().where(*of))
            connection.execute(
                objects.delete().where(objects.c.scope == scope, objects.c.object_key == key)
            )

    def begin_delete(self, scope: str, variant_key: str, older_than: float) -> bool:
        """Take an object of :meth:`leftovers`, to delete it and then :meth:`drop` it; False if it
        belongs to a picture by now."""
        change = (
            derivatives.update()
            .where(
                derivatives.c.scope == scope,
                derivatives.c.variant_key == variant_key,
                _is_left(older_than),
            )
            .values(state=Made.DELETING.value, updated_at=time.time())
        )
        with self._db.write(durable=False) as connection:
            return bool(connection.execute(change).rowcount)

    def drop(self, scope: str, variant_key: str) -> None:
        """Record that the object is deleted."""
        with self._db.write(durable=False) as connection:
            connection.execute(
                derivatives.delete().where(
                    derivatives.c.scope == scope,
                    derivatives.c.variant_key == variant_key,
                    derivatives.c.state == Made.DELETING.value,
                )
            )

    # Within a transaction

    def _known(self, connection: sa.Connection, scope: str, key: str) -> set[str]:
        query = sa.select(derivatives.c.variant_key).where(
            derivatives.c.scope == scope, derivatives.c.object_key == key
        )
        return set(connection.scalars(query))

    def _set_aside(self, connection: sa.Connection, scope: str, gone: set[str]) -> None:
        if gone:
            change = derivatives.update().where(
                derivatives.c.scope == scope, derivatives.c.variant_key.in_(gone)
            )
            connection.execute(change.values(state=Made.STALE.value))

    def _put_made(
        self, connection: sa.Connection, scope: str, key: str, made: Iterable[Derivative]
    ) -> None:
        # In one order, so that no two processes wait for each other.
        rows = [derivative_row(scope, key, one) for one in sorted(made, key=lambda one: one.key)]
        if rows:
            connection.execute(self._list_made, rows)


def _is_left(older_than: float) -> sa.ColumnElement[bool]:
    """The condition of objects that are stale, or not listed for so many seconds."""
    is_unlisted = sa.or_(
        derivatives.c.state.in_([Made.EXPECTED.value, Made.DELETING.value]), ~_of_a_picture
    )
    is_old = derivatives.c.updated_at < time.time() - older_than
    return sa.or_(derivatives.c.state == Made.STALE.value, sa.and_(is_unlisted, is_old))


def _upsert(database: Database, table: sa.Table) -> Any:
    """Insert rows, each in place of one of its primary key."""
    dialect: Any = sqlite if database.is_sqlite else postgresql
    statement = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    values = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if column.name not in keys
    }
    return statement.on_conflict_do_update(index_elements=keys, set_=values)
