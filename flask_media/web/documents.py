"""A job as a JSON document."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING
from typing import Any

from flask import Response
from flask import current_app
from flask import url_for

from . import problems

if TYPE_CHECKING:
    from ..jobs.handle import MediaJob

DIGEST_CHARS = 20
"""Length of a document's digest: 80 bits, to tell the few states of one job apart."""


def links_of(job_id: str) -> dict[str, str]:
    """Where to go from a job; within a request."""
    return {
        "self": url_for(".job", job_id=job_id),
        "events": url_for(".events", job_id=job_id),
        "cancel": url_for(".cancel", job_id=job_id),
    }


def document_of(job: MediaJob, links: dict[str, str]) -> dict[str, Any]:
    """How the job stands."""
    result, error = job.stored, job.error
    return {
        "id": job.id,
        "status": job.status,
        "ended": job.has_ended,
        "progress": job.progress,
        "object_key": job.object_key,
        "created_at": job.created_at.isoformat(),
        "updated_at": job.updated_at.isoformat(),
        "result": result and result.to_dict(),
        "error": error and _without_seconds(problems.describe(error)),
        "links": links,
    }


def _without_seconds(problem: dict[str, Any]) -> dict[str, Any]:
    """The problem as it stays: seconds count from now on, and would make a new document of each."""
    return {name: value for name, value in problem.items() if name != "retry_after"}


def digest_of(text: str) -> str:
    """A short digest of a document as it is sent."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_CHARS]


def text_of(document: dict[str, Any]) -> str:
    """The document as it is sent: one line."""
    return json.dumps(document, separators=(",", ":"))


def json_response(document: dict[str, Any], status: int = 200) -> Response:
    """The answer that is the document."""
    response = current_app.response_class(
        text_of(document), status, content_type="application/json"
    )
    response.headers["Cache-Control"] = "private, no-cache"
    return response
