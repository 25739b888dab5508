"""``GET /openapi.json``: what the routes take and give, made of the same models that check it."""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import Any

from flask import Blueprint
from flask import Response
from flask import current_app
from flask import url_for

from .documents import text_of
from .gate import Gate
from .problems import CONTENT_TYPE
from .settings import Settings

PROBLEM = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
PICTURES = ("image/png", "image/jpeg", "image/webp", "image/avif")

JOB_ID = {
    "name": "job_id",
    "in": "path",
    "required": True,
    "description": "The id of one of your jobs.",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
}
FILE_KEY = {
    "name": "key",
    "in": "path",
    "required": True,
    "description": "The object key. Its slashes stay slashes.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 1024},
}


EVENT = {
    "description": "One event of the stream.",
    "type": "object",
    "required": ["event", "id", "data"],
    "properties": {
        "event": {"const": "status"},
        "id": {"type": "string", "pattern": "^[0-9a-f]{20}$"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Job"},
        },
    },
}


def add_openapi(blueprint: Blueprint, gate: Gate, settings: Settings) -> None:
    """Give the blueprint the route of its own description."""

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        gate.caller()
        document = _document(url_for(".openapi").removesuffix("/openapi.json"), settings)
        response = current_app.response_class(text_of(document), content_type="application/json")
        response.headers["Cache-Control"] = "private, no-cache"
        return response


def _document(prefix: str, settings: Settings) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Flask-Media",
            "version": "1",
            "description": "Generated pictures. Every request must be let in by the app.",
        },
        "servers": [{"url": prefix or "/"}],
        "paths": {
            "/generate": {"post": _generate(settings)},
            "/jobs": {"get": _jobs()},
            "/jobs/{job_id}": {"get": _job()},
            "/jobs/{job_id}/events": {"get": _events()},
            "/jobs/{job_id}/cancel": {"post": _cancel()},
            "/files/{key}": {"get": _files()},
            "/openapi.json": {
                "get": {
                    "operationId": "openapi",
                    "summary": "This document",
                    "responses": {
                        "200": {
                            "description": "An OpenAPI document.",
                            "content": {"application/json": {"schema": {"type": "object"}}},
                        },
                        **_problems(403),
                    },
                }
            },
        },
        "components": {"schemas": _schemas(settings.client_keys)},
    }


@functools.cache
def _schemas(client_keys: bool) -> dict[str, Any]:
    from pydantic.json_schema import models_json_schema

    from . import schemas

    ask = schemas.AskWithKey if client_keys else schemas.Ask
    models = (ask, schemas.Nothing, schemas.Result, schemas.Job, schemas.JobList, schemas.Problem)
    _, made = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    found: dict[str, Any] = made["$defs"]
    return found


def _generate(settings: Settings) -> dict[str, Any]:
    from . import schemas

    ask = schemas.AskWithKey if settings.client_keys else schemas.Ask
    parameters = {"key": "$response.body#/object_key"}
    picture = {"files": {"operationId": "files", "parameters": parameters}}
    replies = _problems(400, 403, 409, 413, 415, 422, 429, 502, 503, 504)
    replies["409"]["headers"] = {
        "Location": _header("The job that is under way, where it is that.")
    } | replies["409"].get("headers", {})
    return {
        "operationId": "generate",
        "summary": "Ask for a picture",
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "Your name for this request: sent again, it is the same picture.",
                "schema": {
                    "type": "string",
                    "pattern": r'^("[ !#-\[\]-~]{1,255}"|[!#-~][!-~]{0,254})$',
                },
            },
            {
                "name": "Prefer",
                "in": "header",
                "description": f"wait, or wait=SECONDS ({settings.max_wait:g} at most).",
                "schema": {"type": "string", "examples": ["wait=30"]},
            },
        ],
        "requestBody": _body(ask.__name__),
        "responses": {
            "200": _reply(
                "The picture was there already, under this Idempotency-Key: it is reused.",
                "Result",
                Location=_header("Where the picture is.", required=True),
            )
            | _links("job_id", **picture),
            "201": _reply(
                "The picture, to whom waited for it.",
                "Result",
                Location=_header("Where the picture is.", required=True),
            )
            | _links("job_id", **picture),
            "202": _reply(
                "The job that makes it.",
                "Job",
                Location=_header("Where the job is.", required=True),
            )
            | _links("id"),
            **replies,
        },
    }


def _jobs() -> dict[str, Any]:
    return {
        "operationId": "jobs",
        "summary": "Your jobs, newest first",
        "parameters": [
            {
                "name": "limit",
                "in": "query",
                "description": "Most jobs to return.",
                "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            },
            {
                "name": "after",
                "in": "query",
                "description": "The id of the last job of the page before.",
                "schema": JOB_ID["schema"],
            },
        ],
        "responses": {"200": _reply("A page of jobs.", "JobList"), **_problems(400, 403, 404, 503)},
    }


def _job() -> dict[str, Any]:
    return {
        "operationId": "job",
        "summary": "How a job stands",
        "parameters": [JOB_ID, _if_none_match()],
        "responses": {
            "200": _reply("The job.", "Job", ETag=_header("Changes with the job.", required=True)),
            "304": {"description": "It stands as you know."},
            **_problems(403, 404, 503),
        },
    }


def _events() -> dict[str, Any]:
    return {
        "operationId": "events",
        "summary": "How a job goes on",
        "description": (
            "Events named status, each with the job's document as data. The first comes at once, "
            "unless Last-Event-ID names it. The stream ends with the job, or after a while."
        ),
        "parameters": [
            JOB_ID,
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "The id of the last event that came.",
                "schema": {"type": "string"},
            },
        ],
        "responses": {
            "200": {
                "description": "A stream.",
                "content": {"text/event-stream": {"schema": EVENT}},
            },
            "204": {"description": "The job has ended, and you know; come back no more."},
            **_problems(403, 404, 503),
        },
    }


def _cancel() -> dict[str, Any]:
    return {
        "operationId": "cancel",
        "summary": "Have the model not asked",
        "parameters": [JOB_ID],
        "requestBody": _body("Nothing"),
        "responses": {
            "200": _reply("The job, cancelled.", "Job"),
            **_problems(400, 403, 404, 409, 413, 415, 503),
        },
    }


def _files() -> dict[str, Any]:
    picture = {"schema": {"type": "string", "format": "binary"}}
    pictures = dict.fromkeys(PICTURES, picture)
    return {
        "operationId": "files",
        "summary": "A stored picture",
        "parameters": [
            FILE_KEY,
            _if_none_match(),
            {
                "name": "Range",
                "in": "header",
                "description": "Which bytes.",
                "schema": {"type": "string"},
            },
        ],
        "responses": {
            "200": {"description": "The picture.", "content": pictures},
            "206": {"description": "Part of it.", "content": pictures},
            "302": {"description": "Where it is, in a bucket."},
            "304": {"description": "You have it."},
            **_problems(403, 404, 416, 502, 503),
        },
    }


def _if_none_match() -> dict[str, Any]:
    return {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of what you have.",
        "schema": {"type": "string"},
    }


def _body(model: str) -> dict[str, Any]:
    return {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}},
    }


def _links(job_id: str, **more: Any) -> dict[str, Any]:
    """Where the answer leads, of which that is the job's id."""
    names = ("job", "events", "cancel")
    links = {
        name: {"operationId": name, "parameters": {"job_id": f"$response.body#/{job_id}"}}
        for name in names
    }
    return {"links": links | more}


def _reply(description: str, model: str, **headers: dict[str, Any]) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}},
    }
    return reply | ({"headers": headers} if headers else {})


def _header(description: str, *, required: bool = False) -> dict[str, Any]:
    return {"description": description, "required": required, "schema": {"type": "string"}}


def _problems(*statuses: int) -> dict[str, Any]:
    """The answers that tell of errors; 405 is everywhere, to other methods, and so is 500."""
    replies = {}
    for status in (*statuses, 405, 500):
        reply: dict[str, Any] = {"description": HTTPStatus(status).phrase, "content": PROBLEM}
        if status in (409, 429, 503):
            reply["headers"] = {
                "Retry-After": {
                    "description": "Seconds, where known.",
                    "schema": {"type": "integer", "minimum": 1},
                }
            }
        replies[str(status)] = reply
    return replies
