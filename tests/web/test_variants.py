"""POST /generate with variants: what comes back, what the document says, and what is refused."""

from __future__ import annotations

import io
import json
from typing import Any

import jsonschema_rs
import pytest
from PIL import Image

from .api import Api
from .api import MakeApi
from .api import json_of
from .api import problem_of

FORMS: dict[str, Any] = {
    "thumb": 16,
    "card": [32, 16],
    "fields": {
        "width": 20,
        "height": 40,
        "fit": "contain",
        "focus": [0, 1],
        "format": "jpeg",
        "quality": "high",
    },
    "same": {"width": 8, "format": None},
    "w-8_8": 8.0,
}
"""All ways to say what a variant is; of a picture of 64 by 64 pixels."""

PIXELS = {
    "thumb": ("WEBP", (16, 16)),
    "card": ("WEBP", (32, 16)),
    "fields": ("JPEG", (20, 20)),
    "same": ("PNG", (8, 8)),
    "w-8_8": ("WEBP", (8, 8)),
}

BODY = {"prompt": "A sea house", "config": {"size": [64, 64], "format": "png"}}


def check(api: Api, name: str, value: object) -> None:
    """A value is what openapi.json says of it by that name."""
    document = json_of(api.get("/openapi.json"))
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    jsonschema_rs.validator_for(schema).validate(value)


def request_schema(api: Api) -> Any:
    """Checks bodies of POST /generate by openapi.json."""
    document = json_of(api.get("/openapi.json"))
    body = document["paths"]["/generate"]["post"]["requestBody"]["content"]["application/json"]
    return jsonschema_rs.validator_for(body["schema"] | {"components": document["components"]})


def test_all_ways_to_say_it(api: Api) -> None:
    """Width, box and fields: the variants are in the result and in the job's document as
    openapi.json describes them, and can be fetched."""
    body = BODY | {"variants": FORMS}
    assert request_schema(api).is_valid(body)
    result = api.made(body)
    check(api, "Result", result)
    job = json_of(api.get(f"/jobs/{result['job_id']}"))
    check(api, "Job", job)
    assert job["result"]["variants"] == result["variants"]
    assert result["variants"].keys() == FORMS.keys()
    for name, variant in result["variants"].items():
        response = api.get(variant["url"])
        with Image.open(io.BytesIO(response.data)) as image:
            assert (image.format, image.size) == PIXELS[name]
        assert (variant["width"], variant["height"]) == PIXELS[name][1]
        assert variant["size_bytes"] == len(response.data)
        assert response.content_type == variant["content_type"]


@pytest.mark.parametrize("when", ["lazy", "later"])
def test_made_afterwards(make_api: MakeApi, when: str) -> None:
    """Variants that are made afterwards are described before: with their URLs, without bytes."""
    api = make_api(MEDIA_VARIANTS_WHEN=when)
    result = api.made(BODY | {"variants": {"card": [32, 16]}})
    check(api, "Result", result)
    variant = result["variants"]["card"]
    assert (variant["width"], variant["height"]) == (32, 16)
    assert when == "later" or variant["sha256"] is None
    assert api.get(variant["url"]).status_code == 200


def test_of_the_config(make_api: MakeApi) -> None:
    """Who names none gets those of the config; who names none at all gets none."""
    api = make_api(MEDIA_VARIANTS={"thumb": 16})
    assert api.made(BODY)["variants"].keys() == {"thumb"}
    assert api.made(BODY | {"variants": None})["variants"].keys() == {"thumb"}
    assert api.made(BODY | {"variants": {}})["variants"] == {}


def test_a_key_stands_for_its_variants(api: Api) -> None:
    """The same key with other variants is a conflict; with the same ones the same result."""
    first = api.made(BODY | {"variants": {"thumb": 16}}, Idempotency_Key="k")
    again = json_of(api.ask(BODY | {"variants": {"thumb": 16}}, Idempotency_Key="k"))
    assert (again["cached"], again["variants"]) == (True, first["variants"])
    response = api.ask(BODY | {"variants": {"thumb": 8}}, Idempotency_Key="k")
    problem_of(response, 422, "idempotency-conflict")
    assert api.emulator.calls == 1


@pytest.mark.parametrize(
    ("variants", "pointer"),
    [
        ({f"v{number}": 16 for number in range(9)}, "#/variants"),
        ({"big": {"width": 500, "upscale": True}}, "#/variants/big/upscale"),
        ({"original": 16}, "#/variants/original"),
        ({"Thumb": 16}, "#/variants/Thumb"),
        ({"": 16}, "#/variants"),
        ({"x" * 33: 16}, "#/variants/xxx"),
        ({"../x": 16}, "#/variants/..~1x"),
        ({"a.b": 16}, "#/variants/a.b"),
        ({"thumb\n": 16}, "#/variants/thumb\n"),
        ({"thumb": 0}, "#/variants/thumb"),
        ({"thumb": 12_289}, "#/variants/thumb"),
        ({"thumb": 1.5}, "#/variants/thumb"),
        ({"thumb": "16"}, "#/variants/thumb"),
        ({"thumb": None}, "#/variants/thumb"),
        ({"thumb": [16]}, "#/variants/thumb"),
        ({"thumb": [16, 16, 16]}, "#/variants/thumb"),
        ({"thumb": [16, None]}, "#/variants/thumb"),
        ({"thumb": {"height": 16}}, "#/variants/thumb/width"),
        ({"thumb": {"width": 16, "fit": "stretch"}}, "#/variants/thumb/fit"),
        ({"thumb": {"width": 16, "focus": [2, 0]}}, "#/variants/thumb/focus/0"),
        ({"thumb": {"width": 16, "format": "gif"}}, "#/variants/thumb/format"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_refused(api: Api, variants: dict[str, Any], pointer: str) -> None:
    """What is refused is told by where it is, is paid by nobody, and is wrong by openapi.json
    too."""
    body = BODY | {"variants": variants}
    problem = problem_of(api.ask(body), 400, "invalid-body")
    pointers = [fault["pointer"] for fault in problem["errors"]]
    assert any(one.startswith(pointer) for one in pointers), pointers
    assert not request_schema(api).is_valid(body)
    assert api.emulator.calls == 0


def test_too_many_pixels(api: Api) -> None:
    """What no schema can say is refused by name."""
    huge = {f"v{number}": [12_000 - number, 12_000] for number in range(8)}
    response = api.ask(BODY | {"variants": huge})
    assert response.status_code == 422
    assert "variants" in json.loads(response.data)["detail"]
    assert api.emulator.calls == 0
