"""Looking after what was asked for: one job, the list of them, and cancelling."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flask import Blueprint
from flask import Response
from flask import request
from flask import url_for

from ..errors import JobCancelled
from ..errors import NotFound
from ..globals import current_media
from .documents import digest_of
from .documents import document_of
from .documents import json_response
from .documents import links_of
from .gate import Gate
from .problems import POLL_SECONDS
from .problems import Refused

if TYPE_CHECKING:
    from ..jobs.handle import MediaJob

MAX_PAGE = 100
"""Most jobs of one page of the list."""

_JOB_ID = re.compile("[0-9a-f]{32}")


def add_jobs(blueprint: Blueprint, gate: Gate) -> None:
    """Give the blueprint the routes that tell of jobs."""

    @blueprint.get("/jobs")
    def jobs() -> Response:
        who = gate.caller()
        limit, after = _whole("limit", 20), _argument("after")
        if after is not None and not _JOB_ID.fullmatch(after):
            raise Refused(400, "invalid-query", "after must be the id of a job.")
        page = current_media.jobs(who, limit=limit + 1, before=after)
        shown = page[:limit]
        more = url_for(".jobs", limit=limit, after=shown[-1].id) if len(page) > limit else None
        documents = [document_of(job, links_of(job.id)) for job in shown]
        response = json_response({"jobs": documents, "next": more})
        if more:
            response.headers["Link"] = f'<{more}>; rel="next"'
        return response

    @blueprint.get("/jobs/<job_id>")
    def job(job_id: str) -> Response:
        found = own_job(job_id, gate.caller())
        response = json_response(document_of(found, links_of(job_id)))
        if not found.has_ended:
            response.headers["Retry-After"] = str(POLL_SECONDS)
        response.set_etag(digest_of(response.get_data(as_text=True)))
        response.make_conditional(request)
        return response

    @blueprint.post("/jobs/<job_id>/cancel")
    def cancel(job_id: str) -> Response:
        who = gate.poster()
        from .schemas import Nothing
        from .schemas import parse

        parse(Nothing, gate.body())
        found = own_job(job_id, who)
        is_cancelled = found.cancel() or isinstance(found.error, JobCancelled)
        if not is_cancelled:
            raise Refused(
                409,
                "too-late",
                f"The job is {found.status}: the model is being asked, or was.",
                job_id=job_id,
            )
        return json_response(document_of(found, links_of(job_id)))


def own_job(job_id: str, who: str) -> MediaJob:
    """Their job of that id.

    :raises NotFound: there is none; another's is none.
    """
    if not _JOB_ID.fullmatch(job_id):
        raise NotFound(f"{job_id!r:.80} is no id of a job.")
    return current_media.job(job_id, spender=who)


def _argument(name: str) -> str | None:
    values = request.args.getlist(name)
    if len(values) > 1:
        raise Refused(400, "invalid-query", f"{name} is given more than once.")
    return values[0] if values else None


def _whole(name: str, default: int) -> int:
    text = _argument(name)
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= MAX_PAGE:
        raise Refused(400, "invalid-query", f"{name} must be a whole number from 1 to {MAX_PAGE}.")
    return int(text)
