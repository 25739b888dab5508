"""``GET /jobs/<id>/events``: how a job goes on, as server-sent events."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import Blueprint
from flask import Response
from flask import request

from ..errors import JournalError
from ..errors import NotFound
from ..fields import fields
from .documents import digest_of
from .documents import document_of
from .documents import links_of
from .documents import text_of
from .gate import Gate
from .jobs import own_job
from .places import Places
from .places import seconds_here
from .problems import Refused
from .settings import Settings

if TYPE_CHECKING:
    from ..jobs.handle import MediaJob

logger = logging.getLogger(__name__)

HEARTBEAT = 15.0
"""Seconds without an event after which a comment is sent; a client that left is noticed then."""

RECONNECT_MS = 2000
"""After how many milliseconds a client shall come back when the stream ends."""

RETRY_AFTER = 5
"""Seconds after which to ask again when there are too many streams."""


def add_events(blueprint: Blueprint, gate: Gate, settings: Settings, places: Places) -> None:
    """Give the blueprint the route of events."""

    @blueprint.get("/jobs/<job_id>/events")
    def events(job_id: str) -> Response:
        who = gate.caller()
        job = own_job(job_id, who)
        links = links_of(job_id)
        seen = request.headers.get("Last-Event-ID")
        if job.has_ended and seen == digest_of(text_of(document_of(job, links))):
            return Response(status=204)  # tells a browser to come back no more
        leave = places.take(who)
        if leave is None:
            raise Refused(
                503,
                "too-many-streams",
                "Too many requests wait already, of yours or of all.",
                headers={"Retry-After": str(RETRY_AFTER)},
                retry_after=RETRY_AFTER,
            )
        end = time.monotonic() + seconds_here(settings.events_seconds)
        stream = _events(job, links, seen, end)
        response = Response(stream, content_type="text/event-stream; charset=utf-8")
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"  # nginx would keep events back
        # Not in the generator: one that is closed before it began runs no line of it.
        response.call_on_close(leave)
        # What is done after the request may put another response in the place of this one.
        weakref.finalize(stream, leave).atexit = False
        return response


def _events(job: MediaJob, links: dict[str, str], seen: str | None, end: float) -> Iterator[str]:
    """The job as it stands, unless that was seen, and each time that it changes.

    :param end: until when, on the monotonic clock.
    """
    yield f"retry: {RECONNECT_MS}\n\n"
    while True:
        text = text_of(document_of(job, links))
        digest = digest_of(text)
        if digest != seen:
            seen = digest
            yield f"event: status\nid: {digest}\ndata: {text}\n\n"
        if job.has_ended:
            return
        try:
            while not job.changed(min(HEARTBEAT, end - time.monotonic())):
                if time.monotonic() >= end:
                    return
                yield ": waiting\n\n"
        except (JournalError, NotFound) as error:
            extra = fields(job_id=job.id, error=error)
            logger.warning("Job %s: its events end: %s", job.id, error, extra=extra)
            return  # the client comes back, and is told then
