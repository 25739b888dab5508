"""What the service refuses before it generates."""

from __future__ import annotations

import base64
import json
from typing import Any

from .messages import Recorded
from .messages import Reply
from .messages import error_body
from .pictures import RATIOS_1K
from .pictures import SCALES

SHORTEST_DEADLINE = 10
"""Seconds; Google refuses a shorter X-Server-Timeout."""


def strict_refusal(rec: Recorded) -> Reply | None:
    """A 400 for a deadline that is too short, an unknown ratio or size step, bad base64 in a
    reference or an earlier picture without its signature; None for a good request."""
    deadline = rec.headers.get("x-server-timeout")
    if deadline and float(deadline) < SHORTEST_DEADLINE:
        return _refusal(
            f"Manually set deadline {deadline}s is too short. "
            f"Minimum allowed deadline is {SHORTEST_DEADLINE}s."
        )
    try:
        fault = _body_fault(json.loads(rec.body))
    except ValueError:
        fault = "Invalid JSON payload received."
    return _refusal(fault) if fault else None


def _body_fault(body: dict[str, Any]) -> str | None:
    config = (body.get("generationConfig") or {}).get("imageConfig") or {}
    if config.get("aspectRatio", "1:1") not in RATIOS_1K:
        return "Aspect ratio is not supported for this model."
    if config.get("imageSize", "1K") not in SCALES:
        return "Image size is not supported for this model."
    if not body.get("contents"):
        return "* GenerateContentRequest.contents: contents is not specified"
    for place, content in enumerate(body["contents"]):
        for number, part in enumerate(content.get("parts") or []):
            fault = _part_fault(part, content.get("role"), f"contents[{place}].parts[{number}]")
            if fault:
                return fault
    return None


def _part_fault(part: dict[str, Any], role: str | None, where: str) -> str | None:
    blob = part.get("inlineData")
    if not blob:
        return None
    try:
        # The SDK sends the URL-safe alphabet.
        text = blob["data"].translate(str.maketrans("-_", "+/"))
        base64.b64decode(text, validate=True)
    except (KeyError, ValueError):
        return f"Invalid value at '{where}.inline_data.data' (TYPE_BYTES), Base64 decoding failed"
    if role == "model" and not (part.get("thoughtSignature") or part.get("thought")):
        return f"Image part is missing a thought_signature in {where}."
    return None


def _refusal(message: str) -> Reply:
    return Reply(400, error_body(400, "INVALID_ARGUMENT", message))
