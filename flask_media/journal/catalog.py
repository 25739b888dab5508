"""The stored pictures and what was made of them: known from storing one until it is deleted.

Jobs are forgotten some time after they end; what is stored stays listed, so that a page can show
it and nothing of it is left behind when it goes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa  # noqa: TID253 - the whole package is imported at the first use
from sqlalchemy.dialects import postgresql  # noqa: TID253
from sqlalchemy.dialects import sqlite  # noqa: TID253

from .catalog_reader import BELONGING
from .catalog_reader import IS_LISTED
from .catalog_reader import IS_SETTLED
from .catalog_reader import OF_A_PICTURE
from .catalog_reader import CatalogReader
from .catalog_reader import is_left
from .catalog_reader import object_at
from .database import Database
from .listing import Derivative
from .listing import Listing
from .listing import Made
from .listing import derivative_row
from .listing import new_row
from .listing import object_row
from .schema import derivatives
from .schema import objects

DELETING_SECONDS = 5.0
"""How long the deletion of one object is given before its picture may be stored anew."""


class Catalog(CatalogReader):
    """Lists what is stored, in the journal's database.

    :param database: where it is.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._list = _upsert(database, objects)
        self._list_made = _upsert(database, derivatives)
        self._expect_new = _insert(database, derivatives).on_conflict_do_nothing()
        # Each picture asks this: built once, it takes half the time.
        self._row = sa.select(objects.c.storing, objects.c.is_doomed, objects.c.updated_at).where(
            objects.c.scope == sa.bindparam("scope"), objects.c.object_key == sa.bindparam("key")
        )
        self._row_to_write = self._row.with_for_update()

    def begin(self, scope: str, key: str, job_id: str, planned: Sequence[Derivative]) -> bool:
        """List that a picture is about to be stored under the key, and what beside it.

        From now on until :meth:`put` it is private, nothing is made of it, and nobody deletes it
        or what is planned. Where nothing is planned and nothing listed, nothing is written.

        :returns: False while an earlier picture or something that is planned is being deleted: ask
            again.
        """
        if not planned and not self._has_row(scope, key):
            return True
        now = time.time()
        values = {"storing": job_id, "is_public": 0, "is_doomed": 0, "updated_at": now}
        with self._db.write(durable=False) as connection:
            # First this row, as in every transaction: no two then wait for each other.
            here = {"scope": scope, "key": key}
            row = connection.execute(self._row_to_write, here).first()
            if row is None:
                connection.execute(self._list, new_row(scope, key) | values)
            elif row.is_doomed and row.updated_at > now - DELETING_SECONDS:
                return False
            else:
                change = objects.update().where(*object_at(scope, key))
                connection.execute(change.values(**values))
            return self._expect(connection, scope, key, planned)

    def expect(self, scope: str, key: str, planned: Sequence[Derivative]) -> bool:
        """As :meth:`begin`, for what is about to be made of the picture that is there."""
        with self._db.write(durable=False) as connection:
            return self._expect(connection, scope, key, planned)

    def _expect(
        self, connection: sa.Connection, scope: str, key: str, planned: Sequence[Derivative]
    ) -> bool:
        if not planned:
            return True
        here = (
            derivatives.c.scope == scope,
            derivatives.c.variant_key.in_([one.key for one in planned]),
        )
        expected = {"state": Made.EXPECTED.value, "updated_at": time.time()}
        rows = [derivative_row(scope, key, one) | expected for one in _sorted(planned)]
        connection.execute(self._expect_new, rows)
        is_stale = derivatives.c.state == Made.STALE.value
        connection.execute(derivatives.update().where(*here, is_stale).values(**expected))
        is_deleting = derivatives.c.state == Made.DELETING.value
        query = sa.select(derivatives.c.name).where(*here, is_deleting)
        return connection.execute(query).first() is None

    def save(self, scope: str, listing: Listing) -> tuple[list[str], bool]:
        """List a picture; see :meth:`put`."""
        with self._db.write() as connection:
            return self.put(connection, scope, listing)

    def put(
        self, connection: sa.Connection, scope: str, listing: Listing
    ) -> tuple[list[str], bool]:
        """List a picture that is stored now, in place of an earlier one of its key.

        :returns: the keys of what was made of the earlier one and belongs to this no more: objects
            to delete, listed as stale until :meth:`drop`. And whether another picture was stored
            under the key meanwhile, so that nobody knows which of the two is there.
        """
        key = listing.object_key
        row = connection.execute(self._row_to_write, {"scope": scope, "key": key}).first()
        connection.execute(self._list, object_row(scope, listing))
        if row is None and not listing.derivatives:
            return [], False
        listed = {one.key for one in listing.derivatives}
        # What another process is storing just now is that one's.
        gone = self._known(connection, scope, key, [*BELONGING, Made.STALE.value]) - listed
        self._set_aside(connection, scope, gone)
        self._put_made(connection, scope, key, listing.derivatives)
        return sorted(gone), row is not None and row.storing != listing.job_id

    def settle(self, scope: str, key: str) -> None:
        """Record that nothing was stored under the key after all."""
        here = object_at(scope, key)
        with self._db.write(durable=False) as connection:
            connection.execute(objects.delete().where(*here, objects.c.sha256 == ""))
            connection.execute(objects.update().where(*here).values(storing=None))

    def made(
        self,
        scope: str,
        key: str,
        sha256: str,
        made: Sequence[Derivative],
        *,
        is_listed: bool = False,
        **values: Any,
    ) -> list[str] | None:
        """Record what was made of a picture, each in place of what has its name.

        :param sha256: of the picture that it was made of.
        :param is_listed: it was made as it is listed, and not asked for otherwise.
        :param values: what was learnt of the picture besides: ``placeholder``, ``color``.
        :returns: the keys of what it is in place of: objects to delete, listed as stale. None if
            that is not the picture of the key any more, or it is listed otherwise by now.
        """
        here = (*object_at(scope, key), objects.c.sha256 == sha256, IS_SETTLED)
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
            if is_listed and not self._are_listed(connection, scope, key, made):
                return None
            gone = set(connection.scalars(replaced))
            self._set_aside(connection, scope, gone)
            self._put_made(connection, scope, key, made)
            return sorted(gone)

    def set_public(
        self, scope: str, key: str, *, is_public: bool, sha256: str | None = None
    ) -> bool:
        """Record whether a picture is public; False if it is not listed, or another one is."""
        here = [*object_at(scope, key), IS_LISTED]
        if sha256 is not None:
            here += [objects.c.sha256 == sha256, IS_SETTLED]
        change = objects.update().where(*here).values(is_public=int(is_public))
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
                OF_A_PICTURE,
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
            OF_A_PICTURE,
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

    def doom(self, scope: str, key: str, sha256: str | None = None) -> list[str] | None:
        """Record that a picture is being deleted.

        :param sha256: of the picture that is meant; None for whichever.
        :returns: the keys of all that was made of it; None if it is not the one that is meant.
        """
        here = object_at(scope, key)
        if sha256 is not None:
            here = (*here, objects.c.sha256 == sha256, IS_SETTLED)
        with self._db.write() as connection:
            change = objects.update().where(*here).values(is_doomed=1, updated_at=time.time())
            if not connection.execute(change).rowcount and sha256 is not None:
                return None
            return sorted(self._known(connection, scope, key, [*Made]))

    def deleting(self, scope: str, key: str, *, is_over: bool = False) -> bool:
        """Record that an object of a doomed picture is about to be deleted, which whoever stores
        one anew waits for; or that none is any more.

        :returns: False if it is not doomed.
        """
        change = objects.update().where(*object_at(scope, key), objects.c.is_doomed == 1)
        with self._db.write(durable=False) as connection:
            values = {"updated_at": 0.0 if is_over else time.time()}
            return bool(connection.execute(change.values(**values)).rowcount)

    def forget(self, scope: str, key: str) -> None:
        """Record that a picture is deleted, and all that was made of it, unless one was stored
        anew."""
        of = (derivatives.c.scope == scope, derivatives.c.object_key == key)
        with self._db.write() as connection:
            connection.execute(
                objects.delete().where(*object_at(scope, key), objects.c.is_doomed == 1)
            )
            query = sa.select(objects.c.object_key).where(*object_at(scope, key))
            if connection.execute(query).first() is None:
                connection.execute(derivatives.delete().where(*of))

    def set_aside(self, scope: str, variant_key: str) -> None:
        """Record that something that was made of a picture is to be deleted."""
        with self._db.write() as connection:
            self._set_aside(connection, scope, {variant_key})

    def abandon(self, scope: str, key: str, variant_keys: Iterable[str]) -> None:
        """Record that what was expected beside a picture does not belong to it, and is to be
        deleted; not while another picture is stored in its place, to which it may."""
        is_settled = sa.exists().where(*object_at(scope, key), IS_SETTLED)
        change = derivatives.update().where(
            derivatives.c.scope == scope,
            derivatives.c.variant_key.in_([*variant_keys]),
            derivatives.c.state == Made.EXPECTED.value,
            is_settled,
        )
        with self._db.write() as connection:
            connection.execute(change.values(state=Made.STALE.value))

    def begin_delete(self, scope: str, variant_key: str, older_than: float) -> bool:
        """Take an object of :meth:`leftovers`, to delete it and then :meth:`drop` it; False if it
        belongs to a picture by now."""
        change = (
            derivatives.update()
            .where(
                derivatives.c.scope == scope,
                derivatives.c.variant_key == variant_key,
                is_left(older_than),
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

    def _has_row(self, scope: str, key: str) -> bool:
        with self._db.read() as connection:
            row = connection.execute(self._row, {"scope": scope, "key": key}).first()
        return row is not None

    def _known(
        self, connection: sa.Connection, scope: str, key: str, states: Sequence[str]
    ) -> set[str]:
        query = sa.select(derivatives.c.variant_key).where(
            derivatives.c.scope == scope,
            derivatives.c.object_key == key,
            derivatives.c.state.in_(states),
        )
        return set(connection.scalars(query))

    def _are_listed(
        self, connection: sa.Connection, scope: str, key: str, made: Sequence[Derivative]
    ) -> bool:
        query = sa.select(derivatives.c.variant_key, derivatives.c.spec).where(
            derivatives.c.scope == scope,
            derivatives.c.object_key == key,
            derivatives.c.state.in_(BELONGING),
        )
        listed = {row.variant_key: row.spec for row in connection.execute(query)}
        rows = [derivative_row(scope, key, one) for one in made]
        return all(listed.get(row["variant_key"]) == row["spec"] for row in rows)

    def _set_aside(self, connection: sa.Connection, scope: str, gone: set[str]) -> None:
        if gone:
            change = derivatives.update().where(
                derivatives.c.scope == scope, derivatives.c.variant_key.in_(gone)
            )
            connection.execute(change.values(state=Made.STALE.value))

    def _put_made(
        self, connection: sa.Connection, scope: str, key: str, made: Iterable[Derivative]
    ) -> None:
        rows = [derivative_row(scope, key, one) for one in _sorted(made)]
        if rows:
            connection.execute(self._list_made, rows)


def _insert(database: Database, table: sa.Table) -> Any:
    dialect: Any = sqlite if database.is_sqlite else postgresql
    return dialect.insert(table)


def _sorted(made: Iterable[Derivative]) -> list[Derivative]:
    """In one order, so that no two processes wait for each other."""
    return sorted(made, key=lambda one: one.key)


def _upsert(database: Database, table: sa.Table) -> Any:
    """Insert rows, each in place of one of its primary key."""
    statement = _insert(database, table)
    keys = [column.name for column in table.primary_key]
    values = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if column.name not in keys
    }
    return statement.on_conflict_do_update(index_elements=keys, set_=values)
