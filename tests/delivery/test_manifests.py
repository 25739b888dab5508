"""Pictures that carry a signed C2PA manifest: kept whole, or said to have lost it."""

from __future__ import annotations

import base64
import io
import json
import logging
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage

from flask_media import ImageGenerationConfig
from flask_media import MediaResult
from flask_media.emulator import Ask
from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply
from flask_media.emulator.messages import answer
from flask_media.emulator.messages import data_part
from flask_media.options import ImageFormat
from flask_media.types import Provenance

from ..imaging.signed import GENERATOR
from ..imaging.signed import official
from ..imaging.signed import signed
from .site import KEY
from .site import Site

MODEL_MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

KEPT = Provenance(c2pa=True, c2pa_kept=True, claim_generator=GENERATOR)

LOST = Provenance(c2pa=True, claim_generator=GENERATOR, digital_source_type=MODEL_MADE)

WHOLE = ImageGenerationConfig(size=(96, 64))

SMALLER = ImageGenerationConfig(size=(48, 32))


@pytest.fixture(autouse=True)
def signing(emulator: GeminiEmulator) -> None:
    """The model sends a signed file of 96 by 64 pixels."""
    data = base64.b64encode(signed(ImageFormat.PNG)).decode()

    def send(ask: Ask) -> Reply:
        return answer(ask, [data_part(data)])

    emulator.handler(send)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Any:
    """What was logged of manifests so far, at INFO and above."""
    caplog.set_level(logging.INFO, "flask_media")
    return lambda: [
        record.getMessage() for record in caplog.records if "C2PA" in record.getMessage()
    ]


def test_stored_untouched(site: Site, said: Any) -> None:
    """A picture that needs no change keeps its manifest whole; nothing has to be said."""
    result = site.ask(config=WHOLE)
    assert result.provenance == site.media.info(KEY).provenance == KEPT
    stored = (site.folder / KEY).read_bytes()
    assert stored == signed(ImageFormat.PNG)
    assert official(stored, ImageFormat.PNG) is not None
    assert said() == []


def test_made_smaller(site: Site, said: Any) -> None:
    """A picture that is encoded anew loses its manifest: the result, the listing and the log say
    so, and the file says itself what made it."""
    result = site.ask(config=SMALLER)
    assert result.provenance == site.media.info(KEY).provenance == LOST
    assert MediaResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    stored = (site.folder / KEY).read_bytes()
    assert official(stored, ImageFormat.PNG) is None
    assert MODEL_MADE.encode() in stored
    (line,) = said()
    assert result.job_id in line
    assert GENERATOR in line


def test_not_stored(site: Site, said: Any) -> None:
    """A picture that its caller stores is not encoded anew in silence either."""
    with site.app.app_context():
        assert official(site.media.generate("A sea house", WHOLE).data, ImageFormat.PNG)
        assert said() == []
        image = site.media.generate("A sea house", SMALLER)
    (line,) = said()
    assert image.job_id in line


def test_the_original_keeps_it(site: Site) -> None:
    """The untouched original beside such a picture has the manifest."""
    result = site.ask(config=SMALLER, keep_original=True)
    assert result.original is not None
    data = (site.folder / result.original.object_key).read_bytes()
    assert official(data, ImageFormat.PNG) is not None


@pytest.mark.parametrize(("size", "provenance"), [([96, 64], KEPT), ([48, 32], LOST)])
def test_over_http(site: Site, size: list[int], provenance: Provenance) -> None:
    """The result over HTTP says it too, and so does the job's document."""
    client, headers = site.app.test_client(), {"X-User": "ann"}
    body = {"prompt": "A sea house", "config": {"size": size, "format": "png"}}
    response = client.post("/media/generate", json=body, headers=headers | {"Prefer": "wait"})
    assert response.status_code == 201
    result = response.json
    assert result
    assert Provenance(**result["provenance"]) == provenance
    job = client.get(f"/media/jobs/{result['job_id']}", headers=headers).json
    assert job
    assert job["result"]["provenance"] == result["provenance"]


def test_uploads(site: Site, said: Any) -> None:
    """An upload that is stored as it is keeps a manifest; one that is cleaned loses it, which is
    said, and nothing is said of a model."""
    data = signed(ImageFormat.PNG)
    assert site.media.upload(data, KEY).provenance == KEPT
    assert said() == []
    result = site.media.upload(FileStorage(io.BytesIO(data), "photo.png"), KEY)
    assert result.provenance == Provenance(c2pa=True, claim_generator=GENERATOR)
    (line,) = said()
    assert result.job_id in line
