"""The same model on Flask-SQLAlchemy, Flask-SQLAlchemy-Lite and plain SQLAlchemy."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sqlalchemy as sa
from flask import Flask
from flask import render_template_string
from sqlalchemy.orm import Session
from sqlalchemy.orm import scoped_session
from sqlalchemy.orm import sessionmaker

from flask_media import FlaskMedia
from flask_media import InvalidRequest
from flask_media.emulator import GeminiEmulator
from flask_media.models import track_media

from .shop import SMALL
from .shop import Latch
from .shop import MakeShop
from .shop import PlainBase
from .shop import PlainGoal
from .shop import Shop
from .shop import on_both

EACH = pytest.mark.parametrize("integration", ["plain", "lite", "flask"])


@on_both
@EACH
def test_a_picture_now(make_shop: MakeShop, integration: str) -> None:
    """The call returns the picture, and the row has all that a page needs."""
    shop = make_shop(integration)
    with shop.session() as session:
        goal = shop.goal(name="House")
        assert (goal.image, goal.image_job) == (None, None)
        session.add(goal)
        result = goal.generate_image("A house", config=SMALL, metadata={"why": "test"})
        assert goal.image_generation_status == "completed"
        assert (goal.image_url, goal.image_prompt) == (result.url, "A house")
        assert goal.image == result
        assert goal.image_job.status == "done"
        assert result.metadata == {
            "goal_name": "House",
            "why": "test",
            "model": goal.__tablename__,
            "model_id": str(goal.id),
        }
        assert result.object_key == goal.image_object_key
        assert goal.image_object_key.startswith(f"{goal.__tablename__}/{goal.id}/")
        page = render_template_string("{{ media_picture(goal.image, alt='') }}", goal=goal)
        assert result.url in page


@on_both
@EACH
def test_a_picture_later(make_shop: MakeShop, integration: str, emulator: GeminiEmulator) -> None:
    """A thread of the queue makes it and has the row say so, step by step."""
    shop = make_shop(integration)
    latch = Latch(emulator)
    with shop.session() as session:
        goal = shop.add(session)
        goal.generate_image_later("A house", config=SMALL)
        assert (goal.image_generation_status, goal.image_job_id) == ("pending", None)
        session.commit()
        assert latch.asked.wait(10)
        job = goal.image_job
        assert shop.status(goal.id) == "generating"
        assert goal.image_url is None
        latch.open()
        result = job.result(10)
        session.rollback()
        assert goal.image_generation_status == "completed"
        assert goal.image == result


@on_both
def test_no_transaction_is_open_while_the_model_draws(shop: Shop, emulator: GeminiEmulator) -> None:
    """The row's connection is back in its pool, and others see what was committed."""
    seen = []

    def look(_: object) -> None:
        seen.append((shop.engine.pool.status(), shop.status(1)))

    with shop.session() as session:
        goal = shop.add(session)
        emulator.handler(look)
        goal.name = "Villa"
        goal.generate_image("A house", config=SMALL)
        assert goal.name == "Villa"
    ((pool, status),) = seen
    assert "Current Checked out connections: 0" in pool
    assert status == "generating"


def test_a_block_that_commits_by_itself(shop: Shop) -> None:
    """Within ``session.begin()`` the row is right, and SQLAlchemy says that the block is over."""
    with shop.session() as session:
        with pytest.raises(sa.exc.InvalidRequestError, match="closed transaction"):  # noqa: PT012, SIM117
            with session.begin():
                goal = PlainGoal(name="House")
                session.add(goal)
                goal.generate_image("A house", config=SMALL)
                session.flush()
                goal.name  # noqa: B018
        assert goal.image_generation_status == "completed"


def test_wrong_use_is_refused_before_anything_changes(shop: Shop, emulator: GeminiEmulator) -> None:
    """What can be known at once is raised at once, names the fix, and leaves the row alone."""
    with shop.session() as session:
        with pytest.raises(InvalidRequest, match=r"session\.add"):
            PlainGoal(name="House").generate_image("A house")
        goal = shop.add(session)
        with pytest.raises(InvalidRequest, match="has no image_prompt yet"):
            goal.generate_image()
        with pytest.raises(TypeError, match="'style'"):
            goal.generate_image("A house", style="bold")
        for ask in (goal.generate_image, goal.generate_image_later):
            with pytest.raises(InvalidRequest, match="metadata"):
                ask("A house", metadata={"a\n": "b"})
        session.commit()
        assert (goal.image_generation_status, goal.image_object_key) == ("pending", None)
        goal_id = goal.id
        session.delete(goal)
        session.flush()
        with pytest.raises(InvalidRequest, match=r"session\.add"):
            goal.generate_image("A house")
        assert goal_id
    assert emulator.calls == 0


def test_a_key_that_is_too_long_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key has to fit in its column, so that it can be found again."""
    monkeypatch.setattr(PlainGoal, "image_key", lambda self, name: "k" * 300)
    with shop.session() as session, pytest.raises(InvalidRequest, match="image_key gave"):
        shop.add(session).generate_image("A house")


def test_what_can_be_tracked(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An engine, a scoped session and a function will do; what will not is named."""
    engine = sa.create_engine("sqlite://")
    maker = sessionmaker(engine)
    for database in (engine, maker, scoped_session(maker), lambda: Session(engine)):
        app = Flask("shop", instance_path=str(tmp_path_factory.mktemp("instance")))
        with pytest.raises(RuntimeError, match="before track_media"):
            track_media(app, database)
        FlaskMedia(app)
        track_media(app, database, PlainBase)
        with pytest.raises(RuntimeError, match="already"):
            track_media(app, database)
    app = Flask("shop", instance_path=str(tmp_path_factory.mktemp("instance")))
    FlaskMedia(app)
    with pytest.raises(TypeError, match="'sqlite://'"):
        track_media(app, "sqlite://")
    engine.dispose()


def test_an_app_without_models_does_not_load_the_orm() -> None:
    """Importing the package leaves SQLAlchemy's ORM alone."""
    code = "import flask_media, sys; assert 'sqlalchemy.orm' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
