"""Signals that come twice, late, or in another process."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import sessionmaker

from flask_media import FlaskMedia
from flask_media import MediaError
from flask_media import ProviderUnavailable
from flask_media import current_media
from flask_media import signals
from flask_media.emulator import GeminiEmulator
from flask_media.models import track_media
from flask_media.models.rows import TRACKER
from flask_media.values import Terms
from flask_media.values import Wanted

from .shop import SMALL
from .shop import Latch
from .shop import MakeShop
from .shop import NamedGoal
from .shop import PlainBase
from .shop import PlainGoal
from .shop import Shop
from .shop import on_both


def _tell(shop: Shop, name: str, job_id: str, key: str, **values: object) -> None:
    signals.emit(
        getattr(signals, name), shop.app, job_id=job_id, object_key=key, prompt="", **values
    )


@on_both
def test_an_end_that_is_told_twice(shop: Shop) -> None:
    """Written twice it is the same, and a failure that comes late changes nothing."""
    with shop.session() as session:
        goal = shop.add(session)
        result = goal.generate_image("A house", config=SMALL)
        for _ in range(2):
            _tell(shop, "upload_finished", result.job_id, result.object_key, result=result)
            _tell(shop, "generation_started", result.job_id, result.object_key)
            error = ProviderUnavailable("late")
            _tell(shop, "generation_failed", result.job_id, result.object_key, error=error)
        session.refresh(goal)
        assert goal.image_generation_status == "completed"
        assert goal.image == result


def test_nobody_tells_the_rows(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """Where track_media was forgotten, the first order of each model says so, with the fix."""
    tracker = shop.app.extensions.pop(TRACKER)
    with shop.session() as session:
        for _ in range(2):
            shop.add(session).generate_image_later("A house", config=SMALL)
        assert caplog.text.count("Call track_media(app, db) after FlaskMedia(app)") == 1
        shop.app.extensions[TRACKER] = tracker
        shop.add(session, NamedGoal).generate_image_later("A house", config=SMALL)
    assert "NamedGoal" not in caplog.text


@on_both
def test_an_older_job_does_not_write_over_a_newer_one(shop: Shop, emulator: GeminiEmulator) -> None:
    """What another job of the same key comes to is not what the row asked for."""
    with shop.session() as session:
        goal = shop.add(session, NamedGoal)
        old = goal.generate_image("A house", config=SMALL)
        latch = Latch(emulator)
        goal.generate_image_later("A boat", config=SMALL)
        session.commit()
        assert latch.asked.wait(10)
        new = goal.image_job
        assert new.object_key == old.object_key
        _tell(shop, "upload_finished", old.job_id, old.object_key, result=old)
        _tell(shop, "upload_failed", old.job_id, old.object_key, error=MediaError("late"))
        session.refresh(goal)
        assert (goal.image_generation_status, goal.image_job_id) == ("generating", new.id)
        latch.open()
        result = new.result(10)
        session.refresh(goal)
        assert goal.image == result


@on_both
def test_another_process_finishes_it(make_shop: MakeShop, emulator: GeminiEmulator) -> None:
    """A job that a dead process left is finished by another one, which tells the row."""
    one, other = make_shop(), make_shop()
    with one.session() as session:
        goal = one.add(session)
        # As by a process that is killed between its commits.
        goal.image_generation_status, goal.image_prompt = "generating", "A house"
        goal.image_object_key = "plain_goal/1/left.png"
        session.commit()
        wanted = Wanted(prompt="A house", object_key=goal.image_object_key, config=SMALL)
        entered = one.media._pipeline.enter(wanted, Terms(is_queued=True))
        assert isinstance(entered, tuple)
        one.media._pipeline.let_go(entered[0])
        with other.app.app_context():
            (result,) = other.media.resume_all()
        session.refresh(goal)
        assert goal.image_generation_status == "completed"
        assert goal.image == result
    assert emulator.calls == 1


def test_a_signal_that_nobody_heard(shop: Shop, emulator: GeminiEmulator) -> None:
    """``refresh_image`` asks the journal, and says what it says."""
    with shop.session() as session:
        goal = shop.add(session)
        assert goal.refresh_image() == "pending"
        latch = Latch(emulator)
        goal.generate_image_later("A house", config=SMALL)
        session.commit()
        assert latch.asked.wait(10)
        job = goal.image_job
        assert goal.refresh_image() == "generating"
        with signals.upload_finished.muted():
            latch.open()
            job.result(10)
        session.refresh(goal)
        assert goal.image_generation_status == "generating"
        assert goal.refresh_image() == "completed"
        assert shop.status(goal.id) == "completed"


def test_pictures_of_no_row_leave_the_database_alone(shop: Shop) -> None:
    """A picture that no row asked for waits for no lock of the caller's transaction."""
    with shop.session() as session:
        goal = shop.add(session)
        goal.name = "Villa"
        session.flush()  # SQLite is locked for other writers
        result = shop.media.generate_and_upload("A boat", "boats/1.png", config=SMALL)
        session.commit()
        assert (result.object_key, goal.image_object_key) == ("boats/1.png", None)


def test_a_job_that_the_journal_has_forgotten(shop: Shop) -> None:
    """The row stays as it is, and has no job to show."""
    with shop.session() as session:
        goal = shop.add(session)
        goal.image_generation_status, goal.image_object_key = "generating", "plain_goal/1/gone.png"
        session.commit()
        assert goal.refresh_image() == "generating"
        goal.image_job_id = "0" * 32
        assert goal.image_job is None
        assert goal.refresh_image() == "generating"
        session.delete(goal)
        session.commit()


def test_models_of_another_app_are_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a process has models of several apps, each app's jobs write to its own tables, those
    that were made after its start too."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'goals.sqlite3'}")
    maker = sessionmaker(engine)
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.update(MEDIA_GENERATOR="placeholder", MEDIA_STORAGE="memory")
    FlaskMedia(app)
    track_media(app, maker)
    with app.app_context(), maker() as session:
        current_media.generate_and_upload("A house", "houses/1.png", config=SMALL)
        PlainBase.metadata.create_all(engine)
        goal = PlainGoal(name="A boat")
        session.add(goal)
        goal.generate_image_later("A boat", config=SMALL)
        session.commit()
        assert goal.image_job
        result = goal.image_job.result(10)
        session.refresh(goal)
        assert (goal.image_generation_status, goal.image) == ("completed", result)
        current_media.close()
    engine.dispose()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("is_tracked", [True, False])
def test_a_forgotten_track_media_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, is_tracked: bool
) -> None:
    """Without it no row hears how its job in the background ends: the log says so, and the fix."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'goals.sqlite3'}")
    maker = sessionmaker(engine)
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.update(MEDIA_GENERATOR="placeholder", MEDIA_STORAGE="memory")
    FlaskMedia(app)
    PlainBase.metadata.create_all(engine)
    if is_tracked:
        track_media(app, maker)
    with app.app_context(), maker() as session:
        goal = PlainGoal(name="A boat")
        session.add(goal)
        goal.generate_image_later("A boat", config=SMALL)
        session.commit()
        assert goal.image_job
        goal.image_job.result(10)
        assert goal.refresh_image() == "completed"
        current_media.close()
    assert ("track_media(app, db)" in caplog.text) is not is_tracked
