"""The ways to a stored picture that are measured against each other."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

MODEL = "gemini-nano-banana-2.1"
PROMPT = "A house by the sea, seen from the dunes in the morning"

Make = Callable[[str], None]
"""Generates one picture and stores it under the key."""


@dataclass(frozen=True)
class Servers:
    """Where the model and the bucket are."""

    gemini_url: str
    s3_url: str
    bucket: str
    key: str
    secret: str


def ours(servers: Servers) -> Make:
    """Flask-Media as an app uses it."""
    from flask import Flask

    from flask_media import FlaskMedia
    from flask_media import ImageGenerationConfig
    from flask_media import current_media

    app = Flask("bench", instance_path=tempfile.mkdtemp())
    app.config.update(
        GEMINI_API_KEY="key",
        GEMINI_BASE_URL=servers.gemini_url,
        SPACES_PROVIDER="minio",
        SPACES_ENDPOINT_URL=servers.s3_url,
        SPACES_REGION="us-east-1",
        SPACES_BUCKET=servers.bucket,
        SPACES_KEY=servers.key,
        SPACES_SECRET=servers.secret,
    )
    FlaskMedia(app)
    config = ImageGenerationConfig(enhance_prompt=False)

    def make(key: str) -> None:
        with app.app_context():
            result = current_media.generate_and_upload(PROMPT, f"{key}.png", {"goal_id": 7}, config)
            assert result.size_bytes > 1_000_000

    return make


def hand_written(servers: Servers) -> Make:
    """What a careful developer writes: shared clients, the SDK's own parsing, bytes untouched."""
    import boto3
    import httpx2
    from botocore.config import Config
    from google import genai
    from google.genai import types

    gemini = genai.Client(
        api_key="key",
        vertexai=False,
        http_options=types.HttpOptions(
            base_url=servers.gemini_url,
            api_version="v1",
            httpx_client=httpx2.Client(
                limits=httpx2.Limits(max_connections=100, max_keepalive_connections=64),
                timeout=60,
            ),
        ),
    )
    options = types.GenerateContentConfig(
        response_modalities=["IMAGE"],
        image_config=types.ImageConfig(aspect_ratio="1:1", image_size="1K"),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    s3 = boto3.client(
        "s3",
        endpoint_url=servers.s3_url,
        region_name="us-east-1",
        aws_access_key_id=servers.key,
        aws_secret_access_key=servers.secret,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            max_pool_connections=64,
        ),
    )

    def make(key: str) -> None:
        response = gemini.models.generate_content(model=MODEL, contents=PROMPT, config=options)
        parts: Any = response.parts
        data = next(p.inline_data.data for p in reversed(parts) if p.inline_data)
        assert len(data) > 1_000_000
        s3.put_object(
            Bucket=servers.bucket,
            Key=f"{key}.png",
            Body=data,
            ContentType="image/png",
            Metadata={"goal-id": "7"},
        )

    return make


def old(servers: Servers) -> Make:
    """The migration guide's OLD code: new clients each time, decoded and encoded again."""
    import boto3
    from botocore.client import Config
    from google import genai
    from google.genai import types
    from PIL import Image

    def make(key: str) -> None:
        client = genai.Client(
            api_key="key",
            http_options=types.HttpOptions(base_url=servers.gemini_url, api_version="v1"),
        )
        response = client.models.generate_content(
            model=MODEL,
            contents=PROMPT,
            config=types.GenerateContentConfig(response_modalities=["TEXT", "IMAGE"]),
        )
        image = None
        candidates: Any = response.candidates
        for part in candidates[0].content.parts:
            if part.inline_data:
                image = Image.open(BytesIO(part.inline_data.data))
                break
        assert image is not None
        stream = BytesIO()
        image.save(stream, format="PNG")
        session = boto3.session.Session()
        s3 = session.client(
            "s3",
            region_name="us-east-1",
            endpoint_url=servers.s3_url,
            aws_access_key_id=servers.key,
            aws_secret_access_key=servers.secret,
            config=Config(s3={"addressing_style": "path"}),
        )
        s3.put_object(
            Bucket=servers.bucket,
            Key=f"{key}.png",
            Body=stream.getvalue(),
            ContentType="image/png",
        )
        client.close()
        s3.close()

    return make


def floor(servers: Servers) -> Make:
    """The least that could be done: raw HTTP, one base64 decode, one hash."""
    import json

    import httpx2

    client = httpx2.Client(limits=httpx2.Limits(max_keepalive_connections=64))

    def make(key: str) -> None:
        response = client.post(
            f"{servers.gemini_url}/v1/models/{MODEL}:generateContent",
            json={"contents": [{"parts": [{"text": PROMPT}]}]},
            headers={"x-goog-api-key": "key"},
            timeout=60,
        )
        part = json.loads(response.content)["candidates"][0]["content"]["parts"][-1]
        hashlib.sha256(base64.b64decode(part["inlineData"]["data"])).digest()

    return make


CONTESTANTS: dict[str, Callable[[Servers], Make]] = {
    "ours": ours,
    "hand-written": hand_written,
    "OLD": old,
    "floor": floor,
}
"""By name."""

MALLOC = {"MALLOC_TRIM_THRESHOLD_": "268435456", "MALLOC_MMAP_THRESHOLD_": "33554432"}
"""glibc's trimming costs milliseconds by luck of the heap: off, for all alike."""


def environment() -> dict[str, str]:
    """The environment of a measuring process."""
    return os.environ | MALLOC
