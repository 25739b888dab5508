"""Every route for everybody: nobody gets anything that was not granted."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from flask_media import current_media

from .api import Api
from .api import json_of
from .api import problem_of

ROUTES = {
    "generate": ("POST", "/generate", {"prompt": "A hut"}),
    "jobs": ("GET", "/jobs", None),
    "job": ("GET", "/jobs/{job}", None),
    "events": ("GET", "/jobs/{job}/events", None),
    "cancel": ("POST", "/jobs/{job}/cancel", {}),
    "openapi": ("GET", "/openapi.json", None),
    "own file": ("GET", "/files/{own}", None),
    "shared file": ("GET", "/files/{shared}", None),
}
ROLES = ["nobody", "owner", "another"]

GRANTED = {
    ("generate", "owner"): 202,
    ("generate", "another"): 202,
    ("jobs", "owner"): 200,
    ("jobs", "another"): 200,
    ("job", "owner"): 200,
    ("events", "owner"): 200,
    ("cancel", "owner"): 409,  # it is done
    ("openapi", "owner"): 200,
    ("openapi", "another"): 200,
    ("own file", "owner"): 200,
    ("shared file", "owner"): 200,
    ("shared file", "another"): 200,
}
"""What is granted; all else is denied: 403 to nobody in particular, 404 to others."""


def _send(api: Api, route: str, role: str, job: dict[str, Any]) -> Any:
    method, path, body = ROUTES[route]
    path = path.format(job=job["job_id"], own=job["object_key"], shared="goals/7/house.png")
    who = {"owner": {"X-User": "ann"}, "another": {"X-User": "bob"}, "nobody": {}}[role]
    return api.app.test_client().open(
        f"/media{path}", method=method, json=body, headers=who, buffered=True
    )


@pytest.mark.parametrize(("route", "role"), list(itertools.product(ROUTES, ROLES)))
def test_route_and_role(route: str, role: str, api: Api, png: bytes) -> None:
    """Each route answers each role as it is granted, and denies it else."""
    job = api.made({"prompt": "secret-of-ann"})
    with api.app.app_context():
        current_media.upload(png, "goals/7/house.png")
    response = _send(api, route, role, job)
    granted = GRANTED.get((route, role))
    if granted is not None:
        assert response.status_code == granted
    elif role == "nobody":
        problem_of(response, 403, "forbidden")
    else:
        problem_of(response, 404, "not-found")
    if role != "owner":
        assert b"secret-of-ann" not in response.data
        assert job["job_id"].encode() not in response.data


def test_every_route_is_there(api: Api) -> None:
    """The matrix above has each route of the blueprint."""
    rules = {
        rule.rule.removeprefix("/media")
        for rule in api.app.url_map.iter_rules()
        if rule.rule.startswith("/media")
    }
    described = {
        path.replace("{", "<").replace("}", ">").replace("<key>", "<path:key>")
        for path in json_of(api.get("/openapi.json"))["paths"]
    }
    assert rules == described
    assert len(rules) == len({path.partition("{own}")[0] for _, path, _ in ROUTES.values()}) - 1


@pytest.mark.parametrize(("route", "role"), [("jobs", "another"), ("generate", "nobody")])
def test_what_else_is_sent(route: str, role: str, api: Api) -> None:
    """No parameter, field or header of ours makes one somebody else."""
    job = api.made()
    response = _send(api, route, role, job)
    before = response.status_code
    method, path, body = ROUTES[route]
    headers = {"Spender": "ann", "X-Forwarded-User": "ann", "Authorization": "Bearer ann"}
    if role == "another":
        headers["X-User"] = "bob"
    again = api.app.test_client().open(
        f"/media{path}?spender=ann&who=ann&user=ann", method=method, json=body, headers=headers
    )
    assert again.status_code == before
    assert job["job_id"].encode() not in again.data


def test_what_the_files_route_grants_with_can_read(make_api: Any) -> None:
    """can_read, where it is given, is what counts, for pictures of others' folders too."""
    api = make_api(can_read=lambda who, key: who == "bob")
    job = api.made()
    assert api.by("bob").get(job["url"]).status_code == 200
    assert api.get(job["url"]).status_code == 404
