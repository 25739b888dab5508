"""The service wherever the code runs: of the current app, or of the process without one."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from flask import current_app
from flask import has_app_context

from .config import MediaConfig
from .extension import FlaskMedia
from .service import MediaService

logger = logging.getLogger(__name__)

_lock = threading.Lock()
_process_service: MediaService | None = None


def get_image_generation_service() -> MediaService:
    """The service of the current app, or of the process outside any app.

    An app that has none yet gets one of its config; a process gets one without any config, which
    ``configure_gemini`` and ``configure_storage`` set up.
    """
    if not has_app_context():
        return _service_of_process()
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    if "media" not in app.extensions:
        with _lock:
            if "media" not in app.extensions:
                FlaskMedia(app)
    service: MediaService = app.extensions["media"]
    return service


def _service_of_process() -> MediaService:
    global _process_service  # noqa: PLW0603 - one a process is what it is for
    with _lock:
        if _process_service is None:
            home = _media_home()
            logger.info("There is no app: journal and pictures without a bucket are in %s", home)
            _process_service = MediaService(MediaConfig(), folder=home / "media", home=home)
        return _process_service


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - another thread may have held it
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _media_home() -> Path:
    if home := os.environ.get("MEDIA_HOME"):
        return Path(home)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "flask-media"
