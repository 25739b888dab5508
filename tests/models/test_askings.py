"""Which askings are the same, so that they are one picture, and which are not."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from flask_media import ImageGenerationConfig
from flask_media import ProviderUnavailable
from flask_media import current_media
from flask_media.emulator import GeminiEmulator
from flask_media.request import in_celery_task

from .shop import SMALL
from .shop import Latch
from .shop import NamedGoal
from .shop import PlainBase
from .shop import PlainGoal
from .shop import Shop
from .shop import TidyGoal
from .shop import on_both

WIDE = ImageGenerationConfig(size=(96, 64), enhance_prompt=False)
"""Another look of the same prompt."""


def _forget(session: Session, goal: Any) -> None:
    """Leave the row as a crash does between the picture and its end."""
    table = sa.inspect(type(goal)).local_table
    cut_off = {"image_generation_status": "generating", "image_job_id": None, "image_url": None}
    result = {"image_result": sa.null()}
    session.execute(sa.update(table).where(table.c.id == goal.id).values(cut_off | result))
    session.commit()


def test_another_config_is_another_picture(shop: Shop, emulator: GeminiEmulator) -> None:
    """It has a key of its own, while the first one is still under way too."""
    latch = Latch(emulator)
    with shop.session() as session:
        goal = shop.add(session)
        goal.generate_image_later("A house", config=SMALL)
        session.commit()
        assert latch.asked.wait(10)
        first = goal.image_job
        goal.generate_image_later("A house", config=WIDE)
        session.commit()
        second = goal.image_job
        latch.open()
        assert first.result(10).object_key != second.result(10).object_key
        session.refresh(goal)
        assert (goal.image.width, goal.image) == (96, second.result(10))
        with current_media.open(goal.image_object_key) as file:
            assert len(file.read()) == goal.image.size_bytes


@pytest.mark.parametrize("model", [PlainGoal, NamedGoal])
def test_what_is_found_is_what_is_asked_for(
    shop: Shop, emulator: GeminiEmulator, model: type[Any]
) -> None:
    """A stored picture that the row never learned of counts only with the same config."""
    with shop.session() as session:
        goal = shop.add(session, model)
        result = goal.generate_image("A house", config=SMALL)
        _forget(session, goal)
        assert goal.generate_image("A house", config=SMALL).job_id == result.job_id
        _forget(session, goal)
        assert goal.generate_image("A house", config=WIDE).width == 96
        assert goal.image.width == 96
    assert emulator.calls == 2


def test_other_references_are_another_picture(shop: Shop, emulator: GeminiEmulator) -> None:
    """Whether they are bytes or keys."""
    with shop.session() as session:
        first, second = shop.add(session), shop.add(session)
        keys = [one.generate_image(one.name, config=SMALL).object_key for one in (first, second)]
        with current_media.open(keys[0]) as file:
            data = file.read()
        goal, seen = shop.add(session, NamedGoal, "Villa"), []
        for references in ([], keys[:1], keys[1:], [data]):
            seen.append(goal.generate_image("A villa", config=SMALL, reference_images=references))
            _forget(session, goal)
        assert len({one.job_id for one in seen}) == len(seen)
    assert emulator.calls == 6


@on_both
def test_two_that_ask_at_once(shop: Shop, emulator: GeminiEmulator) -> None:
    """The later one waits for the earlier one's commit, and finds what that asked for."""
    writes = threading.Event()
    jobs: list[str | None] = []

    def look(_: Any, __: Any, statement: str, *___: Any) -> None:
        if threading.current_thread() is other and statement.startswith("UPDATE"):
            writes.set()

    def ask() -> None:
        with shop.session() as session:
            goal = session.get_one(PlainGoal, 1)
            goal.generate_image_later("A house", config=SMALL)
            session.commit()
            jobs.append(goal.image_job_id)

    with shop.session() as session:
        goal = shop.add(session)
        goal.generate_image_later("A house", config=SMALL)
        session.flush()
        key = goal.image_object_key
        other = threading.Thread(target=ask)
        sa.event.listen(shop.engine, "before_cursor_execute", look)
        other.start()
        assert writes.wait(10)
        session.commit()
        other.join(10)
        assert jobs == [goal.image_job_id]
        assert goal.image_object_key == key
        goal.image_job.result(10)
    assert emulator.calls == 1


@on_both
def test_a_row_that_another_one_wrote_meanwhile(shop: Shop, emulator: GeminiEmulator) -> None:
    """What is ordered is ordered, whatever the session knew of the row."""
    with Session(shop.engine, expire_on_commit=False) as session, shop.app.app_context():
        goal = shop.add(session)
        goal.generate_image_later("A house", config=SMALL)
        session.commit()
        current_media.jobs()[0].result(10)
        assert goal.image_generation_status == "pending"
        goal.generate_image_later("A boat", config=SMALL)
        session.commit()
        current_media.jobs()[0].result(10)
        session.refresh(goal)
        assert goal.image_generation_status == "completed"
        assert goal.image.original_prompt == "A boat"
    assert emulator.calls == 2


def test_an_idempotency_key(shop: Shop, emulator: GeminiEmulator) -> None:
    """Given again it is the same picture, finished or not; another key is another one."""
    with shop.session() as session:
        goal = shop.add(session, TidyGoal)
        emulator.script("503")
        with pytest.raises(ProviderUnavailable):
            goal.generate_image("A house", config=SMALL)
        first = goal.generate_image("A house", config=SMALL, idempotency_key="click-1")
        again = goal.generate_image("A house", config=SMALL, idempotency_key="click-1")
        assert (again.job_id, again.cached) == (first.job_id, True)
        goal.generate_image_later("A house", config=SMALL, idempotency_key="click-1")
        session.commit()
        assert goal.image_generation_status == "completed"
        assert goal.image.job_id == first.job_id
        other = goal.generate_image("A house", config=SMALL, idempotency_key="click-2")
        assert other.object_key != first.object_key
        assert current_media.exists(other.object_key)


@pytest.mark.parametrize("task", [None, "task-1"])
def test_two_databases_on_one_storage(
    shop: Shop, emulator: GeminiEmulator, tmp_path: Path, task: str | None
) -> None:
    """Equal rows that ask for the same have pictures of their own, in one task too."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'two.sqlite3'}")
    PlainBase.metadata.create_all(engine)
    with shop.session() as one, Session(engine) as two, in_celery_task(task):
        first, second = (shop.add(session) for session in (one, two))
        results = [goal.generate_image("A house", config=SMALL) for goal in (first, second)]
        assert results[0].object_key != results[1].object_key
        assert [first.image, second.image] == results
    engine.dispose()
    assert emulator.calls == 2
