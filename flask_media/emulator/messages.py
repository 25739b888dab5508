"""What comes in, what goes back, and the JSON shapes of the API."""

from __future__ import annotations

import base64
import dataclasses
import json
import zlib
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar

from .pictures import RATIOS_1K
from .pictures import SCALES
from .pictures import picture_base64

if TYPE_CHECKING:
    from .server import GeminiEmulator

Value = TypeVar("Value", str, int, float)

SIGNATURE = base64.b64encode(b"stub-thought-signature").decode()
"""What stands for the signature of a thinking model's part."""

IMAGE_TOKENS = 1120
"""Tokens of one picture at 1K."""


@dataclasses.dataclass
class Reply:
    """What goes back: a status and a body, or one of the faults of the wire."""

    status: int = 200
    """The HTTP status."""
    body: Any = None
    """What is sent as JSON."""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    """Headers over the usual ones."""
    raw: bytes | None = None
    """Sent as it is in the place of ``body``."""
    content_type: str = "application/json; charset=UTF-8"
    """The Content-Type header."""
    fault: str = ""
    """``reset``, ``close``, ``truncate``, ``hang``, ``drip`` or ``drip-headers``."""


@dataclasses.dataclass
class Recorded:
    """One request as it came."""

    method: str
    """``POST`` or ``GET``."""
    path: str
    """The URL's path."""
    query: dict[str, str]
    """The URL's query."""
    headers: dict[str, str]
    """Headers, names in lower case."""
    body: bytes
    """The body, empty where ``keep_bodies`` is off."""
    model: str
    """The model asked for."""
    action: str
    """``generateContent`` and the like; empty for a GET."""
    mode: str = ""
    """The mode that it was answered with."""
    connection: int = 0
    """Number of the TCP connection that it came on, from 1."""
    status: int = 0
    """The HTTP status it was answered with."""

    @property
    def json(self) -> Any:
        """The body's JSON, None without a body."""
        return json.loads(self.body) if self.body else None


@dataclasses.dataclass
class Ask:
    """What a mode or a handler sees."""

    rec: Recorded
    """The request."""
    options: dict[str, str]
    """Options of the mode and of the headers."""
    emulator: GeminiEmulator
    """The server that it came to."""
    seq: int
    """Number of the request, from 1."""

    def opt(self, name: str, default: Value) -> Value:
        """The value of an option, of the default's type."""
        value = self.options.get(name)
        return default if value is None else type(default)(value)

    @property
    def prompt(self) -> str:
        """All text of the request's contents, joined."""
        contents = (self.rec.json or {}).get("contents") or []
        parts = [part for content in contents for part in content.get("parts") or []]
        return "".join(part.get("text") or "" for part in parts)

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height in pixels of the picture to send."""
        fixed = self.opt("w", self.emulator.width), self.opt("h", self.emulator.height)
        if {"w", "h"} & self.options.keys() or not self.emulator.honour_image_config:
            return fixed
        config = ((self.rec.json or {}).get("generationConfig") or {}).get("imageConfig")
        if not config:
            return fixed
        scale = SCALES.get(config.get("imageSize", "1K"), 1.0)
        width, height = RATIOS_1K.get(config.get("aspectRatio", "1:1"), (1024, 1024))
        return int(width * scale), int(height * scale)

    def image_part(self, seed: int = 0, **extra: Any) -> dict[str, Any]:
        """A part with a picture; with ``vary`` its colours come from the prompt."""
        if self.emulator.vary:
            seed += zlib.crc32(self.prompt.encode())
        mime = self.opt("mime", self.emulator.mime)
        size_bytes = self.opt("bytes", self.emulator.image_bytes)
        data = picture_base64(mime, *self.image_size, size_bytes, seed)
        return {"inlineData": {"mimeType": self.opt("saymime", mime), "data": data}, **extra}


def data_part(data: str) -> dict[str, Any]:
    """A part that says it is a PNG, with that text for its base64."""
    return {"inlineData": {"mimeType": "image/png", "data": data}}


def usage(image_tokens: int = IMAGE_TOKENS, thoughts: int = 0, prompt: int = 8) -> dict[str, Any]:
    """The token counts of an answer."""
    counts: dict[str, Any] = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": image_tokens,
        "totalTokenCount": prompt + image_tokens + thoughts,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    }
    if image_tokens:
        counts["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": image_tokens}]
    if thoughts:
        counts["thoughtsTokenCount"] = thoughts
    return counts


def answer(
    ask: Ask,
    parts: list[dict[str, Any]] | None,
    finish: str = "STOP",
    *,
    tokens: int = IMAGE_TOKENS,
    thoughts: int = 0,
    **extra: Any,
) -> Reply:
    """One candidate. ``parts=None`` leaves ``content`` out, ``[]`` sends it without parts."""
    candidate: dict[str, Any] = {"index": 0}
    if parts is not None:
        candidate["content"] = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    candidate["finishReason"] = finish
    return Reply(
        body={
            "candidates": [candidate | extra],
            "usageMetadata": usage(tokens, thoughts),
            "modelVersion": ask.rec.model,
            "responseId": f"stub-{ask.seq}",
        }
    )


def error_body(
    code: int, status: str, message: str, details: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The body of an answer that is not 200."""
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    return {"error": error | ({"details": details} if details else {})}


def google_rpc(kind: str, **fields: Any) -> dict[str, Any]:
    """One entry of an error's details."""
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **fields}


def quota_error(
    model: str, retry: float, *, daily: bool = False, limit: str = "10"
) -> dict[str, Any]:
    """The body of a 429 with all its details; ``retry`` in seconds."""
    period = "Day" if daily else "Minute"
    metric = "generativelanguage.googleapis.com/generate_requests_per_model"
    metric += "_per_day" if daily else ""
    violation = {
        "quotaMetric": metric,
        "quotaId": f"GenerateRequestsPer{period}PerProjectPerModel",
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": limit,
    }
    message = (
        "You exceeded your current quota, please check your plan and billing details.\n"
        f"* Quota exceeded for metric: {metric}, limit: {limit}, model: {model}\n"
        f"Please retry in {retry:g}s."
    )
    link = {"description": "Gemini API quotas", "url": "https://ai.google.dev/gemini-api/docs"}
    details = [
        google_rpc("QuotaFailure", violations=[violation]),
        google_rpc("Help", links=[link]),
        google_rpc("RetryInfo", retryDelay=f"{retry:g}s"),
    ]
    return error_body(429, "RESOURCE_EXHAUSTED", message, details)


def answer_parts(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of an answer's candidate; empty where there are none."""
    candidates = body.get("candidates") or [{}]
    parts: list[dict[str, Any]] = candidates[0].get("content", {}).get("parts", [])
    return parts


def mode_error(message: str) -> Reply:
    """What a request for a mode that is none gets: 500, so that a test with a slip fails."""
    return Reply(500, error_body(500, "INTERNAL", message))


NOT_FOUND = Reply(404, raw=b"Not Found", content_type="text/html")
"""What a path that is none gets."""
