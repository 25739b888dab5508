"""Pictures of rows: a mixin for SQLAlchemy's models that keeps a row in step with its picture.

It is imported by nobody else, so that an app without models does not load SQLAlchemy's ORM.
"""

from __future__ import annotations

from .mixin import ImageOptions
from .mixin import MediaMixin
from .tracking import track_media

__all__ = ["ImageOptions", "MediaMixin", "track_media"]
