"""A transaction that is rolled back orders nothing and loses nothing."""

from __future__ import annotations

import sqlalchemy as sa

from flask_media import current_media
from flask_media.emulator import GeminiEmulator

from .shop import SMALL
from .shop import MakeShop
from .shop import NamedGoal
from .shop import PlainGoal
from .shop import Shop
from .shop import on_both


def test_a_rollback_orders_nothing(shop: Shop, emulator: GeminiEmulator) -> None:
    """Nothing is asked for, also by the session's next commit, and the row is as it was."""
    with shop.session() as session:
        goal = shop.add(session)
        goal.generate_image_later("A house", config=SMALL)
        session.rollback()
        assert (goal.image_generation_status, goal.image_prompt) == ("pending", None)
        goal.name = "Villa"
        session.commit()
        assert goal.image_job_id is None
        goal.generate_image_later("A boat", config=SMALL)
        session.close()
        session.add(PlainGoal(name="Boat"))
        session.commit()
    shop.media.close()
    assert emulator.calls == 0


@on_both
def test_a_savepoint_that_is_rolled_back_orders_nothing(
    shop: Shop, emulator: GeminiEmulator
) -> None:
    """What was asked for in it is forgotten; what was asked for outside is ordered once."""
    with shop.session() as session:
        one, other = shop.add(session), shop.add(session)
        one.generate_image_later("A house", config=SMALL)
        with session.begin_nested() as savepoint:
            other.generate_image_later("A boat", config=SMALL)
            savepoint.rollback()
        with session.begin_nested():
            one.name = "Villa"
        assert one.image_job_id is None
        session.commit()
        assert one.image_job.result(10)
        assert other.image_job is None
    shop.media.close()
    assert emulator.calls == 1


@on_both
def test_a_savepoint_takes_back_only_what_was_asked_for_in_it(
    shop: Shop, emulator: GeminiEmulator
) -> None:
    """The row's order of before stands, also where all its pictures have one key."""
    with shop.session() as session:
        goal, named = shop.add(session), shop.add(session, NamedGoal)
        for one in (goal, named):
            one.generate_image_later("A house", config=SMALL)
            with session.begin_nested():
                one.name = "Villa"
            with session.begin_nested() as savepoint:
                with session.begin_nested():
                    one.generate_image_later("A boat", config=SMALL)
                savepoint.rollback()
        session.commit()
        for one in (goal, named):
            assert one.image_job.result(10).original_prompt == "A house"
    assert emulator.calls == 2


@on_both
def test_a_row_that_asks_twice_is_ordered_once(shop: Shop, emulator: GeminiEmulator) -> None:
    """In one transaction the last word counts; in two, the same asking is the same job."""
    with shop.session() as session, shop.session() as second:
        goal = shop.add(session)
        goal.generate_image_later("A boat", config=SMALL)
        goal.generate_image_later("A house", config=SMALL)
        same = second.get_one(PlainGoal, goal.id)
        session.commit()
        same.generate_image_later("A house", config=SMALL)
        second.commit()
        goal.image_job.result(10)
        session.refresh(goal)
        second.refresh(same)
        assert same.image_job_id == goal.image_job_id
        assert goal.image_generation_status == "completed"
        assert goal.image.original_prompt == "A house"
    assert emulator.calls == 1


@on_both
def test_a_picture_that_the_row_never_learned_of_is_not_bought_again(
    shop: Shop, make_shop: MakeShop, emulator: GeminiEmulator
) -> None:
    """A crash between the picture and the row costs nothing: asked again, it is found."""
    with shop.session() as session:
        goal = shop.add(session)
        result = goal.generate_image("A house", config=SMALL)
        cut_off = {
            "image_generation_status": "generating",
            "image_job_id": None,
            "image_result": sa.null(),
            "image_url": None,
        }
        update = sa.update(PlainGoal).where(PlainGoal.id == goal.id).values(cut_off)
        session.execute(update)
        session.commit()
        again = goal.generate_image("A house", config=SMALL)
        assert (again.job_id, again.cached) == (result.job_id, True)
        assert goal.image_url == result.url
        session.execute(update)
        session.commit()
        goal.generate_image_later("A house", config=SMALL)
        session.commit()
        assert goal.image_generation_status == "completed"
        session.execute(update)
        session.commit()
        assert goal.refresh_image() == "completed"
        assert goal.image_job_id == result.job_id
    assert emulator.calls == 1


def test_a_finished_picture_asked_for_again_is_a_new_one(
    shop: Shop, emulator: GeminiEmulator
) -> None:
    """Under another key, so that nobody's cache shows the old one; that stays."""
    with shop.session() as session:
        goal = shop.add(session)
        first = goal.generate_image("A house", config=SMALL)
        second = goal.generate_image(config=SMALL)
        assert first.object_key != second.object_key
        assert goal.image_url == second.url
        assert current_media.exists(first.object_key)
    assert emulator.calls == 2
