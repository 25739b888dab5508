"""``POST /generate``: asking for a picture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flask import Blueprint
from flask import Response
from flask import request
from flask import url_for
from werkzeug.http import parse_list_header

from ..errors import InProgress
from ..errors import MediaError
from ..errors import ObjectExists
from ..globals import current_media
from ..keys import check_object_key
from ..values import Terms
from ..values import Wanted
from . import problems
from .documents import document_of
from .documents import json_response
from .documents import links_of
from .gate import Gate
from .places import Places
from .places import seconds_here
from .problems import POLL_SECONDS
from .problems import Refused
from .settings import Settings

if TYPE_CHECKING:
    from ..jobs.handle import MediaJob
    from ..options import ImageGenerationConfig
    from ..types import MediaResult
    from .schemas import Ask

_KEY = re.compile(r'"([ !#-\[\]-~]{1,255})"|([!#-~][!-~]{0,254})')
_WAIT = re.compile(r"wait[ \t]*(?:=[ \t]*\"?([0-9]{1,9})\"?)?", re.IGNORECASE)


def add_generate(blueprint: Blueprint, gate: Gate, settings: Settings, places: Places) -> None:
    """Give the blueprint the route that asks for a picture."""

    @blueprint.post("/generate")
    def generate() -> Response:
        who = gate.poster(rate_limit=settings.rate_limit)
        from .schemas import Ask
        from .schemas import AskWithKey
        from .schemas import parse

        ask = parse(AskWithKey if settings.client_keys else Ask, gate.body())
        wanted, terms = _asking(ask, who, settings)
        try:
            job = current_media.put_in_queue(wanted, terms)
        except (InProgress, ObjectExists) as error:
            return problems.media_problem(error, _location(error))
        if job.has_ended:
            return _created(_result(job), 200)
        return _answer(job, who, settings, places)


def _asking(ask: Ask, who: str, settings: Settings) -> tuple[Wanted, Terms]:
    from .schemas import config_of
    from .schemas import variants_of

    config = config_of(ask.config)
    _check_model(config, settings)
    named = getattr(ask, "object_key", None)
    if named is not None and not check_object_key(named).startswith(settings.keys.folder(who)):
        folder = settings.keys.folder(who)
        raise Refused(403, "key-not-allowed", f"Your object keys begin with {folder!r}.")
    wanted = Wanted(
        prompt=ask.prompt,
        object_key=named or settings.keys.make(who, config.format if config else None),
        metadata=ask.metadata,
        config=config,
        variants=variants_of(ask),
    )
    return wanted, Terms(
        idempotency_key=_idempotency_key(),
        spender=who,
        wait=False,
        is_queued=True,
        is_remote=True,
        has_made_key=named is None,
        overwrite=named is None or settings.overwrite,
    )


def _check_model(config: ImageGenerationConfig | None, settings: Settings) -> None:
    """Refuse a model that costs what the app did not agree to."""
    allowed = (None, current_media.config.gemini_model, *settings.models)
    if config is not None and config.model not in allowed:
        raise Refused(403, "model-not-allowed", f"You can't choose the model {config.model}.")


def _idempotency_key() -> str | None:
    """The key, without the quotes that the draft asks for and many clients leave out."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (found := _KEY.fullmatch(key)):
        raise Refused(
            400,
            "invalid-idempotency-key",
            "Idempotency-Key must be 1 to 255 characters of ASCII, best in double quotes.",
        )
    return found[1] or found[2]


def _answer(job: MediaJob, who: str, settings: Settings, places: Places) -> Response:
    """The result if the client waits for it and it comes in time, else how the job stands."""
    seconds = seconds_here(_seconds_to_wait(settings.max_wait))
    leave = places.take(who) if seconds else None
    if leave is not None:
        try:
            return _created(job.result(seconds), 201)
        except TimeoutError:
            pass
        finally:
            leave()
    response = json_response(document_of(job, links_of(job.id)), 202)
    response.headers["Location"] = url_for(".job", job_id=job.id)
    response.headers["Retry-After"] = str(POLL_SECONDS)
    return response


def _seconds_to_wait(most: float) -> float:
    """What ``Prefer`` asks for. What it says besides, or wrongly, is no reason to refuse."""
    for preference in parse_list_header(request.headers.get("Prefer", "")):
        if found := _WAIT.fullmatch(preference.partition(";")[0].strip()):
            return most if found[1] is None else min(most, float(found[1]))
    return 0.0


def _result(job: MediaJob) -> MediaResult:
    if (result := job.stored) is None:
        raise job.error or MediaError(f"Job {job.id} stores no picture.", job_id=job.id)
    return result


def _created(result: MediaResult, status: int) -> Response:
    response = json_response(result.to_dict(), status)
    response.headers["Location"] = result.url
    if _seconds_to_wait(1):
        response.headers["Preference-Applied"] = "wait"
    return response


def _location(error: InProgress | ObjectExists) -> dict[str, str]:
    """Where the job is that stands in the way; it is told only to whom it belongs."""
    if error.job_id is None or isinstance(error, ObjectExists):
        error.job_id = None
        return {}
    return {"Location": url_for(".job", job_id=error.job_id)}
