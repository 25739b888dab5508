"""The database: people, their goals, and the pictures of these."""

from __future__ import annotations


from flask_login import UserMixin
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

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


class Picture(Base):
    """One version of a goal's picture: what was asked for, and what came of it."""

    __tablename__ = "picture"

    id: Mapped[int] = mapped_column(primary_key=True)
    goal_id: Mapped[int] = mapped_column(ForeignKey("goal.id"), index=True)
    scene: Mapped[str] = mapped_column(String(500))
    """What it shall show, in the words of who asked."""
    theme: Mapped[str] = mapped_column(String(20))
    shape: Mapped[str] = mapped_column(String(20))
    object_key: Mapped[str] = mapped_column(String(200), default="")
    job_id: Mapped[str | None] = mapped_column(String(32), default=None)
    """The job in Flask-Media's journal, which knows how far it is."""
    state: Mapped[str] = mapped_column(String(10), default="failed")
    """``drawing``, ``stored``, ``refused`` or ``failed``; the last until the order is taken."""
    problem: Mapped[str | None] = mapped_column(String(300), default=None)
    """Why there is none, in words for who asked."""
    goal: Mapped[Goal] = relationship(back_populates="pictures")

    progress = 0.0
    """How far it is, 0 to 1; known of one that was looked at while it was drawn."""


def create_tables() -> None:
    """Make the tables that are not there yet. An app that lives longer has migrations."""
    try:
        Base.metadata.create_all(db.engine)
    except DBAPIError:  # another process of the app starts too, and was a moment faster
        Base.metadata.create_all(db.engine)
