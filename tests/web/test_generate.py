"""POST /generate: what is asked for, waiting, idempotency, keys, and what is refused."""

from __future__ import annotations

import hashlib
import re
import threading

import pytest

from flask_media import current_media
from flask_media.web import places

from .api import Api
from .api import MakeApi
from .api import json_of
from .api import problem_of


def test_accepted(api: Api) -> None:
    """Without Prefer the answer is 202, with the job and where it is; it ends in a result."""
    response = api.ask()
    assert response.status_code == 202
    job = json_of(response)
    assert response.headers["Location"] == f"/media/jobs/{job['id']}" == job["links"]["self"]
    assert int(response.headers["Retry-After"]) >= 1
    assert (job["status"], job["progress"], job["ended"]) == ("requested", 0.0, False)
    assert (job["result"], job["error"]) == (None, None)
    done = api.ended(job["id"])
    assert (done["status"], done["progress"], done["ended"]) == ("done", 1.0, True)
    assert done["result"]["object_key"] == job["object_key"]
    picture = api.get(done["result"]["url"])
    assert hashlib.sha256(picture.data).hexdigest() == done["result"]["sha256"]
    assert picture.content_type == "image/webp"


@pytest.mark.parametrize(
    "prefer",
    [
        *(
            "wait",
            "wait=30",
            "respond-async, WAIT=30",
            'wait="30"; x=1',
            "wait = 30",
            "wait\t= 30;x",
        ),
        *('foo="a, b", wait=30', 'foo="a, wait=0", wait=30'),
    ],
)
def test_waited_for(prefer: str, api: Api) -> None:
    """With Prefer: wait the answer is 201 with the result, and where the picture is."""
    response = api.ask({"prompt": "A sea house", "metadata": {"goal": 7, "x": None}}, Prefer=prefer)
    assert response.status_code == 201
    result = json_of(response)
    assert response.headers["Location"] == result["url"]
    assert response.headers["Preference-Applied"] == "wait"
    assert result["original_prompt"] == "A sea house"
    assert result["metadata"] == {"goal": "7"}
    assert result["cached"] is False
    assert re.fullmatch(r"generated/ann/[0-9a-f]{32}\.webp", result["object_key"])
    assert api.get(result["url"]).status_code == 200


@pytest.mark.parametrize(
    "prefer",
    ["", "wait=0", "wait=x", "wait=-1", "return=minimal", ";;,=,", 'foo="a, wait, b"', "wait x"],
)
def test_not_waited_for(prefer: str, api: Api) -> None:
    """A preference that asks for no waiting, or is none, is no reason to refuse."""
    assert api.ask(Prefer=prefer).status_code == 202


def test_waiting_that_is_too_long(make_api: MakeApi) -> None:
    """When the time is up the answer is 202, and the job goes on."""
    api = make_api(max_wait=0.05)
    release = api.hold()
    response = api.ask(Prefer="wait=100")
    release.set()
    assert response.status_code == 202
    assert "Preference-Applied" not in response.headers
    assert api.ended(json_of(response)["id"])["status"] == "done"


def test_no_place_to_wait(make_api: MakeApi) -> None:
    """Where all places to wait are taken, the answer comes at once."""
    api = make_api(max_streams=0)
    assert api.ask(Prefer="wait").status_code == 202


@pytest.mark.parametrize(("with_threads", "status"), [(False, 202), (True, 201)])
def test_waiting_where_nobody_else_is_served(
    with_threads: bool, status: int, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server without threads is not kept from its other requests until it is taken for dead."""
    monkeypatch.setattr(places, "ALONE_SECONDS", 0.05)
    release = api.hold()
    timer = threading.Timer(1, release.set)
    timer.start()
    response = api.app.test_client().post(
        "/media/generate",
        json={"prompt": "A sea house"},
        headers={"X-User": "ann", "Prefer": "wait"},
        environ_overrides={"wsgi.multithread": with_threads},
    )
    assert response.status_code == status
    timer.join()


@pytest.mark.parametrize("quote", ["", '"'])
def test_idempotency(quote: str, api: Api) -> None:
    """The same request under one Idempotency-Key is one picture, quoted or not."""
    first = api.made(Idempotency_Key="k-1")
    again = api.ask(Idempotency_Key=f"{quote}k-1{quote}")
    assert again.status_code == 200
    assert json_of(again) == first | {"cached": True}
    assert again.headers["Location"] == first["url"]
    assert api.emulator.calls == 1


def test_idempotency_of_another_request(api: Api) -> None:
    """Another request under the same key is 422, and costs nothing; it names the job."""
    first = api.made(Idempotency_Key="k-1")
    for body in (
        {"prompt": "A hut"},
        {"prompt": "A sea house", "config": {"quality": "high"}},
        {"prompt": "A sea house", "metadata": {"goal": 7}},
    ):
        problem = problem_of(api.ask(body, Idempotency_Key="k-1"), 422, "idempotency-conflict")
        assert problem["job_id"] == first["job_id"]
    assert api.emulator.calls == 1


def test_idempotency_is_each_ones_own(api: Api) -> None:
    """Two callers with the same key get a picture each."""
    one = api.made(Idempotency_Key="k-1")
    two = api.by("bob").made(Idempotency_Key="k-1")
    assert one["job_id"] != two["job_id"]
    assert two["object_key"].startswith("generated/bob/")
    assert api.emulator.calls == 2


def test_in_flight(api: Api) -> None:
    """While the first is under way, the same key is 409 with where its job is."""
    release = api.hold()
    job = json_of(api.ask(Idempotency_Key="k-1"))
    response = api.ask(Idempotency_Key="k-1", Prefer="wait")
    problem = problem_of(response, 409, "in-progress")
    assert problem["job_id"] == job["id"]
    assert problem["retryable"] is True
    assert response.headers["Location"] == f"/media/jobs/{job['id']}"
    assert int(response.headers["Retry-After"]) >= 1
    release.set()
    api.ended(job["id"])
    assert api.ask(Idempotency_Key="k-1").status_code == 200
    assert api.emulator.calls == 1


def test_idempotency_after_a_final_failure(api: Api) -> None:
    """A request that failed for good fails alike under its key, without a call."""
    api.emulator.default_mode = "safety"
    first = problem_of(api.ask(Idempotency_Key="k", Prefer="wait"), 422, "content-blocked")
    again = problem_of(api.ask(Idempotency_Key="k"), 422, "content-blocked")
    assert again == first
    assert again["retryable"] is False
    assert api.emulator.calls == 1


@pytest.mark.parametrize("key", ["", " ", '"', '""', '"a', "x" * 256, '"' + "x" * 256 + '"', "é"])
def test_idempotency_key_that_is_none(key: str, api: Api) -> None:
    """A key that can't be one is refused, not dropped."""
    problem_of(api.ask(Idempotency_Key=key), 400, "invalid-idempotency-key")
    assert api.emulator.calls == 0


@pytest.mark.parametrize(
    ("wanted", "extension", "content_type"),
    [
        ("png", "png", "image/png"),
        ("jpg", "jpg", "image/jpeg"),
        ("avif", "avif", "image/avif"),
        (None, "webp", "image/webp"),
    ],
)
def test_format(wanted: str | None, extension: str, content_type: str, api: Api) -> None:
    """The made key has the extension of the format that is asked for."""
    result = api.made({"prompt": "A hut", "config": {"format": wanted, "size": [64, 64]}})
    assert result["object_key"].endswith(f".{extension}")
    assert result["content_type"] == content_type


ODD_NAMES = ["../x", "a/b", "a b", "é", "x" * 65, ".", "~a", "a\\b", "{id}", "ann\n"]


@pytest.mark.parametrize("who", ODD_NAMES)
def test_folder_of_an_odd_name(who: str, make_api: MakeApi) -> None:
    """Who asks has a folder of their own, whatever is in the name, and can read what is there."""
    asking = [who]
    api = make_api(authorize=lambda request: asking[0])
    result = api.made()
    folder = result["object_key"].split("/")[1]
    assert re.fullmatch("~[0-9a-f]{40}", folder)
    assert api.get(result["url"]).status_code == 200
    asking[0] = folder  # nobody gets there by a name that is like the folder
    assert api.get(result["url"]).status_code == 404


def test_models_are_the_apps_choice(make_api: MakeApi) -> None:
    """A client names the configured model, or one that the app lists; no other is asked."""
    api = make_api(models=["gemini-3-pro-image"])
    for model in ("gemini-nano-banana-2.1", "gemini-3-pro-image"):
        assert api.ask({"prompt": "A house", "config": {"model": model}}).status_code == 202
    body = {"prompt": "A house", "config": {"model": "gemini-2.5-flash-image"}}
    problem = problem_of(api.ask(body), 403, "model-not-allowed")
    assert "gemini-2.5-flash-image" in problem["detail"]


def test_client_keys_are_not_allowed(api: Api) -> None:
    """A client can't choose a key unless the app lets it."""
    body = {"prompt": "A hut", "object_key": "generated/ann/hut.png"}
    problem = problem_of(api.ask(body), 400, "invalid-body")
    assert problem["errors"][0]["pointer"] == "#/object_key"


@pytest.mark.parametrize(
    "key",
    [
        *("generated/bob/hut.png", "hut.png", "generated/hut.png", "generated/ann2/hut.png"),
        *("Generated/ann/hut.png", "generated/annx", "goals/7/house.png"),
    ],
)
def test_client_keys_of_others(key: str, make_api: MakeApi) -> None:
    """A client's key must lie in the client's own folder."""
    api = make_api(client_keys=True, overwrite=True)
    body = {"prompt": "A hut", "object_key": key}
    problem = problem_of(api.ask(body), 403, "key-not-allowed")
    assert "generated/ann/" in problem["detail"]
    assert api.emulator.calls == 0


@pytest.mark.parametrize(
    "key",
    [
        *("generated/ann/../bob/hut.png", "generated/ann//hut.png", "/generated/ann/x.png"),
        *(
            "generated/ann/./x.png",
            "generated/ann/x\n.png",
            "generated/ann/x.exe",
            "generated/ann/",
        ),
    ],
)
def test_client_keys_that_are_none(key: str, make_api: MakeApi) -> None:
    """A key that leaves the folder, or can't be stored, is refused."""
    api = make_api(client_keys=True)
    problem_of(api.ask({"prompt": "A hut", "object_key": key}), 422, "invalid-request")
    assert api.emulator.calls == 0


def test_client_keys_do_not_overwrite(make_api: MakeApi) -> None:
    """A key that is taken stays what it is, unless the app lets it be replaced."""
    body = {"prompt": "A hut", "object_key": "generated/ann/hut.png"}
    api = make_api(client_keys=True)
    first = api.made(body)
    assert first["object_key"] == "generated/ann/hut.png"
    problem_of(api.ask(body | {"prompt": "A palace"}), 409, "object-exists")
    assert api.emulator.calls == 1
    with api.app.app_context():
        assert current_media.stat("generated/ann/hut.png").sha256 == first["sha256"]


def test_client_keys_that_may_overwrite(make_api: MakeApi) -> None:
    """With overwrite the second picture is what the key leads to."""
    body = {"prompt": "A hut", "object_key": "generated/ann/hut.png"}
    api = make_api(client_keys=True, overwrite=True)
    first = api.made(body)
    second = api.made(body | {"prompt": "A palace"})
    assert first["sha256"] != second["sha256"]
    assert api.get(second["url"]).get_etag()[0] == second["sha256"]


def test_reuse_is_each_ones_own(make_api: MakeApi) -> None:
    """With MEDIA_REUSE an equal request is the caller's own picture again, never another's."""
    api = make_api(MEDIA_REUSE=True)
    first = api.made()
    again = api.ask()
    assert again.status_code == 200
    assert json_of(again)["object_key"] == first["object_key"]
    other = api.by("bob").made()
    assert other["object_key"].startswith("generated/bob/")
    assert api.emulator.calls == 2


def test_budget(make_api: MakeApi) -> None:
    """A budget that is used up is 429, with the seconds until it starts anew."""
    api = make_api(MEDIA_BUDGET_USD_PER_USER_PER_DAY="0.04")
    api.made()
    response = api.ask({"prompt": "Another house"})
    problem = problem_of(response, 429, "budget-exceeded")
    assert 0 < problem["retry_after"] <= 86_400
    assert response.headers["Retry-After"] == str(problem["retry_after"])
    assert api.by("bob").made()["cached"] is False


def test_full_queue(make_api: MakeApi) -> None:
    """A full queue is 503 with when to ask again, and the refused request leaves no job."""
    api = make_api(MEDIA_QUEUE_THREADS=1, MEDIA_QUEUE_SIZE=1)
    release = api.hold()
    first = json_of(api.ask())["id"]
    api.taken_up(first)
    second = json_of(api.ask({"prompt": "Two"}))["id"]
    response = api.ask({"prompt": "Three"})
    problem = problem_of(response, 503, "queue-unavailable")
    assert "MEDIA_QUEUE" not in problem["detail"]
    assert response.headers["Retry-After"] == "10"
    release.set()
    api.ended(second)
    assert len(json_of(api.get("/jobs"))["jobs"]) == 2
