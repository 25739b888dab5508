"""The OpenAPI document: that it is one, that it says what is so, and schemathesis on it."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import Any
from typing import get_args

import pytest

from flask_media import ImageFormat
from flask_media import ImageGenerationConfig
from flask_media import ImageQuality
from flask_media import ImageSize
from flask_media import ImageTheme
from flask_media import MediaResult
from flask_media import Usage
from flask_media.web import schemas

from .api import Api
from .api import MakeApi
from .api import json_of
from .fuzzing import fuzz


@pytest.mark.timeout(300)
def test_schemathesis(tmp_path: Path) -> None:
    """schemathesis finds nothing: no 5xx, and no answer that the document does not describe."""
    count, output = fuzz(tmp_path, cases=20, seed=7)
    assert count >= 250, output


def test_document(api: Api) -> None:
    """The document is of OpenAPI 3.1, under the blueprint's own prefix, and of no use to caches."""
    response = api.get("/openapi.json")
    document = json_of(response)
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "/media"}]
    assert "private" in response.headers["Cache-Control"]
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["operationId"]
            assert {"403", "405", "500"} <= operation["responses"].keys()


@pytest.mark.parametrize("client_keys", [False, True])
def test_object_key(client_keys: bool, make_api: MakeApi) -> None:
    """object_key is described where clients may choose it, and nowhere else."""
    document = json_of(make_api(client_keys=client_keys).get("/openapi.json"))
    body = document["paths"]["/generate"]["post"]["requestBody"]["content"]["application/json"]
    name = body["schema"]["$ref"].rpartition("/")[2]
    properties = document["components"]["schemas"][name]["properties"]
    assert ("object_key" in properties) == client_keys


def _choices(choices: type[enum.Enum]) -> list[Any]:
    return [choice.value for choice in choices]


def test_the_same_choices() -> None:
    """The body takes what the options take, and the result is the service's own."""
    assert set(schemas.Config.model_fields) == set(ImageGenerationConfig.__dataclass_fields__)
    assert list(get_args(schemas.SizeName)) == [size.name.lower() for size in ImageSize]
    assert list(get_args(schemas.QualityName)) == _choices(ImageQuality)
    assert list(get_args(schemas.ThemeName)) == _choices(ImageTheme)
    assert set(get_args(schemas.FormatName)) == {*_choices(ImageFormat), "jpg"}
    assert set(schemas.Result.model_fields) == set(MediaResult.__dataclass_fields__)
    assert set(schemas.Usage.model_fields) == set(Usage.__dataclass_fields__)


def test_the_same_defaults() -> None:
    """An empty config of a body is the default one, and a config in JSON is taken as it is."""
    empty = schemas.Config.model_validate({})
    assert schemas.config_of(empty) == ImageGenerationConfig()
    described = ImageGenerationConfig.from_dict(empty.model_dump())
    assert described == ImageGenerationConfig()
    config = ImageGenerationConfig(
        size=ImageSize.BANNER, brand_colors=["#0066CC"], format=ImageFormat.PNG
    )
    parsed = schemas.config_of(schemas.parse(schemas.Ask, _ask(config.to_dict())).config)
    assert parsed is not None
    assert parsed.to_dict() == config.to_dict()


def _ask(config: dict[str, Any]) -> bytes:
    return json.dumps({"prompt": "x", "config": config}).encode()
