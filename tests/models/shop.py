"""One model with pictures for each integration, and the apps that have it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

import flask_sqlalchemy
import flask_sqlalchemy_lite
import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import Session
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import sessionmaker

from flask_media import FlaskMedia
from flask_media import ImageGenerationConfig
from flask_media.emulator import GeminiEmulator
from flask_media.models import MediaMixin
from flask_media.models import track_media
from flask_media.service import MediaService

SMALL = ImageGenerationConfig(size=(64, 64), enhance_prompt=False)
"""Of pictures that only have to be there."""


on_both = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
"""Runs a test on both databases."""


class PlainBase(DeclarativeBase):
    """The models of plain SQLAlchemy."""


class Base(DeclarativeBase):
    """The models of both extensions."""


class GoalColumns:
    """What a goal has besides its picture."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))

    def image_metadata(self) -> Mapping[str, Any]:
        """The name goes with the picture."""
        return {"goal_name": self.name}


class PlainGoal(GoalColumns, MediaMixin, PlainBase):
    """A goal whose picture stays when it goes."""

    __tablename__ = "plain_goal"  # a name of its own: the docs' models are in this process too


class TidyGoal(GoalColumns, MediaMixin, PlainBase):
    """A goal whose picture goes with it."""

    __tablename__ = "tidy_goal"
    __media_delete__ = True


class NamedGoal(GoalColumns, MediaMixin, PlainBase):
    """A goal with one key for all its pictures."""

    __tablename__ = "named_goal"

    def image_key(self, name: str) -> str:
        """As the migration guide has it."""
        return f"goals/{self.id}/{self.name}.png"


class LiteGoal(GoalColumns, MediaMixin, Base):
    """A goal of Flask-SQLAlchemy-Lite."""

    __tablename__ = "lite_goal"


lite = flask_sqlalchemy_lite.SQLAlchemy()
db = flask_sqlalchemy.SQLAlchemy(model_class=Base)


class FlaskGoal(GoalColumns, MediaMixin, db.Model):  # type: ignore[misc, name-defined]
    """A goal of Flask-SQLAlchemy."""

    __tablename__ = "flask_goal"


class Shop:
    """An app with goals, as one process has it.

    :param integration: ``plain``, ``lite`` or ``flask``.
    :param url: of the goals' database.
    :param config: of the app.
    """

    def __init__(self, integration: str, url: str, config: dict[str, Any], instance: str) -> None:
        self.app = Flask("shop", instance_path=instance)
        self.app.config.update(config)
        self.app.config["SQLALCHEMY_DATABASE_URI"] = url
        self.app.config["SQLALCHEMY_ENGINES"] = {"default": url}
        FlaskMedia(self.app)
        self.media: MediaService = self.app.extensions["media"]
        self.goal: type[Any]
        self._integration = integration
        database: Any
        base: type[Any]
        if integration == "plain":
            self.engine = sa.create_engine(url)
            self._maker = sessionmaker(self.engine)
            self.goal, database, base = PlainGoal, self._maker, PlainBase
        else:
            self.goal = LiteGoal if integration == "lite" else FlaskGoal
            database, base = (lite if integration == "lite" else db), self.goal
            database.init_app(self.app)
            with self.app.app_context():
                self.engine = database.engine
        self.goal.metadata.create_all(self.engine)
        track_media(self.app, database, base)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """The session that a view has, in the app's context."""
        with self.app.app_context():
            if self._integration == "plain":
                with self._maker() as session:
                    yield session
            else:
                yield lite.session if self._integration == "lite" else db.session()

    def add(self, session: Session, model: type[Any] | None = None, name: str = "House") -> Any:
        """A goal that is committed."""
        goal = (model or self.goal)(name=name)
        session.add(goal)
        session.commit()
        return goal

    def status(self, goal_id: int, model: type[Any] | None = None) -> str:
        """What the database says of a goal, to another session."""
        model = model or self.goal
        with Session(self.engine) as session:
            found: str = session.scalars(
                sa.select(model.image_generation_status).where(model.id == goal_id)
            ).one()
            return found

    def close(self) -> None:
        """Wait for what runs, and close the connections."""
        self.media.close()
        self.engine.dispose()


MakeShop = Callable[..., Shop]


class Latch:
    """Holds the emulator's answers back until it is opened."""

    def __init__(self, emulator: GeminiEmulator) -> None:
        self.asked = threading.Event()
        self._open = threading.Event()
        emulator.handler(self._hold)

    def _hold(self, _: Any) -> None:
        self.asked.set()
        assert self._open.wait(30)

    def open(self) -> None:
        """Let all through."""
        self._open.set()
