"""The routes that tell of jobs: one, the list, cancelling; and that each sees only their own."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from flask_media import FlaskMedia
from flask_media import current_media

from .api import Api
from .api import MakeApi
from .api import json_of
from .api import problem_of
from .conftest import MakeApp
from .conftest import let_in


def test_progress(api: Api) -> None:
    """While a job is under way its document says how far it is, and when to look again."""
    release = api.hold()
    job = json_of(api.ask())
    api.taken_up(job["id"])
    response = api.get(job["links"]["self"])
    assert response.headers["Retry-After"] == "2"
    seen = json_of(response)
    assert (seen["status"], seen["ended"]) == ("generating", False)
    assert 0 < seen["progress"] < 1
    release.set()
    done = api.ended(job["id"])
    assert done["created_at"] == job["created_at"] < done["updated_at"]
    assert "Retry-After" not in api.get(job["links"]["self"]).headers


def test_failure(api: Api) -> None:
    """A job that failed has the problem that its waiter would have got, and 200 itself."""
    api.emulator.default_mode = "safety"
    done = api.ended(json_of(api.ask())["id"])
    assert (done["status"], done["ended"], done["result"]) == ("failed", True, None)
    assert done["error"]["type"] == "urn:flask-media:problem:content-blocked"
    assert done["error"]["job_id"] == done["id"]


def test_failure_that_can_pass(make_api: MakeApi) -> None:
    """When to ask again is told to whom is refused now, and not in the document of what is over."""
    api = make_api(MEDIA_QUEUE_RETRIES=0, GEMINI_MAX_ATTEMPTS=1)
    api.emulator.default_mode = "429,retry=3"
    problem = problem_of(api.ask(Prefer="wait"), 503, "rate-limited")
    assert problem["retry_after"] > 0
    error = api.ended(problem["job_id"])["error"]
    assert error == {name: problem[name] for name in problem if name != "retry_after"}


def test_what_a_failure_hides(make_api: MakeApi) -> None:
    """What the provider says of the key or the project is for the log, not for clients."""
    api = make_api(MEDIA_QUEUE_RETRIES=0, GEMINI_MAX_ATTEMPTS=1)
    api.emulator.default_mode = "403"
    problem = problem_of(api.ask(Prefer="wait"), 502, "provider-refused")
    assert "key" not in problem["detail"].lower()
    assert problem["retryable"] is False


def test_unchanged(api: Api) -> None:
    """Who has the job's document already gets 304."""
    job = api.made()["job_id"]
    etag = api.get(f"/jobs/{job}").headers["ETag"]
    response = api.get(f"/jobs/{job}", If_None_Match=etag)
    assert (response.status_code, response.data) == (304, b"")
    assert api.get(f"/jobs/{job}", If_None_Match='"other"').status_code == 200


@pytest.mark.parametrize(
    ("path", "job"),
    [
        *itertools.product(
            ["/jobs/{}", "/jobs/{}/events"],
            ["another's", "0" * 32, "x", "0" * 33, "%00", "%F0%9F%8F%A0", "A" * 32],
        ),
        *[("/jobs?after={}", "another's"), ("/jobs?after={}", "0" * 32)],
    ],
)
def test_jobs_of_others(path: str, job: str, api: Api) -> None:
    """Another's job, and one that there is none of, get the same answer."""
    if job == "another's":
        job = api.by("bob").made()["job_id"]
    problem = problem_of(api.get(path.format(job)), 404, "not-found")
    assert problem["detail"] == "There is nothing here that you can see."
    assert "job_id" not in problem


def test_cancel_of_others(api: Api) -> None:
    """Another's job can't be cancelled, and stays as it is."""
    release = api.hold()
    job = json_of(api.by("bob").ask())
    problem_of(api.post(f"/jobs/{job['id']}/cancel", {}), 404, "not-found")
    release.set()
    assert api.by("bob").ended(job["id"])["status"] == "done"


def test_jobs_of_another_storage(make_api: MakeApi, api: Api) -> None:
    """An app that shares the journal, with another storage, does not see them."""
    job = api.made()["job_id"]
    other = make_api(MEDIA_STORAGE="filesystem")
    problem_of(other.get(f"/jobs/{job}"), 404, "not-found")
    assert json_of(other.get("/jobs")) == {"jobs": [], "next": None}


def test_jobs_of_the_app(api: Api) -> None:
    """What the app asks for itself with that spender is theirs too; without one it is nobody's."""
    with api.app.app_context():
        theirs = current_media.generate_and_upload("A hut", "hut.png", spender="ann")
        kept = current_media.generate("A hut", spender="ann")
        nobodys = current_media.generate_and_upload("A hut", "hut2.png")
    assert json_of(api.get(f"/jobs/{theirs.job_id}"))["result"]["object_key"] == "hut.png"
    document = json_of(api.get(f"/jobs/{kept.job_id}"))
    assert (document["object_key"], document["result"], document["error"]) == (None, None, None)
    problem_of(api.get(f"/jobs/{nobodys.job_id}"), 404, "not-found")


def test_list(api: Api) -> None:
    """The list has one's own jobs, newest first, page by page, each once."""
    jobs = [json_of(api.ask({"prompt": f"House {number}"}))["id"] for number in range(5)]
    json_of(api.by("bob").ask())
    path, seen, pages = "/jobs?limit=2", [], 0
    while path:
        response = api.get(path)
        page = json_of(response)
        assert response.headers.get("Link") == (
            f'<{page["next"]}>; rel="next"' if page["next"] else None
        )
        seen += [job["id"] for job in page["jobs"]]
        path, pages = page["next"], pages + 1
    assert seen == jobs[::-1]
    assert pages == 3
    for job in jobs:
        api.ended(job)


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "limit=1.5", "limit=1&limit=2"),
        *("limit=%D9%A1", "after=", "after=x", "after=%00", "after=a&after=b"),
    ],
)
def test_query_that_is_wrong(query: str, api: Api) -> None:
    """A query that can't be understood is refused."""
    problem_of(api.get(f"/jobs?{query}"), 400, "invalid-query")


def test_cancel(make_api: MakeApi) -> None:
    """A job that waits is cancelled: it costs nothing, and to cancel it again is no error."""
    api = make_api(MEDIA_QUEUE_THREADS=1)
    release = api.hold()
    first = json_of(api.ask())["id"]
    api.taken_up(first)
    second = json_of(api.ask({"prompt": "Two"}))["id"]
    for _ in range(2):
        response = api.post(f"/jobs/{second}/cancel", {})
        assert response.status_code == 200
        document = json_of(response)
        assert document["error"]["type"] == "urn:flask-media:problem:job-cancelled"
        assert document["status"] == "failed"
    release.set()
    api.ended(first)
    assert api.emulator.calls == 1


def test_cancel_that_is_too_late(api: Api) -> None:
    """A job that the model is asked for, or was, can't be cancelled."""
    release = api.hold()
    job = json_of(api.ask())["id"]
    api.taken_up(job)
    problem = problem_of(api.post(f"/jobs/{job}/cancel", {}), 409, "too-late")
    assert problem["job_id"] == job
    release.set()
    assert api.ended(job)["status"] == "done"
    problem_of(api.post(f"/jobs/{job}/cancel", {}), 409, "too-late")


def test_cancelled_while_waited_for(make_api: MakeApi) -> None:
    """Who waits for a job that is cancelled is told so under its key."""
    api = make_api(MEDIA_QUEUE_THREADS=1)
    release = api.hold()
    first = json_of(api.ask())["id"]
    api.taken_up(first)
    body = {"prompt": "Two"}
    second = json_of(api.ask(body, Idempotency_Key="k"))["id"]
    assert api.post(f"/jobs/{second}/cancel", {}).status_code == 200
    problem_of(api.ask(body, Idempotency_Key="k", Prefer="wait"), 409, "job-cancelled")
    release.set()
    api.ended(first)


def test_journal_out_of_reach(make_app: MakeApp, tmp_path: Path) -> None:
    """Without its journal the app answers 503, and says nothing of where that should be."""
    (tmp_path / "nowhere").write_text("a file where a folder should be")
    media = FlaskMedia()
    app = make_app(
        media,
        MEDIA_GENERATOR="placeholder",
        MEDIA_STORAGE="memory",
        MEDIA_JOURNAL_URL=f"sqlite:///{tmp_path}/nowhere/media.sqlite3",
    )
    app.register_blueprint(media.create_blueprint(authorize=let_in))
    client = app.test_client()
    headers = {"X-User": "ann"}
    for response in (
        client.post("/generate", json={"prompt": "x"}, headers=headers),
        client.get("/jobs", headers=headers),
        client.get(f"/jobs/{'0' * 32}", headers=headers),
        client.get(f"/jobs/{'0' * 32}/events", headers=headers),
        client.post(f"/jobs/{'0' * 32}/cancel", json={}, headers=headers),
    ):
        problem_of(response, 503, "journal-error")
        assert b"nowhere" not in response.data
