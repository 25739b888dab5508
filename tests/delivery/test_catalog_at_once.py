"""The listing, where two connections write to it at once."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait
from typing import Any

import pytest

from flask_media.journal.catalog import Catalog
from flask_media.journal.database import Database
from flask_media.journal.listing import Derivative
from flask_media.journal.listing import Listing
from flask_media.journal.listing import Made
from flask_media.variants import Variant

from .moments import meanwhile

SCOPE, KEY = "somewhere", "k.png"

NAMES = [*"abcdefgh"]


def made(name: str) -> Derivative:
    """A variant that is stored."""
    return Derivative(
        key=f"k.{name}.webp",
        name=name,
        state=Made.STORED,
        spec=Variant(width=9),
        content_type="image/webp",
        width=9,
        height=9,
        size_bytes=1,
        sha256="0" * 64,
    )


LISTING = Listing(
    object_key=KEY,
    job_id="",
    content_type="image/png",
    width=9,
    height=9,
    size_bytes=1,
    sha256="0" * 64,
    is_generated=True,
    derivatives=tuple(made(name) for name in NAMES),
)

Change = Callable[[Catalog], object]


def forget(catalog: Catalog) -> None:
    """List it as deleted."""
    catalog.doom(SCOPE, KEY)
    catalog.forget(SCOPE, KEY)


CHANGES: dict[str, Change] = {
    "put": lambda catalog: catalog.save(SCOPE, LISTING),
    "begin": lambda catalog: catalog.begin(SCOPE, KEY, "job", LISTING.derivatives),
    "made": lambda catalog: catalog.made(SCOPE, KEY, LISTING.sha256, LISTING.derivatives[::-1]),
    "doom": lambda catalog: catalog.doom(SCOPE, KEY),
    "forget": forget,
}


@pytest.fixture
def catalogs(postgres: Callable[[], str]) -> Iterator[tuple[Catalog, Catalog]]:
    """Two hosts' catalogs in one database of PostgreSQL."""
    url = postgres()
    with contextlib.ExitStack() as stack:
        databases = [Database(url) for _ in range(2)]
        for one in databases:
            stack.callback(one.close)
        yield Catalog(databases[0]), Catalog(databases[1])


class Slow:
    """A connection that has something else begin after its first statement.

    :param connection: the real one.
    :param begin: what begins.
    """

    def __init__(self, connection: Any, begin: Callable[[], None]) -> None:
        self._connection = connection
        self._begin: Callable[[], None] | None = begin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, *arguments: Any) -> Any:
        """Execute it, and have the other begin."""
        result = self._connection.execute(*arguments)
        begin, self._begin = self._begin, None
        if begin is not None:
            begin()
        return result


@pytest.mark.parametrize("first", CHANGES)
@pytest.mark.parametrize("second", CHANGES)
def test_no_deadlock(
    catalogs: tuple[Catalog, Catalog], monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    """Whatever two hosts do to a picture at once, neither waits for the other for ever."""
    here, there = catalogs
    here.save(SCOPE, LISTING)
    running: list[Future[object]] = []
    write = here._db.write
    with ThreadPoolExecutor(1) as threads:

        def begin() -> None:
            if not running:
                running.append(threads.submit(CHANGES[second], there))
                wait(running, timeout=0.2)  # until it waits for this one

        @contextlib.contextmanager
        def slow(**values: Any) -> Iterator[Any]:
            with write(**values) as connection:
                yield Slow(connection, begin)

        monkeypatch.setattr(here._db, "write", slow)
        CHANGES[first](here)
        running[0].result(30)


@pytest.mark.parametrize("before", [True, False])
def test_expected_in_the_moment_that_it_is_listed(
    catalogs: tuple[Catalog, Catalog], before: bool
) -> None:
    """A variant that another host lists as stored just when one is about to store it stays so."""
    here, there = catalogs

    def save() -> None:
        there.save(SCOPE, LISTING)

    bare = dataclasses.replace(LISTING, derivatives=())
    here.save(SCOPE, bare)
    with meanwhile(here, "expect", save, before=before):
        here.expect(SCOPE, KEY, LISTING.derivatives)
    found = here.find(SCOPE, KEY)
    assert found is not None
    assert [*found.variants] == NAMES
    assert {one.state for one in found.derivatives} == {Made.STORED}
    assert here.leftovers(SCOPE, -1) == []


def test_listed_within_expecting(
    catalogs: tuple[Catalog, Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it does where that happens between the statements of the one who expects it."""
    here, there = catalogs
    here.save(SCOPE, dataclasses.replace(LISTING, derivatives=()))
    expect = here._expect

    def expected(connection: Any, *arguments: Any) -> bool:
        with ThreadPoolExecutor(1) as threads:
            threads.submit(there.save, SCOPE, LISTING).result(30)
        return expect(connection, *arguments)

    monkeypatch.setattr(here, "_expect", expected)
    here.expect(SCOPE, KEY, LISTING.derivatives)
    found = here.find(SCOPE, KEY)
    assert found is not None
    assert {one.state for one in found.derivatives} == {Made.STORED}
    assert here.leftovers(SCOPE, -1) == []
