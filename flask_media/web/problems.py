"""Errors as RFC 9457 problem documents, each class with a type of its own that stays the same."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import re
from datetime import UTC
from datetime import datetime
from http import HTTPStatus
from typing import Any

from flask import Blueprint
from flask import Response
from flask import current_app
from flask import request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import default_exceptions
from werkzeug.wrappers import Response as BaseResponse

from .. import errors
from ..errors import MediaError
from .rates import seconds_to_reset

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"

TYPE = "urn:flask-media:problem:"
"""What every ``type`` begins with. It is a name to compare with, and leads nowhere."""

POLL_SECONDS = 2
"""Seconds after which to ask again for what is under way."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """How a class of errors is told."""

    status: int
    """The HTTP status."""
    name: str
    """The end of the ``type``."""
    title: str
    """What it is, in words that stay the same."""
    detail: str | None = None
    """What to tell in place of the error's own words, where those are for the app's operator."""


_OURS = "The fault is not in the request. The operator's log says more."

KINDS: dict[type[MediaError], Kind] = {
    MediaError: Kind(500, "internal-error", "Internal error", _OURS),
    errors.NotConfigured: Kind(500, "not-configured", "Not configured", _OURS),
    errors.InvalidRequest: Kind(422, "invalid-request", "Invalid request"),
    errors.ContentBlocked: Kind(422, "content-blocked", "Content blocked"),
    errors.NoImageReturned: Kind(502, "no-image-returned", "No image returned"),
    errors.RateLimited: Kind(
        503, "rate-limited", "Provider's limit reached", "The model's provider takes no more now."
    ),
    errors.ProviderUnavailable: Kind(
        503, "provider-unavailable", "Provider unavailable", "The model's provider can't be used."
    ),
    errors.ProviderRefused: Kind(502, "provider-refused", "Provider refused", _OURS),
    errors.OutcomeUnknown: Kind(
        504,
        "outcome-unknown",
        "Outcome unknown",
        "The call to the model was cut off, and may have been charged.",
    ),
    errors.GenerationTimeout: Kind(
        504,
        "generation-timeout",
        "Generation timed out",
        "The model did not answer in time; the call may have been charged.",
    ),
    errors.InvalidImage: Kind(
        502, "invalid-image", "Invalid image", "The model sent no usable picture."
    ),
    errors.UploadFailed: Kind(
        502, "upload-failed", "Upload failed", "The picture was made and could not be stored."
    ),
    errors.StorageError: Kind(502, "storage-error", "Storage error", _OURS),
    errors.NotFound: Kind(404, "not-found", "Not found", "There is nothing here that you can see."),
    errors.JournalError: Kind(
        503, "journal-error", "Journal out of reach", "Jobs can't be read or recorded now."
    ),
    errors.BudgetExceeded: Kind(
        429, "budget-exceeded", "Budget exceeded", "The day's budget is used up."
    ),
    errors.IdempotencyConflict: Kind(
        422,
        "idempotency-conflict",
        "Idempotency conflict",
        "The Idempotency-Key stands for another request.",
    ),
    errors.InProgress: Kind(
        409, "in-progress", "In progress", "The same request is under way. Ask again later."
    ),
    errors.ObjectExists: Kind(
        409,
        "object-exists",
        "Object exists",
        "The object key is taken, or a job is at work on it.",
    ),
    errors.JobCancelled: Kind(409, "job-cancelled", "Job cancelled", "The job was cancelled."),
    errors.QueueUnavailable: Kind(
        503, "queue-unavailable", "Queue unavailable", "No more jobs are taken now."
    ),
}
"""Every class of errors; one that is not here is told as its nearest base."""


class Refused(HTTPException):
    """A refusal of this interface itself.

    :param status: the HTTP status.
    :param name: the end of the ``type``.
    :param detail: what is wrong, and what to do about it.
    :param headers: more headers of the answer.
    :param members: more members of the document.
    """

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.code = status
        self.name_of_type = name
        """The end of the ``type``."""
        self.members = members
        """More members of the document."""
        self.more_headers = headers or {}
        """More headers of the answer."""


def add_problems(blueprint: Blueprint) -> None:
    """Have every error within the blueprint answered as a problem document.

    An app's own handlers go before one of a class here if they are for a code, so that each code
    has one here.
    """
    blueprint.register_error_handler(MediaError, media_problem)
    blueprint.register_error_handler(HTTPException, http_problem)
    for code in default_exceptions:
        blueprint.register_error_handler(code, http_problem)
    blueprint.register_error_handler(Exception, _unforeseen)


def _unforeseen(error: Exception) -> ResponseReturnValue:
    """Have Flask log what nobody foresaw, and tell of it as a 500.

    What the app has a handler for, as an extension has for its own errors in ``authorize``, it
    foresaw; a handler for all of Exception foresees nothing.
    """
    classes = type(error).__mro__
    for name in (*request.blueprints, None):
        handlers = current_app.error_handler_spec[name][None]
        for cls in classes[: classes.index(Exception)]:
            if cls in handlers:
                answer: ResponseReturnValue = current_app.ensure_sync(handlers[cls])(error)
                return answer
    raise error


def describe(error: MediaError) -> dict[str, Any]:
    """The document of an error of ours."""
    kind = next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS)
    is_passing = error.retryable and kind.status == HTTPStatus.BAD_GATEWAY
    document = {
        "type": TYPE + kind.name,
        "title": kind.title,
        "status": 503 if is_passing else kind.status,
        "detail": kind.detail or error.message,
        "retryable": error.retryable,
    }
    if error.job_id is not None:
        document["job_id"] = error.job_id
    if (seconds := _retry_after(error)) is not None:
        document["retry_after"] = seconds
    return document


def media_problem(error: MediaError, headers: dict[str, str] | None = None) -> Response:
    """The answer that tells of an error of ours."""
    document = describe(error)
    if document["status"] >= 500:
        logger.warning(
            "%s %s: %s: %s", request.method, request.path, type(error).__name__, error.message
        )
    return _answer(document, headers or {})


def http_problem(error: HTTPException) -> BaseResponse:
    """The answer that tells of an HTTP error."""
    if error.response is not None or error.code is None or error.code < 400:
        return error.get_response()  # a redirect, or an answer of the app's own making
    if isinstance(error, Refused):
        name, title = error.name_of_type, error.name_of_type.replace("-", " ").capitalize()
    else:
        title = error.name
        name = re.sub("[^a-z0-9]+", "-", title.lower().replace("'", "")).strip("-")
    document: dict[str, Any] = {
        "type": TYPE + name,
        "title": title,
        "status": error.code,
        "detail": error.description or title,
        "retryable": error.code in (429, 503),
    }
    headers = {
        field: value
        for field, value in error.get_headers(request.environ)
        if field.lower() not in ("content-type", "content-length")
    }
    if isinstance(error, Refused):
        document |= error.members
        headers |= error.more_headers
    elif error.code == 429 and (seconds := seconds_to_reset()) is not None:
        document["retry_after"] = seconds
    return _answer(document, headers)


def _answer(document: dict[str, Any], headers: dict[str, str]) -> Response:
    response = Response(
        json.dumps(document), document["status"], headers, content_type=CONTENT_TYPE
    )
    if "retry_after" in document:
        response.headers["Retry-After"] = str(document["retry_after"])
    response.headers["Cache-Control"] = "no-store"
    return response


def _retry_after(error: MediaError) -> int | None:
    """Whole seconds after which to ask again, None where nobody knows."""
    if isinstance(error, errors.InProgress):
        return POLL_SECONDS
    if isinstance(error, errors.BudgetExceeded):
        if error.resets_at is None:
            return None
        return max(1, math.ceil((error.resets_at - datetime.now(UTC)).total_seconds()))
    if isinstance(error, errors.ProviderError | errors.QueueUnavailable):
        return None if error.retry_after is None else max(1, math.ceil(error.retry_after))
    return None
