"""Options of the blueprint: a wrong one is refused when it is made; the rate limit."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from flask_media import FlaskMedia

from .api import MakeApi
from .api import json_of
from .api import problem_of
from .conftest import let_in


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"object_key": None}, "object_key is None"),
        ({"object_key": "{id}.webp"}, "below a folder of its own"),
        ({"object_key": "{spender}/{id}.webp"}, "below a folder of its own"),
        ({"object_key": "a-{spender}/{id}.webp"}, "below a folder of its own"),
        ({"object_key": "a/x-{spender}/{id}.webp"}, "as one of its folders"),
        ({"object_key": "a/{spender}/{spender}/{id}.webp"}, "as one of its folders"),
        ({"object_key": "a/{spender}.webp"}, "{id} in its last part"),
        ({"object_key": "a/{id}/x.webp"}, "{id} in its last part"),
        ({"object_key": "a/{id}{id}.webp"}, "{id} in its last part"),
        ({"object_key": "a/{user}/{id}.webp"}, "no other fields"),
        ({"object_key": "a/{id!r}.webp"}, "no other fields"),
        ({"object_key": "a/{id:9}.webp"}, "no other fields"),
        ({"object_key": "a/{id.x}.webp"}, "no other fields"),
        ({"object_key": "a/{}.webp"}, "no other fields"),
        ({"object_key": "a/{id.webp"}, "a template"),
        ({"object_key": "a/v{{1}}/{spender}/{id}.webp"}, "braces of its own"),
        ({"object_key": "a}}/{spender}/{id}.webp"}, "braces of its own"),
        ({"object_key": "a/{spender}/{{x}}-{id}.webp"}, "braces of its own"),
        ({"object_key": "a/../{id}.webp"}, "can be stored"),
        ({"object_key": "/a/{id}.webp"}, "can be stored"),
        ({"object_key": "a/{id}.exe"}, "can be stored"),
        ({"client_keys": 1}, "client_keys is 1"),
        ({"models": "gemini-3-pro-image"}, "models is 'gemini-3-pro-image'"),
        ({"client_keys": True, "object_key": "a/{id}.webp"}, "client_keys is True"),
        ({"overwrite": True}, "overwrite is True"),
        ({"overwrite": "no"}, "overwrite is 'no'"),
        ({"allowed_origins": "https://a.example"}, "allowed_origins"),
        ({"allowed_origins": ["*"]}, "allowed_origins"),
        ({"allowed_origins": ["null"]}, "allowed_origins"),
        ({"allowed_origins": ["https://a.example/"]}, "allowed_origins"),
        ({"allowed_origins": ["https://"]}, "allowed_origins"),
        ({"allowed_origins": ["a.example"]}, "allowed_origins"),
        ({"allowed_origins": [5]}, "allowed_origins"),
        ({"allowed_origins": ["http://[::1"]}, "allowed_origins"),
        ({"rate_limit": ""}, "rate_limit"),
        ({"rate_limit": 10}, "rate_limit is 10"),
        ({"max_body": 0}, "max_body is 0"),
        ({"max_body": 1e4}, "max_body"),
        ({"max_wait": -1}, "max_wait"),
        ({"max_wait": float("nan")}, "max_wait"),
        ({"max_wait": True}, "max_wait"),
        ({"events_seconds": "5"}, "events_seconds"),
        ({"max_streams": -1}, "max_streams"),
        ({"max_streams": None}, "max_streams"),
    ],
    ids=repr,
)
def test_options_that_are_wrong(options: dict[str, Any], words: str) -> None:
    """A wrong option is refused when the blueprint is made, by its name and value."""
    with pytest.raises(ValueError, match="must be") as caught:
        FlaskMedia().create_blueprint(authorize=let_in, **options)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("pictures/{id}", r"pictures/[0-9a-f]{32}"),
        ("a/b/{spender}/c/{id}-x.png", r"a/b/ann/c/[0-9a-f]{32}-x\.png"),
        ("a/{id}.jpeg", r"a/[0-9a-f]{32}\.jpeg"),
    ],
)
def test_templates(template: str, key: str, make_api: MakeApi) -> None:
    """A template may have folders, no folder of the spender, and no extension."""
    result = make_api(object_key=template).made()
    assert re.fullmatch(key, result["object_key"])


def limiter_of_the_app(**options: Any) -> Limiter:
    """A limiter as an app has one, which counts in this process."""
    return Limiter(get_remote_address, storage_uri="memory://", **options)


def test_a_limit_that_nobody_keeps(make_api: MakeApi) -> None:
    """A rate limit without Flask-Limiter is refused when the blueprint is registered."""
    with pytest.raises(RuntimeError, match="rate_limit='2/hour' needs Flask-Limiter"):
        make_api(rate_limit="2/hour")


def test_a_limit_that_is_none(make_api: MakeApi) -> None:
    """A rate limit that Flask-Limiter can't read is refused by its name."""
    with pytest.raises(ValueError, match="rate_limit is 'often'"):
        make_api(limiter_of_the_app(), rate_limit="often")


def test_rate_limit(make_api: MakeApi) -> None:
    """Each caller may ask so often, whatever becomes of it; then it is 429 with when to return."""
    api = make_api(limiter_of_the_app(), rate_limit="2/hour")
    assert api.ask().status_code == 202
    assert api.ask(b"nonsense").status_code == 400
    response = api.ask()
    problem = problem_of(response, 429, "too-many-requests")
    assert 0 < problem["retry_after"] <= 3601
    assert response.headers["Retry-After"] == str(problem["retry_after"])
    assert api.by("bob").ask().status_code == 202
    assert api.get("/jobs").status_code == 200
    assert len(json_of(api.get("/jobs"))["jobs"]) == 1


def test_rate_limit_counts_nobody_else(make_api: MakeApi) -> None:
    """What is denied or forged uses up no one's limit."""
    api = make_api(limiter_of_the_app(), rate_limit="1/hour")
    for _ in range(3):
        assert api.by("").ask().status_code == 403
        assert api.ask(Origin="https://evil.example").status_code == 403
        assert api.ask(Content_Type="text/plain").status_code == 415
    assert api.ask().status_code == 202


def test_limits_of_the_app(make_api: MakeApi) -> None:
    """The app's own default limits stay in force, and are told as a problem too."""
    limiter = limiter_of_the_app(default_limits=["3/hour"])
    api = make_api(limiter, rate_limit="100/hour")
    statuses = [api.ask().status_code for _ in range(4)]
    assert statuses == [202, 202, 202, 429]
    response = api.ask()
    assert problem_of(response, 429, "too-many-requests")["retry_after"] > 0


def test_rate_limit_of_two_apps(make_api: MakeApi) -> None:
    """A blueprint in an app without a limit is not counted by another app's limiter."""
    one = make_api(limiter_of_the_app(), rate_limit="1/hour")
    two = make_api()
    assert one.ask().status_code == 202
    assert [two.ask().status_code for _ in range(3)] == [202] * 3


def test_registering_twice(make_api: MakeApi) -> None:
    """One blueprint under two prefixes serves under both."""
    media = FlaskMedia()
    app: Flask = make_api().app
    blueprint = media.create_blueprint(authorize=let_in, name="again")
    app.register_blueprint(blueprint, url_prefix="/one")
    app.register_blueprint(blueprint, url_prefix="/two", name="two")
    client = app.test_client()
    headers = {"X-User": "ann"}
    for prefix in ("/one", "/two"):
        document = json_of(client.get(f"{prefix}/openapi.json", headers=headers))
        assert document["servers"] == [{"url": prefix}]
        job = json_of(client.post(f"{prefix}/generate", json={"prompt": "x"}, headers=headers))
        assert job["links"]["self"].startswith(f"{prefix}/jobs/")
        problem_of(client.put(f"{prefix}/jobs", headers=headers), 405, "method-not-allowed")


def test_nothing_slow_is_imported() -> None:
    """Making and registering the blueprint imports no Pydantic; the first request does."""
    code = (
        "import sys; from flask import Flask; from flask_media import FlaskMedia\n"
        "app = Flask('x'); media = FlaskMedia(app)\n"
        "app.register_blueprint(media.create_blueprint(authorize=lambda request: 'ann'))\n"
        "slow = {'pydantic', 'sqlalchemy', 'PIL', 'boto3', 'httpx2', 'google.genai'}\n"
        "assert not slow & sys.modules.keys(), slow & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
