"""The database: people, their goals, and the pictures of these."""

from __future__ import annotations

import contextlib

from flask_login import UserMixin
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from flask_media.models import MediaMixin

from .texts import slugify

db = SQLAlchemy()


class Base(DeclarativeBase):
    """Base of the models."""


class User(UserMixin, Base):
    """Somebody with an account."""

    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    login: Mapped[str] = mapped_column(String(120), unique=True)
    """The name in the form in which names are compared."""
    password_hash: Mapped[str] = mapped_column(String(255))


class Goal(Base):
    """What somebody saves for."""

    __tablename__ = "goal"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    target: Mapped[int]
    """What it costs, in dollars."""
    saved: Mapped[int] = mapped_column(default=0)
    """What is put aside for it, in dollars."""
    pictures: Mapped[list[Picture]] = relationship(
        back_populates="goal", order_by="Picture.id.desc()", cascade="all, delete-orphan"
    )
    """All versions, the newest first."""

    @property
    def newest(self) -> Picture:
        """The picture that was asked for last. There is one from the beginning."""
        return self.pictures[0]

    @property
    def shown(self) -> Picture | None:
        """The newest picture that is there: one that is still being drawn replaces nothing."""
        return next((picture for picture in self.pictures if picture.state == "stored"), None)


class Picture(MediaMixin, Base):
    """One version of a goal's picture. The mixin's columns say what became of it."""

    __tablename__ = "picture"
    __media_delete__ = True
    """With the row goes the picture in the storage."""

    id: Mapped[int] = mapped_column(primary_key=True)
    goal_id: Mapped[int] = mapped_column(ForeignKey("goal.id"), index=True)
    scene: Mapped[str] = mapped_column(String(500))
    """What it shall show, in the words of who asked."""
    theme: Mapped[str] = mapped_column(String(20))
    shape: Mapped[str] = mapped_column(String(20))
    goal: Mapped[Goal] = relationship(back_populates="pictures")

    def image_key(self, name: str) -> str:  # noqa: ARG002 - its own id is in it
        """Where it is stored: in the folder of whose goal it is, which nobody else can see."""
        folder = f"users/{self.goal.user_id}/goals/{self.goal_id}"
        return f"{folder}/{self.id}-{slugify(self.scene)}.png"

    def image_metadata(self) -> dict[str, str]:
        """What is stored with it."""
        return {"goal_name": self.goal.name}

    @property
    def state(self) -> str:
        """``drawing``, ``stored``, ``refused`` or ``failed``."""
        if self.image_generation_status == "completed":
            return "stored"
        if self.image_error in ("ContentBlocked", "InvalidRequest"):
            return "refused"
        # Without a job, nobody came to order it: the process ended there.
        is_failed = self.image_generation_status == "failed" or self.image_job_id is None
        return "failed" if is_failed else "drawing"

    @property
    def progress(self) -> float:
        """How far it is, 0 to 1."""
        return self.image_job.progress if self.image_job else 0.0


def create_tables() -> None:
    """Make the tables that are not there yet. An app that lives longer has migrations."""
    for table in Base.metadata.sorted_tables:
        with contextlib.suppress(DBAPIError):  # another process of the app was a moment faster
            table.create(db.engine, checkfirst=True)
    Base.metadata.create_all(db.engine)  # all are there now, or it says why not
