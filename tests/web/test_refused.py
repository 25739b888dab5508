"""What is refused before anything is asked for: forged posts, bodies that are none, methods."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from flask_media import errors
from flask_media.errors import MediaError
from flask_media.web.problems import KINDS
from flask_media.web.problems import describe

from .api import Api
from .api import MakeApi
from .api import json_of
from .api import problem_of

HOST = "localhost"


@pytest.mark.parametrize(
    "content_type",
    [
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
        *("", "text/json", "application/jsonp", "application/ld+json", "json"),
        *("application/json; charset=utf-16", "application/json; charset=latin1"),
    ],
)
@pytest.mark.parametrize("path", ["/generate", "/jobs/00000000000000000000000000000000/cancel"])
def test_other_types(content_type: str, path: str, api: Api) -> None:
    """What a form of another site can send is no JSON to us, whatever is in it."""
    response = api.post(path, {"prompt": "x"}, Content_Type=content_type)
    problem_of(response, 415, "unsupported-media-type")
    assert response.headers["Accept-Post"] == "application/json"
    assert api.emulator.calls == 0


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", "Application/JSON"])
def test_json_in_other_words(content_type: str, api: Api) -> None:
    """JSON is JSON however its type is written."""
    assert api.ask(Content_Type=content_type).status_code == 202


def test_compressed(api: Api) -> None:
    """A compressed body is no JSON: nothing is unpacked here."""
    problem_of(api.ask(b"\x1f\x8b", Content_Encoding="gzip"), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Origin": "https://other.localhost"},
        {"Sec_Fetch_Site": "nonsense"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://localhost.evil.example"},
        {"Origin": "http://[::1"},
        {"Origin": "file://"},
        {"Origin": ""},
    ],
)
@pytest.mark.parametrize("path", ["/generate", "/jobs/00000000000000000000000000000000/cancel"])
def test_cross_site(headers: dict[str, str], path: str, api: Api) -> None:
    """A page of another site can't post, even with the right type and cookies."""
    problem_of(api.post(path, {"prompt": "x"}, **headers), 403, "cross-site")
    assert api.emulator.calls == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost"},
        {"Origin": "https://localhost"},  # a proxy took the TLS off
        {"Sec_Fetch_Site": "same-origin", "Origin": "https://shop.example"},  # ... and the name
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "cross-site", "Origin": "https://app.example"},
        {"Origin": "https://app.example"},
    ],
)
def test_same_site(headers: dict[str, str], make_api: MakeApi) -> None:
    """The app's own pages, programs, and origins that the app names, can."""
    api = make_api(allowed_origins=["https://app.example"])
    assert api.ask(**headers).status_code == 202


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"nonsense",
        b'{"prompt": "x"} {}',
        b'{"prompt": "x", "metadata": {"a": ' + b"9" * 5000 + b"}}",
        b'{"prompt": "\xff"}',
        b'\xef\xbb\xbf{"prompt": "x"}',
        b'{"prompt": "\\ud800"}',
        b'{"prompt": "\\udfff x"}',
        b'{"prompt": "x", "metadata": {"\\ud800": "x"}}',
        b"[" * 30_000,
        b"[" * 30_000 + b"]" * 30_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"prompt": ' + b"[" * 201 + b"]" * 201 + b"}",
        json.dumps({"prompt": "x"}).encode("utf-16"),
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_json(body: bytes, api: Api) -> None:
    """A body that is no JSON in UTF-8, or nested too deeply, is 400."""
    problem_of(api.ask(body), 400, "invalid-json")


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": "a", "prompt": "b"}',
        b'{"prompt": "a", "\\u0070rompt": "a"}',
        b'{"prompt": "a", "config": {"size": "square", "quality": "low", "size": "banner"}}',
        b'{"prompt": "a", "metadata": {"x": 1, "x": 1}}',
    ],
)
def test_names_given_twice(body: bytes, api: Api) -> None:
    """An object that says a thing twice is refused: who checks it before us may read the other."""
    problem = problem_of(api.ask(body), 400, "invalid-json")
    assert problem["detail"].endswith("twice.")


def test_whole_numbers_of_many_digits(api: Api) -> None:
    """A number that Python alone would refuse to read is what the schema says of it."""
    problem_of(api.ask(b'{"prompt": ' + b"9" * 4000 + b"}"), 400, "invalid-body")


@pytest.mark.parametrize("letter", ["x", "\u6d77"])
def test_longest_prompt(letter: str, api: Api) -> None:
    """30,000 characters of any script fit into a body, escaped or not."""
    body = {"prompt": letter * 30_000, "config": {"enhance_prompt": False}}
    for data in (json.dumps(body).encode(), json.dumps(body, ensure_ascii=False).encode()):
        assert api.ask(data).status_code == 202


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], "#"),
        ("x", "#"),
        (None, "#"),
        ({}, "#/prompt"),
        ({"prompt": 5}, "#/prompt"),
        ({"prompt": ""}, "#/prompt"),
        ({"prompt": " \t\u2003\x1f"}, "#/prompt"),
        ({"prompt": "a\0b"}, "#/prompt"),
        ({"prompt": "x" * 30_001}, "#/prompt"),
        ({"prompt": "x", "spender": "bob"}, "#/spender"),
        ({"prompt": "x", "reference_images": ["generated/bob/x.png"]}, "#/reference_images"),
        ({"prompt": "x", "variants": [64]}, "#/variants"),
        ({"prompt": "x", "config": []}, "#/config"),
        ({"prompt": "x", "config": {"size": "huge"}}, "#/config/size"),
        ({"prompt": "x", "config": {"size": [0, 5]}}, "#/config/size"),
        ({"prompt": "x", "config": {"size": [5, 12_289]}}, "#/config/size/1"),
        ({"prompt": "x", "config": {"size": [5, 5, 5]}}, "#/config/size"),
        ({"prompt": "x", "config": {"size": [True, 5]}}, "#/config/size"),
        ({"prompt": "x", "config": {"theme": "ugly"}}, "#/config/theme"),
        ({"prompt": "x", "config": {"compression": "80"}}, "#/config/compression"),
        ({"prompt": "x", "config": {"enhance_prompt": 1}}, "#/config/enhance_prompt"),
        ({"prompt": "x", "config": {"brand_colors": ["red", "{{7}}"]}}, "#/config/brand_colors/1"),
        ({"prompt": "x", "config": {"model": "../x"}}, "#/config/model"),
        ({"prompt": "x", "config": {"a/b~c": 1}}, "#/config/a~1b~0c"),
        ({"prompt": "x", "metadata": {"a": []}}, "#/metadata/a"),
        ({"prompt": float("nan")}, "#/prompt"),
        ({"prompt": "x", "metadata": {"a": float("inf")}}, "#/metadata/a"),
    ],
    ids=repr,
)
def test_body_that_is_wrong(body: Any, pointer: str, api: Api) -> None:
    """A body that is not what the schema says is 400, and each fault says where it is."""
    data = json.dumps(body).encode()
    problem = problem_of(api.ask(data), 400, "invalid-body")
    pointers = [fault["pointer"] for fault in problem["errors"]]
    assert any(told.startswith(pointer) for told in pointers), problem
    assert "#/" not in pointers  # a member without a name
    assert (pointer == "#") == ("#" in pointers)
    assert api.emulator.calls == 0


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "x", "config": {"size": [12_288, 12_288]}},
        {"prompt": "x", "config": {"brand_colors": ["nocolor"]}},
        {"prompt": "x", "metadata": {"": "x"}},
        {"prompt": "x", "metadata": {"a": "x" * 2100}},
        {"prompt": "x", "metadata": {"a\r\nSet-Cookie": "x"}},
        {"prompt": "x", "metadata": {"a": "x\0"}},
    ],
    ids=lambda body: repr(body)[:60],
)
def test_what_no_schema_can_say(body: Any, api: Api) -> None:
    """What is well formed and can't be done is 422, and costs nothing."""
    problem_of(api.ask(body), 422, "invalid-request")
    assert api.emulator.calls == 0


def test_too_large(make_api: MakeApi) -> None:
    """A body over max_body is 413, over MAX_CONTENT_LENGTH too where that is less."""
    api = make_api(max_body=1000)
    assert api.ask({"prompt": "x" * 900}).status_code == 202
    problem_of(api.ask({"prompt": "x" * 1000}), 413, "request-entity-too-large")
    api = make_api(MAX_CONTENT_LENGTH=500)
    problem_of(api.ask({"prompt": "x" * 600}), 413, "request-entity-too-large")


def test_too_large_for_authorize(make_api: MakeApi) -> None:
    """An authorize that reads the body reads no more of it."""

    def authorize(request: Any) -> str:
        request.get_data()
        return "ann"

    api = make_api(authorize=authorize, max_body=1000)
    problem_of(api.ask({"prompt": "x" * 1000}), 413, "request-entity-too-large")
    assert api.ask().status_code == 202


@contextlib.contextmanager
def _serving(app: Flask) -> Iterator[int]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_chunked(make_api: MakeApi) -> None:
    """A chunked body, which says no length, is read no further than the limit."""
    with _serving(make_api(max_body=1000).app) as port:
        for size, status in ((100, 202), (100_000, 413)):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            body = json.dumps({"prompt": "x" * size}).encode()
            headers = {"X-User": "ann", "Content-Type": "application/json"}
            pieces = (body[start : start + 500] for start in range(0, len(body), 500))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has answered
                connection.request("POST", "/media/generate", pieces, headers, encode_chunked=True)
            response = connection.getresponse()
            assert response.status == status, response.read()
            connection.close()


def test_half_a_body(make_api: MakeApi) -> None:
    """A client that goes away before its body is whole asks for nothing."""
    api = make_api()
    with _serving(api.app) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(
            b"POST /media/generate HTTP/1.1\r\nHost: x\r\nX-User: ann\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
            b'{"prompt": "x"}'
        )
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1000).split()[1] == b"400"
    assert json_of(api.get("/jobs"))["jobs"] == []


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/generate", {"POST"}),
        ("/jobs", {"GET", "HEAD"}),
        ("/jobs/x", {"GET", "HEAD"}),
        ("/jobs/x/events", {"GET", "HEAD"}),
        ("/jobs/x/cancel", {"POST"}),
        ("/files/x", {"GET", "HEAD"}),
        ("/openapi.json", {"GET", "HEAD"}),
    ],
)
def test_other_methods(path: str, allowed: set[str], api: Api) -> None:
    """Another method is 405 as a problem, and the answer says which there are."""
    client = api.app.test_client()
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - allowed:
        response = client.open(f"/media{path}", method=method, headers={"X-User": "ann"})
        problem_of(response, 405, "method-not-allowed")
        assert set(response.headers["Allow"].split(", ")) == allowed | {"OPTIONS"}


def test_methods_of_the_app(api: Api) -> None:
    """What is outside of the blueprint is answered as the app answers."""

    @api.app.get("/shop")
    def shop() -> str:
        return "shop"

    client = api.app.test_client()
    for response, status in ((client.post("/shop"), 405), (client.get("/media/x"), 404)):
        assert response.status_code == status
        assert response.mimetype == "text/html"


def test_a_fault_of_ours(make_api: MakeApi) -> None:
    """What nobody foresaw is a problem document too, without a word of what it was."""

    def authorize(request: Any) -> str:
        raise LookupError("secret-of-the-app")

    api = make_api(authorize=authorize)
    response = api.get("/jobs")
    problem_of(response, 500, "internal-server-error")
    assert b"secret-of-the-app" not in response.data


@pytest.mark.parametrize("who", ["x" * 256, "a\0b", "\ud800"])
def test_a_caller_that_cant_be_kept(who: str, make_api: MakeApi) -> None:
    """An id that the journal can't keep is a fault of the app's authorize, and lets nobody in."""
    api = make_api(authorize=lambda request: who)
    for response in (api.ask(), api.get("/jobs"), api.get(f"/jobs/{'0' * 32}")):
        problem_of(response, 500, "internal-server-error")
    assert api.emulator.calls == 0


def _classes() -> list[type[MediaError]]:
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    return [cls for cls in found if issubclass(cls, MediaError)]


@pytest.mark.parametrize("cls", _classes())
def test_every_error_has_a_type(cls: type[MediaError]) -> None:
    """Each public class has a type of its own; what is for the operator is not told."""
    error = cls("words of the operator: SPACES_SECRET")
    error.job_id = "0" * 32
    document = describe(error)
    assert document["job_id"] == "0" * 32
    assert 400 <= document["status"] <= 599
    assert set(document) <= {
        *("type", "title", "status", "detail", "retryable", "job_id", "retry_after")
    }
    told = {errors.InvalidRequest, errors.ContentBlocked, errors.NoImageReturned}
    assert ("operator" in document["detail"].split(":")[0]) == (cls in told) or (
        "operator's log" in document["detail"]
    )


def test_types_are_unique() -> None:
    """No two classes share a type."""
    names = [kind.name for kind in KINDS.values()]
    assert len(names) == len(set(names))
