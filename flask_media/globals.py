"""``current_media``, the service of the current app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import current_app
from flask import has_app_context
from werkzeug.local import LocalProxy

from .service import MediaService


def _current_service() -> MediaService:
    if not has_app_context():
        raise RuntimeError(
            "current_media needs an app context, and there is none. Use it in a view, a CLI "
            "command, or within 'with app.app_context():'."
        )
    service: MediaService | None = current_app.extensions.get("media")
    if service is None:
        raise RuntimeError(
            f"Flask-Media is not initialised on the app {current_app.name!r}. Call "
            "FlaskMedia(app), or media.init_app(app) in your app factory."
        )
    return service


if TYPE_CHECKING:
    current_media: MediaService
else:
    current_media = LocalProxy(_current_service)
"""The :class:`~flask_media.MediaService` of the current app."""
