"""Hears how jobs end, in whatever process that is, and writes it to the rows."""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from typing import cast

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import Session
from sqlalchemy.orm import scoped_session
from sqlalchemy.orm import sessionmaker

from .. import signals
from ..types import MediaResult
from .mixin import MediaMixin
from .rows import TRACKER
from .rows import Outcome
from .rows import Rows
from .rows import begun
from .rows import completed
from .rows import delete_pictures
from .rows import failed
from .rows import record

logger = logging.getLogger(__name__)


def track_media(app: Flask, database: Any, base: type[Any] = MediaMixin) -> None:
    """Have the rows of an app say how their pictures stand, whichever process makes them.

    Call it once an app, in every process that works on jobs: web servers, workers, cron.

    :param app: an app that Flask-Media is initialised on.
    :param database: where the rows are: the ``db`` of Flask-SQLAlchemy or Flask-SQLAlchemy-Lite, a
        ``sessionmaker`` or another function that gives a new session, or an engine.
    :param base: only models that are subclasses of this; if left out, all with the mixin that have
        their table in the database.
    :raises RuntimeError: Flask-Media is not initialised on the app, or this was called before.
    :raises TypeError: ``database`` is none of these.
    """
    if "media" not in app.extensions:
        raise RuntimeError(
            f"Flask-Media is not initialised on the app {app.name!r}. Call FlaskMedia(app), or "
            "media.init_app(app), before track_media(app, db)."
        )
    if TRACKER in app.extensions:
        raise RuntimeError(f"track_media was called for the app {app.name!r} already.")
    tracker = _Tracker(app, _session_maker(database), base)
    app.extensions[TRACKER] = tracker  # signals know their receivers weakly
    signals.generation_started.connect(tracker.on_start, app)
    signals.upload_started.connect(tracker.on_start, app)
    signals.upload_finished.connect(tracker.on_finish, app)
    signals.generation_failed.connect(tracker.on_failure, app)
    signals.upload_failed.connect(tracker.on_failure, app)


def _session_maker(database: Any) -> Callable[[], Session]:
    if isinstance(database, sa.Engine):
        return sessionmaker(database)
    if isinstance(database, scoped_session):
        factory: Callable[[], Session] = database.session_factory
        return factory  # the session of the thread is its owner's to commit
    # By its class: what the object itself says needs an app context.
    if hasattr(type(database), "engines") and hasattr(type(database), "init_app"):
        # Both extensions keep a session for each app context, and the receiver has its own.
        return lambda: _session_of(database)
    if callable(database) and not isinstance(database, type):
        return cast("Callable[[], Session]", database)
    raise TypeError(
        f"track_media's database is {database!r:.80}; it must be the db of Flask-SQLAlchemy or "
        "Flask-SQLAlchemy-Lite, a sessionmaker, a function that gives a new session, or an engine."
    )


def _session_of(database: Any) -> Session:
    found: Session | scoped_session[Session] = database.session
    return found() if isinstance(found, scoped_session) else found


class _Tracker:
    """The receivers of one app.

    :param app: sends the signals.
    :param make_session: gives a new session, in an app context.
    :param base: of the models.
    """

    def __init__(self, app: Flask, make_session: Callable[[], Session], base: type[Any]) -> None:
        self._app = app
        self._make_session = make_session
        self._base = base
        self._known: set[type[Any]] = set()

    def on_start(self, _sender: Flask, job_id: str, object_key: str | None, **_: Any) -> None:
        self._write(object_key, begun(job_id))

    def on_finish(
        self, _sender: Flask, object_key: str | None, result: MediaResult, **_: Any
    ) -> None:
        self._write(object_key, completed(result))

    def on_failure(
        self, _sender: Flask, job_id: str, object_key: str | None, error: Exception, **_: Any
    ) -> None:
        self._write(object_key, failed(error, job_id))

    def _write(self, object_key: str | None, outcome: Outcome) -> None:
        if object_key is None:
            return
        for model in _models(MediaMixin):
            rows = Rows(model)
            if not issubclass(model, self._base) or not self._has_table(rows):
                continue
            match = rows.of_key(object_key)
            if outcome.job_id is not None:
                match = sa.or_(match, rows.of_job(outcome.job_id))
            written = record(self._session, rows, match, outcome)
            keys = written.replaced
            result = outcome.values.get("image_result")
            if result and not written.is_found and rows.is_own(result):
                keys = [object_key]  # its row is gone, or asked for another one meanwhile
            delete_pictures(self._app.extensions["media"], keys)

    def _has_table(self, rows: Rows) -> bool:
        """Whether it is in the app's database; another app of the process has its own models."""
        if rows.model in self._known:
            return True
        with self._session() as session:
            try:
                connection = session.connection(bind_arguments={"mapper": sa.inspect(rows.model)})
            except UnboundExecutionError:
                return False
            if not sa.inspect(connection).has_table(rows.table.name, schema=rows.table.schema):
                return False
        self._known.add(rows.model)
        return True

    @contextmanager
    def _session(self) -> Iterator[Session]:
        # A context of its own has a session of its own: the caller's may hold what is not to be
        # committed.
        with self._app.app_context(), self._make_session() as session:
            yield session


def _models(base: type[Any]) -> Iterator[type[Any]]:
    """The classes below a base that have a table for themselves or for their subclasses."""
    for model in base.__subclasses__():
        if "__mapper__" in vars(model):
            yield model  # its subclasses' rows are its rows
        else:
            yield from _models(model)
