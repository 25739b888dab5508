"""The emulator, by the real SDK and by plain HTTP."""

from __future__ import annotations

import http.client
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import google.genai
import httpx2
import pytest
from google.genai import errors
from google.genai import types
from PIL import Image

from flask_media.emulator import MODES
from flask_media.emulator import Ask
from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply
from flask_media.emulator.pictures import make_picture

CONTENTS = {"contents": [{"parts": [{"text": "a cat"}]}]}


@pytest.fixture
def emulator() -> Iterator[GeminiEmulator]:
    """An emulator of small pictures."""
    with GeminiEmulator(width=64, height=48) as server:
        yield server


@pytest.fixture
def http_client() -> Iterator[httpx2.Client]:
    """The SDK's transport, closed after the test."""
    with httpx2.Client(trust_env=False) as client:
        yield client


def sdk(emulator: GeminiEmulator, client: httpx2.Client, **options: Any) -> google.genai.Client:
    """An SDK client for the emulator."""
    http_options = types.HttpOptions(
        base_url=emulator.url,
        api_version="v1",
        httpx_client=client,
        httpx_async_client=httpx2.AsyncClient(),
        **options,
    )
    return google.genai.Client(api_key="k", vertexai=False, http_options=http_options)


def images(response: types.GenerateContentResponse) -> list[bytes]:
    """The pictures of an answer that are no drafts."""
    parts = response.parts or []
    return [
        part.inline_data.data
        for part in parts
        if part.inline_data and part.inline_data.data and not part.thought
    ]


def post(
    emulator: GeminiEmulator,
    path: str = "/v1/models/m:generateContent",
    body: Any = CONTENTS,
    headers: dict[str, str] | None = None,
    method: str = "POST",
) -> tuple[int, bytes]:
    """Plain HTTP; returns status and body."""
    connection = http.client.HTTPConnection(emulator.host, emulator.port, timeout=10)
    try:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        key = {"x-goog-api-key": "k"} if headers is None else headers
        connection.request(method, path, sent, key)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_picture_over_the_sdk(emulator: GeminiEmulator, http_client: httpx2.Client) -> None:
    """The SDK reads a decodable picture, and the request is recorded."""
    client = sdk(emulator, http_client)
    (data,) = images(client.models.generate_content(model="m", contents="a cat"))
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert (image.format, image.size) == ("PNG", (64, 48))
    (sent,) = emulator.requests
    assert (sent.method, sent.model, sent.action) == ("POST", "m", "generateContent")
    assert (sent.mode, sent.status, sent.connection) == ("ok", 200, 1)
    assert sent.json["contents"][0]["parts"][0]["text"] == "a cat"


def test_drafts_come_first(http_client: httpx2.Client) -> None:
    """A thinking model sends a draft that differs from the picture."""
    with GeminiEmulator(width=64, height=64, auto_thought=True) as emulator:
        client = sdk(emulator, http_client)
        for model, count in (("gemini-3-pro-image", 3), ("gemini-2.5-flash-image", 1)):
            response = client.models.generate_content(model=model, contents="x")
            parts = response.parts or []
            assert len(parts) == count
            assert len(images(response)) == 1
            assert (len({str(part.inline_data) for part in parts})) == count


def test_stream(emulator: GeminiEmulator, http_client: httpx2.Client) -> None:
    """The streamed form has one event a part, the finish reason in the last."""
    client = sdk(emulator, http_client)
    for mode, count in (("thought", 3), ("no-image", 1)):
        chunks = list(client.models.generate_content_stream(model=f"stub-{mode}", contents="x"))
        assert len(chunks) == count
        assert chunks[-1].candidates
        assert chunks[-1].candidates[0].finish_reason


def test_script_then_default(emulator: GeminiEmulator, http_client: httpx2.Client) -> None:
    """Scripted answers come in order, then the usual ones."""
    emulator.script("429", "503")
    client = sdk(emulator, http_client)
    for code in (429, 503):
        with pytest.raises(errors.APIError) as caught:
            client.models.generate_content(model="m", contents="x")
        assert caught.value.code == code
    assert images(client.models.generate_content(model="m", contents="x"))
    assert [sent.status for sent in emulator.requests] == [429, 503, 200]
    assert emulator.connections == 1


@pytest.mark.parametrize("mime", ["image/png", "image/jpeg", "image/webp"])
def test_formats(emulator: GeminiEmulator, mime: str) -> None:
    """Each format decodes, and the label can be made to lie."""
    status, body = post(
        emulator, headers={"x-goog-api-key": "k", "x-stub-mode": f"ok,mime={mime},saymime=image/x"}
    )
    assert status == 200
    assert b'"mimeType": "image/x"' in body
    with Image.open(io.BytesIO(make_picture(mime, 64, 48))) as image:
        image.load()
        assert image.get_format_mimetype() == mime


def test_padding_and_seeds() -> None:
    """A PNG is padded to the size asked for and still decodes; another seed is another picture."""
    data = make_picture("image/png", 64, 64, 50_000, 1)
    assert len(data) == 50_000
    with Image.open(io.BytesIO(data)) as image:
        image.load()
    assert make_picture("image/png", 64, 64, 0, 1) != make_picture("image/png", 64, 64, 0, 2)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/models/stub-503:generateContent", {}),
        ("/v1/models/m:generateContent?mode=503", {}),
        ("/v1/models/m:generateContent", {"x-stub-mode": "503"}),
        ("/v1beta1/projects/p/locations/l/publishers/google/models/stub-503:generateContent", {}),
    ],
)
def test_ways_to_ask_for_a_mode(
    emulator: GeminiEmulator, path: str, headers: dict[str, str]
) -> None:
    """A mode can be asked for by model, query, header and on Vertex's paths."""
    assert post(emulator, path, headers={"x-goog-api-key": "k"} | headers)[0] == 503


def test_options_in_headers(emulator: GeminiEmulator) -> None:
    """Options can come as headers, and those of the mode win."""
    headers = {"authorization": "Bearer t", "x-stub-n": "3", "x-stub-w": "32", "x-stub-h": "32"}
    _, body = post(emulator, headers=headers)
    assert body.count(b"inlineData") == 3
    _, body = post(emulator, headers=headers | {"x-stub-mode": "ok,n=2"})
    assert body.count(b"inlineData") == 2


def test_every_mode_answers(emulator: GeminiEmulator) -> None:
    """Every mode sends something or cuts the connection, and the server lives on."""
    for name in MODES:
        options = {"hang": ",seconds=0.01", "drip": ",pause=0", "drip-headers": ",pause=0"}
        try:
            post(
                emulator,
                headers={
                    "key": "",
                    "x-goog-api-key": "k",
                    "x-stub-mode": name + options.get(name, ""),
                },
            )
        except (OSError, http.client.HTTPException):
            assert name in ("reset", "close", "truncate", "hang")
    assert emulator.calls == len(MODES)
    assert emulator.inflight == 0 or emulator.max_inflight
    assert post(emulator)[0] == 200


SLIPS = [
    ("nonsense", "no mode 'nonsense'; its modes are 400, "),
    ("", "no mode ''"),
    ("429,foo=3", "'429' takes no option 'foo'; its options are header, latency, retry."),
    ("503,retry=3", "'503' takes no option 'retry'; its options are after, latency."),
    ("429,retry", "'retry' has no value"),
    ("429,retry=abc", "'retry' is 'abc'; it must be a number of seconds"),
    ("429,retry=-1", "'retry' is '-1'"),
    ("ok,latency=nan", "'latency' is 'nan'"),
    ("ok,w=0", "'w' is '0'; it must be a number of pixels"),
    ("ok,n=1.5", "'n' is '1.5'; it must be a whole number"),
    ("ok,mime=image/gif", "it must be image/png, image/jpeg or image/webp"),
    ("drip,steps=0", "'steps' is '0'"),
    ("429,header=yes", "it must be 0 or 1"),
    ("503,after=", "'after' is ''; it must be some text"),
    ("flaky,code=flaky", "it must be a mode other than flaky"),
    ("random,codes=503;nonsense", "it must be modes other than flaky"),
    ("random,p=2", "it must be a number from 0 to 1"),
]


@pytest.mark.parametrize(("mode", "words"), SLIPS)
def test_a_slip_in_a_mode_raises(emulator: GeminiEmulator, mode: str, words: str) -> None:
    """A mode, option or value that is none raises wherever it is set, and sets nothing."""
    with pytest.raises(ValueError, match=re.escape(words)):
        GeminiEmulator(default_mode=mode)
    with pytest.raises(ValueError, match=re.escape(words)):
        emulator.default_mode = mode
    with pytest.raises(ValueError, match=re.escape(words)):
        emulator.script("503", mode)
    assert emulator.default_mode == "ok"
    assert post(emulator)[0] == 200


@pytest.mark.parametrize(("mode", "words"), [slip for slip in SLIPS if slip[0]])
def test_a_slip_in_a_request_is_answered(emulator: GeminiEmulator, mode: str, words: str) -> None:
    """The same by header, query and model is a 500 that says it, and the connection lives on."""
    with httpx2.Client(base_url=emulator.url, headers={"x-goog-api-key": "k"}) as client:
        path = "/v1/models/m:generateContent"
        answers = [
            client.post(path, json=CONTENTS, headers={"x-stub-mode": mode}),
            client.post(path, json=CONTENTS, params={"mode": mode}),
        ]
        if "/" not in mode:
            answers.append(client.post(f"/v1/models/stub-{mode}:generateContent", json=CONTENTS))
        for answer in answers:
            assert answer.status_code == 500
            assert words in answer.json()["error"]["message"]
        assert client.post(path, json=CONTENTS).status_code == 200
    assert emulator.connections == 1
    assert {sent.status for sent in emulator.requests} == {500, 200}


@pytest.mark.parametrize(
    ("header", "value", "words"),
    [("x-stub-colour", "red", b"no option 'colour'"), ("x-stub-n", "many", b"'n' is 'many'")],
)
def test_a_slip_in_an_option_header(
    emulator: GeminiEmulator, header: str, value: str, words: bytes
) -> None:
    """An option's header is checked as the option is."""
    status, body = post(emulator, headers={"x-goog-api-key": "k", header: value})
    assert status == 500
    assert words in body


def test_the_options_of_any_mode_pass_through(emulator: GeminiEmulator) -> None:
    """A mode that stands for others takes their options."""
    emulator.script("flaky,fail=1,code=429,retry=7")
    assert b"retry in 7s" in post(emulator)[1]


@pytest.mark.parametrize("mode", ["max-tokens", "malformed", "other", "unknown-finish"])
def test_no_policy_where_none_was_violated(emulator: GeminiEmulator, mode: str) -> None:
    """A finish that has nothing to do with safety does not talk of it."""
    emulator.script(mode, "safety")
    assert b"policy" not in post(emulator)[1]
    assert b"policy" in post(emulator)[1]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models", 200),
        ("GET", "/v1/models/m", 200),
        ("POST", "/v1/models/m:countTokens", 200),
        ("POST", "/v1/models/m:unknown", 404),
        ("GET", "/elsewhere", 404),
    ],
)
def test_other_endpoints(emulator: GeminiEmulator, method: str, path: str, status: int) -> None:
    """Models are listed, tokens counted, and other paths are 404."""
    assert post(emulator, path, method=method)[0] == status


def test_no_credentials(emulator: GeminiEmulator) -> None:
    """A request without a key is refused, one with the key in the query is not."""
    assert post(emulator, headers={})[0] == 403
    assert post(emulator, "/v1/models/m:generateContent?key=k", headers={})[0] == 200


def test_predict(emulator: GeminiEmulator) -> None:
    """The Imagen form has the pictures without the drafts, and passes errors on."""
    status, body = post(emulator, "/v1/models/stub-thought:predict")
    assert status == 200
    assert len(json.loads(body)["predictions"]) == 1
    assert post(emulator, "/v1/models/stub-429:predict")[0] == 429


def test_flaky_counts_each_prompt(emulator: GeminiEmulator) -> None:
    """Each prompt fails as often as asked for, then it is fine."""
    path = "/v1/models/stub-flaky,fail=2,code=500:generateContent"
    for prompt in "ab":
        body = {"contents": [{"parts": [{"text": prompt}]}]}
        assert [post(emulator, path, body)[0] for _ in range(3)] == [500, 500, 200]


def test_random_is_the_same_each_time() -> None:
    """The random mode depends on the seed alone."""
    runs = []
    for _ in range(2):
        with GeminiEmulator(width=8, height=8, seed=3, default_mode="random,p=0.5") as emulator:
            runs.append([post(emulator)[0] for _ in range(8)])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) > 1


def test_handler_and_reset(emulator: GeminiEmulator) -> None:
    """A handler can answer or pass; a reset forgets it all."""
    seen: list[int] = []

    @emulator.handler
    def teapot(ask: Ask) -> Reply | None:
        seen.append(ask.seq)
        return Reply(418, {}) if ask.prompt == "tea" else None

    assert post(emulator)[0] == 200
    assert post(emulator, body={"contents": [{"parts": [{"text": "tea"}]}]})[0] == 418
    assert seen == [1, 2]
    emulator.script("503")
    emulator.reset()
    assert (emulator.calls, emulator.connections, emulator.requests) == (0, 0, [])
    assert post(emulator)[0] == 200


def test_size_from_the_request() -> None:
    """The picture's pixels follow aspectRatio and imageSize where that is asked for."""
    config = {"imageConfig": {"aspectRatio": "16:9", "imageSize": "512"}}
    with GeminiEmulator(honour_image_config=True, width=8, height=8) as emulator:
        for generation, size in ((config, (688, 384)), ({}, (8, 8)), ({"imageConfig": {}}, (8, 8))):
            _, body = post(emulator, body=CONTENTS | {"generationConfig": generation})
            part = json.loads(body)["candidates"][0]["content"]["parts"][0]
            assert part["inlineData"]["data"] == _base64(size)


def _base64(size: tuple[int, int]) -> str:
    import base64

    return base64.b64encode(make_picture("image/png", *size)).decode()


def _part(data: Any, role: str = "user", **extra: Any) -> dict[str, Any]:
    part = {"inlineData": {"mimeType": "image/png", "data": data}} | extra
    return {"contents": [{"role": role, "parts": [{"text": "x"}, part]}]}


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (b"{", {}, b"Invalid JSON"),
        ({}, {}, b"contents is not specified"),
        (CONTENTS, {"x-server-timeout": "9"}, b"Minimum allowed deadline"),
        ({"generationConfig": {"imageConfig": {"aspectRatio": "7:3"}}}, {}, b"Aspect ratio"),
        ({"generationConfig": {"imageConfig": {"imageSize": "3K"}}}, {}, b"Image size"),
        (_part("@@"), {}, b"Base64 decoding failed"),
        (_part("QUJD", "model"), {}, b"thought_signature"),
        (_part("QUJD", "model", thoughtSignature="QQ=="), {}, None),
        (_part("-_-_"), {"x-server-timeout": "10"}, None),
    ],
)
def test_strict(body: Any, headers: dict[str, str], words: bytes | None) -> None:
    """A strict emulator refuses what the service refuses and nothing else."""
    with GeminiEmulator(width=8, height=8, strict=True) as emulator:
        status, said = post(emulator, body=body, headers={"x-goog-api-key": "k"} | headers)
        assert status == (200 if words is None else 400)
        assert words is None or words in said


def test_gzip_for_those_who_take_it(http_client: httpx2.Client) -> None:
    """Answers are compressed for a client that accepts it."""
    with GeminiEmulator(width=64, height=64, gzip=True, keep_bodies=False) as emulator:
        client = sdk(emulator, http_client)
        assert images(client.models.generate_content(model="m", contents="x"))
        assert emulator.requests[0].headers["accept-encoding"].startswith("gzip")
        assert emulator.requests[0].body == b""
        assert emulator.requests[0].json is None


def test_inflight_is_counted() -> None:
    """The most requests at once are counted."""
    with GeminiEmulator(width=8, height=8) as emulator:
        all_are_here = threading.Barrier(6)

        @emulator.handler
        def wait(_: object) -> None:
            all_are_here.wait(60)

        threads = [threading.Thread(target=post, args=(emulator,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert emulator.max_inflight == 6
        # The last answer is here before its thread has counted itself out.
    end, pause = time.monotonic() + 10, threading.Event()
    while emulator.inflight and time.monotonic() < end:
        pause.wait(0.01)
    assert emulator.inflight == 0
    emulator.stop()  # twice is fine
