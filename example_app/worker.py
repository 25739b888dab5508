"""What Celery's workers load: ``celery -A example_app.worker worker``."""

from __future__ import annotations

from . import create_app

flask_app = create_app()
celery_app = flask_app.extensions["celery"]
