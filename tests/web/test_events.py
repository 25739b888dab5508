"""Server-sent events: what comes, when it ends, and that a reconnect goes on where it was."""

from __future__ import annotations

import dataclasses
import gc
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Response
from werkzeug.test import TestResponse

from flask_media import current_media
from flask_media.web import events
from flask_media.web import places

from .api import Api
from .api import MakeApi
from .api import json_of
from .api import problem_of


@dataclasses.dataclass
class Event:
    """One event, as a browser takes it."""

    id: str
    event: str
    document: dict[str, Any]


@dataclasses.dataclass
class Stream:
    """A stream that is read as it comes."""

    response: TestResponse
    comments: list[str] = dataclasses.field(default_factory=list)
    retry: int | None = None

    def __iter__(self) -> Iterator[Event]:
        for chunk in self.response.iter_encoded():
            for block in chunk.decode().split("\n\n"):
                yield from self._event(block)

    def _event(self, block: str) -> Iterator[Event]:
        if block.startswith(":"):
            self.comments.append(block)
        elif block.startswith("retry:"):
            self.retry = int(block.removeprefix("retry:"))
        elif block:
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            yield Event(fields["id"], fields["event"], json.loads(fields["data"]))


def _stream(api: Api, job_id: str, seen: str | None = None) -> Stream:
    headers = {"X-User": api.who} | ({"Last-Event-ID": seen} if seen else {})
    response = api.app.test_client().get(f"/media/jobs/{job_id}/events", headers=headers)
    assert response.status_code == 200
    return Stream(response)


def test_to_the_end(api: Api) -> None:
    """A stream begins with how the job stands, tells of each change, and ends with the job."""
    release = api.hold()
    job = json_of(api.ask())["id"]
    stream = _stream(api, job)
    assert stream.response.content_type == "text/event-stream; charset=utf-8"
    assert stream.response.headers["Cache-Control"] == "no-store"
    assert stream.response.headers["X-Accel-Buffering"] == "no"
    seen = []
    for event in stream:
        seen.append(event)
        if event.document["status"] == "generating":
            release.set()
    assert stream.retry == 2000
    assert {event.event for event in seen} == {"status"}
    states = [event.document["status"] for event in seen]
    assert states[0] in ("requested", "generating")
    assert states[-1] == "done"
    progress = [event.document["progress"] for event in seen]
    assert progress == sorted(progress)
    assert len({event.id for event in seen}) == len(seen)
    assert seen[-1].document == json_of(api.get(f"/jobs/{job}"))
    stream.response.close()


def test_reconnect(make_api: MakeApi) -> None:
    """Who comes back with the last id gets what is new, and 204 when there will be nothing."""
    api = make_api(events_seconds=0.1)
    release = api.hold()
    job = json_of(api.ask())["id"]
    api.taken_up(job)
    first = _stream(api, job)
    (event,) = list(first)  # its time is up
    first.response.close()
    again = _stream(api, job, event.id)
    assert list(again) == []
    again.response.close()
    release.set()
    done = api.ended(job)
    last = _stream(api, job, event.id)
    (news,) = list(last)
    last.response.close()
    assert news.document == done
    response = api.get(f"/jobs/{job}/events", Last_Event_ID=news.id)
    assert (response.status_code, response.data) == (204, b"")
    assert len(list(_stream(api, job, "of another stream"))) == 1


def test_failure(api: Api) -> None:
    """A stream ends with the problem of a job that fails."""
    api.emulator.default_mode = "safety"
    *_, last = _stream(api, json_of(api.ask())["id"])
    assert last.document["error"]["type"].endswith(":content-blocked")


def test_heartbeat(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing changes a comment comes now and again, so that who left is noticed."""
    monkeypatch.setattr(events, "HEARTBEAT", 0.05)
    release = api.hold()
    job = json_of(api.ask())["id"]
    api.taken_up(job)
    stream = _stream(api, job)
    blocks = stream.response.iter_encoded()
    seen = [next(blocks).decode() for _ in range(5)]
    assert seen[2:] == [": waiting\n\n"] * 3
    stream.response.close()
    release.set()
    api.ended(job)


def test_most_streams(make_api: MakeApi) -> None:
    """Over max_streams it is 503 with when to return; a stream that is closed makes room."""
    api = make_api(max_streams=8)  # two of each caller
    release = api.hold()
    job = json_of(api.ask())["id"]
    api.taken_up(job)
    begun, unread = _stream(api, job), _stream(api, job)
    next(iter(begun))
    response = api.get(f"/jobs/{job}/events")
    assert problem_of(response, 503, "too-many-streams")["retry_after"] == 5
    assert response.headers["Retry-After"] == "5"
    begun.response.close()
    unread.response.close()
    for _ in range(5):
        head = api.app.test_client().head(
            f"/media/jobs/{job}/events", headers={"X-User": "ann"}, buffered=True
        )
        assert head.status_code == 200
    other = _stream(api, job)
    next(iter(other))
    other.response.close()
    release.set()
    api.ended(job)


def test_places_of_others(make_api: MakeApi) -> None:
    """No caller takes more than a quarter of the places, and all together not more than all."""
    api = make_api(max_streams=5)
    release = api.hold()
    jobs = {name: json_of(api.by(name).ask())["id"] for name in ("ann", "bob", *"abcd")}
    ann = _stream(api, jobs["ann"])
    problem_of(api.get(f"/jobs/{jobs['ann']}/events"), 503, "too-many-streams")
    others = [_stream(api.by(name), jobs[name]) for name in ("bob", *"abc")]
    problem_of(api.by("d").get(f"/jobs/{jobs['d']}/events"), 503, "too-many-streams")
    for stream in (ann, *others):
        stream.response.close()
    again = _stream(api, jobs["ann"])
    again.response.close()
    release.set()
    for name, job in jobs.items():
        api.by(name).ended(job)


@pytest.mark.parametrize("fault", ["raises", "replaces"])
def test_a_hook_that_drops_the_stream(
    fault: str, make_api: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place is free again though the app's after_request keeps the stream from its end."""
    api = make_api(max_streams=1)
    api.app.config["PROPAGATE_EXCEPTIONS"] = False
    # pytest keeps what is logged, and so the traceback.
    monkeypatch.setattr(api.app.logger, "disabled", True)
    is_broken = True

    @api.app.after_request
    def hook(response: Response) -> Response:
        if not is_broken or response.mimetype != "text/event-stream":
            return response
        if fault == "raises":
            raise LookupError("a fault of the app")
        return api.app.response_class(response.response, response.status, response.headers)

    job = api.made()["job_id"]
    for _ in range(3):
        response = api.get(f"/jobs/{job}/events")
        assert response.status_code == (500 if fault == "raises" else 200)
        del response
        gc.collect()  # the traceback has the stream, and is part of a cycle
    is_broken = False
    assert api.get(f"/jobs/{job}/events").status_code == 200


def test_events_where_nobody_else_is_served(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a server without threads a stream ends soon, and the browser comes back."""
    monkeypatch.setattr(places, "ALONE_SECONDS", 0.05)
    release = api.hold()
    job = json_of(api.ask())["id"]
    api.taken_up(job)
    stream = _stream(api, job)
    (event,) = list(stream)
    assert not event.document["ended"]
    stream.response.close()
    release.set()
    api.ended(job)


def test_forgotten_job(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """The stream of a client that is so slow that the journal forgets the job meanwhile ends."""
    release = api.hold()
    job = json_of(api.ask())["id"]
    api.taken_up(job)
    stream = _stream(api, job)
    news = iter(stream)
    next(news)
    release.set()
    api.ended(job)
    with api.app.app_context():
        assert current_media.gc(timedelta(0)).jobs == 1
    assert list(news) == []
    stream.response.close()
    assert f"Job {job}: its events end" in caplog.text
    problem_of(api.get(f"/jobs/{job}/events"), 404, "not-found")
