"""The database."""

from __future__ import annotations

from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

db = SQLAlchemy()


class Base(DeclarativeBase):
    """Base of the models."""


class UserGoal(Base):
    """A financial goal and its picture."""

    __tablename__ = "user_goal"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    image_url: Mapped[str | None] = mapped_column(default=None)
    image_prompt: Mapped[str | None] = mapped_column(default=None)
    image_generation_status: Mapped[str] = mapped_column(String(20), default="pending")
    """``pending``, ``generating``, ``completed`` or ``failed``."""
