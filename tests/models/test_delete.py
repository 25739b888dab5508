"""Pictures that go with their row, when that was asked for."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy.orm import Session

from flask_media import JobCancelled
from flask_media import current_media
from flask_media.emulator import GeminiEmulator

from ..delivery.moments import failing
from .shop import SMALL
from .shop import Latch
from .shop import MakeShop
from .shop import PlainGoal
from .shop import Shop
from .shop import TidyGoal
from .shop import on_both


@on_both
def test_a_picture_goes_with_its_row(shop: Shop) -> None:
    """After the commit, with its variants; not before, and not by a rollback."""
    with shop.session() as session:
        goal = shop.add(session, TidyGoal)
        result = goal.generate_image("A house", config=SMALL, variants={"thumb": 32})
        keys = [result.object_key, result.variants["thumb"].object_key]
        session.delete(goal)
        session.rollback()
        with session.begin_nested() as savepoint:
            session.delete(goal)
            savepoint.rollback()
        session.commit()
        session.delete(goal)
        session.flush()
        assert all(map(current_media.exists, keys))
        session.commit()
        assert not any(map(current_media.exists, keys))


def test_a_picture_stays_where_nobody_asked(shop: Shop) -> None:
    """Without ``__media_delete__`` nothing is deleted."""
    with shop.session() as session:
        goal = shop.add(session, PlainGoal)
        result = goal.generate_image("A house", config=SMALL)
        session.delete(goal)
        session.commit()
        assert current_media.exists(result.object_key)


@on_both
def test_a_picture_that_is_replaced_goes(shop: Shop) -> None:
    """Once the newer one is there, and not before."""
    with shop.session() as session:
        goal = shop.add(session, TidyGoal)
        old = goal.generate_image("A house", config=SMALL)
        goal.generate_image_later("A boat", config=SMALL)
        assert current_media.exists(old.object_key)
        session.commit()
        new = goal.image_job.result(10)
        assert current_media.exists(new.object_key)
        assert not current_media.exists(old.object_key)


def test_a_reused_picture_is_its_owners(shop: Shop) -> None:
    """A row that shows another row's picture takes only its own with it."""
    with shop.session() as session:
        owner, guest = shop.add(session, TidyGoal), shop.add(session, TidyGoal)
        result = owner.generate_image("A house", config=SMALL)
        assert guest.generate_image("A house", config=SMALL, reuse=True).cached
        assert guest.image_url == result.url
        session.delete(guest)
        session.commit()
        assert current_media.exists(result.object_key)


@pytest.mark.parametrize("is_owner", [True, False])
def test_a_job_that_several_rows_wait_for(
    make_shop: MakeShop, emulator: GeminiEmulator, is_owner: bool
) -> None:
    """Each is told; one that goes does not cancel it, nor delete what the others show."""
    shop = make_shop(MEDIA_QUEUE_THREADS=1)
    latch = Latch(emulator)
    with shop.session() as session:
        busy, *rows = (shop.add(session, TidyGoal) for _ in range(4))
        busy.generate_image_later("A boat", config=SMALL)
        session.commit()
        assert latch.asked.wait(10)
        for one in rows:
            one.generate_image_later("A house", config=SMALL, reuse=True)
            session.commit()
        owner, *guests = rows
        job = owner.image_job
        assert {one.image_job_id for one in rows} == {job.id}
        session.delete(owner if is_owner else guests[0])
        session.commit()
        latch.open()
        result = job.result(10)
        for one in guests if is_owner else (owner, guests[1]):
            session.refresh(one)
            assert (one.image_generation_status, one.image) == ("completed", result)
        assert current_media.exists(result.object_key)
    assert emulator.calls == 2


def test_a_job_that_nobody_waits_for_is_cancelled(
    make_shop: MakeShop, emulator: GeminiEmulator
) -> None:
    """It is free as long as it waits, and is of no use when its last row is gone."""
    shop = make_shop(MEDIA_QUEUE_THREADS=1)
    latch = Latch(emulator)
    with shop.session() as session:
        busy, goal = shop.add(session), shop.add(session, TidyGoal)
        busy.generate_image_later("A boat", config=SMALL)
        session.commit()
        assert latch.asked.wait(10)
        goal.generate_image_later("A house", config=SMALL)
        session.commit()
        job = goal.image_job
        session.delete(goal)
        session.commit()
        assert isinstance(job.refresh().error, JobCancelled)
        latch.open()
        busy.image_job.result(10)
    assert emulator.calls == 1


def test_a_row_that_goes_before_its_picture_is_there(shop: Shop, emulator: GeminiEmulator) -> None:
    """What is paid for already is made, and deleted then."""
    latch = Latch(emulator)
    with shop.session() as session:
        goal = shop.add(session, TidyGoal)
        goal.generate_image_later("A house", config=SMALL)
        session.commit()
        assert latch.asked.wait(10)
        job = goal.image_job
        session.delete(goal)
        session.commit()
        latch.open()
        result = job.result(10)
        assert not current_media.exists(result.object_key)
    assert emulator.calls == 1


def test_a_picture_that_cannot_be_deleted(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """The row goes, a warning says so, and ``gc`` deletes what is left."""
    with shop.session() as session, caplog.at_level(logging.WARNING):
        goal = shop.add(session, TidyGoal)
        result = goal.generate_image("A house", config=SMALL)
        session.delete(goal)
        with failing(shop.media.storage, "_delete", key=result.object_key):
            session.commit()
        assert "is not deleted yet" in caplog.text
        assert current_media.exists(result.object_key)
        assert current_media.gc().deleted == 1
        assert not current_media.exists(result.object_key)


def test_a_row_that_goes_outside_of_the_app(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody knows which service has the picture, it stays, and a warning names it."""
    with shop.session() as session:
        result = shop.add(session, TidyGoal).generate_image("A house", config=SMALL)
    with Session(shop.engine) as session, caplog.at_level(logging.WARNING):
        session.delete(session.get_one(TidyGoal, 1))
        session.commit()
    assert "outside an app context" in caplog.text
    assert result.object_key in caplog.text
    assert shop.media.exists(result.object_key)
