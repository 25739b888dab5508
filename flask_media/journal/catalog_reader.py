"""What is listed as stored: reading."""

from __future__ import annotations

import time
from collections.abc import Iterable

import sqlalchemy as sa  # noqa: TID253 - the whole package is imported at the first use

from ..variants import ORIGINAL
from .database import Database
from .listing import Derivative
from .listing import Listing
from .listing import Made
from .listing import derivative_of
from .listing import listing_of
from .schema import derivatives
from .schema import objects

BELONGING = [Made.STORED.value, Made.LATER.value, Made.LAZY.value]
"""The states of what belongs to a picture."""

IS_LISTED = sa.and_(objects.c.is_doomed == 0, objects.c.sha256 != "")
"""The condition that a picture is stored under a key, or was until another one began to be."""

IS_SETTLED = sa.and_(IS_LISTED, objects.c.storing.is_(None))
"""The condition that the listed picture is what is under the key."""

OF_A_PICTURE = sa.exists().where(
    objects.c.scope == derivatives.c.scope,
    objects.c.object_key == derivatives.c.object_key,
    objects.c.is_doomed == 0,
)
"""The condition that the picture of something that was made is listed, and not being deleted."""


class CatalogReader:
    """The list of what is stored, in the journal's database.

    :param database: where it is.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    # What is read

    @property
    def exists(self) -> bool:
        """Whether anything may be listed: False where no journal was ever written."""
        return self._db.exists

    def find(self, scope: str, key: str) -> Listing | None:
        """What is known of the picture of that key; None if it is not listed, or being deleted."""
        with self._db.read() as connection:
            row = connection.execute(
                sa.select(objects).where(*object_at(scope, key), IS_LISTED)
            ).first()
            if row is None:
                return None
            made = connection.execute(
                sa.select(derivatives)
                .where(
                    derivatives.c.scope == scope,
                    derivatives.c.object_key == key,
                    derivatives.c.state.in_(BELONGING),
                )
                .order_by(derivatives.c.position, derivatives.c.name)
            )
            return listing_of(row, tuple(derivative_of(one) for one in made))

    def is_live(self, scope: str, key: str) -> bool:
        """Whether a picture is stored under that key, or about to be, and not being deleted."""
        query = sa.select(objects.c.is_doomed).where(
            *object_at(scope, key), objects.c.is_doomed == 0
        )
        with self._db.read() as connection:
            return connection.execute(query).first() is not None

    def is_doomed(self, scope: str, key: str) -> bool:
        """Whether the picture of that key is being deleted."""
        query = sa.select(objects.c.is_doomed).where(*object_at(scope, key))
        with self._db.read() as connection:
            return bool(connection.scalar(query))

    def listed_among(self, scope: str, keys: Iterable[str]) -> list[str]:
        """Those of the keys that pictures are listed under."""
        query = sa.select(objects.c.object_key).where(
            objects.c.scope == scope, objects.c.object_key.in_([*keys]), IS_LISTED
        )
        with self._db.read() as connection:
            return list(connection.scalars(query))

    def source_of(self, scope: str, variant_key: str) -> tuple[str, Derivative] | None:
        """The picture that something is made of, by its own key; None if it is not listed."""
        query = sa.select(derivatives).where(
            derivatives.c.scope == scope,
            derivatives.c.variant_key == variant_key,
            derivatives.c.state.in_(BELONGING),
            OF_A_PICTURE,
        )
        with self._db.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row.object_key, derivative_of(row))

    def public_sha256(self, scope: str, key: str) -> str | None:
        """SHA-256 of the object of that key, if its picture was published; the untouched original
        never was."""
        is_published = sa.and_(objects.c.is_public == 1, IS_LISTED)
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
                derivatives.c.state.in_(BELONGING),
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
            .where(derivatives.c.scope == scope, OF_A_PICTURE)
        )
        with self._db.read() as connection:
            return list(connection.scalars(query))

    def stored(self, scope: str) -> list[tuple[str, str]]:
        """Key and SHA-256 of each object that is listed as stored."""
        pictures = sa.select(objects.c.object_key, objects.c.sha256).where(
            objects.c.scope == scope, IS_SETTLED
        )
        made = sa.select(derivatives.c.variant_key, derivatives.c.sha256).where(
            derivatives.c.scope == scope, derivatives.c.state == Made.STORED.value, OF_A_PICTURE
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

    def abandoned(self, scope: str, older_than: float) -> list[str]:
        """The keys under which something was to be stored, longer ago than so many seconds, and
        nothing was listed."""
        query = sa.select(objects.c.object_key).where(
            objects.c.scope == scope,
            objects.c.storing.is_not(None),
            objects.c.is_doomed == 0,
            objects.c.updated_at < time.time() - older_than,
        )
        with self._db.read() as connection:
            return list(connection.scalars(query))

    def leftovers(self, scope: str, older_than: float) -> list[str]:
        """The keys of objects that are stale, or not listed for so many seconds."""
        query = sa.select(derivatives.c.variant_key).where(
            derivatives.c.scope == scope, is_left(older_than)
        )
        with self._db.read() as connection:
            return list(connection.scalars(query))


def object_at(scope: str, key: str) -> tuple[sa.ColumnElement[bool], ...]:
    """The condition of the picture under that key."""
    return objects.c.scope == scope, objects.c.object_key == key


def is_left(older_than: float) -> sa.ColumnElement[bool]:
    """The condition of objects that are stale, or not listed for so many seconds."""
    is_unlisted = sa.or_(
        derivatives.c.state.in_([Made.EXPECTED.value, Made.DELETING.value]), ~OF_A_PICTURE
    )
    is_old = derivatives.c.updated_at < time.time() - older_than
    return sa.or_(derivatives.c.state == Made.STALE.value, sa.and_(is_unlisted, is_old))
