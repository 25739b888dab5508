"""All that the emulator can answer, by name: :data:`MODES`."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

from .messages import IMAGE_TOKENS
from .messages import SIGNATURE
from .messages import Ask
from .messages import Reply
from .messages import answer
from .messages import data_part
from .messages import error_body
from .messages import google_rpc
from .messages import quota_error
from .messages import usage
from .pictures import make_picture

Mode = Callable[[Ask], Reply]

MODES: dict[str, Mode] = {}
"""Every mode by its name."""


ALLOWED: dict[str, frozenset[str]] = {}
"""The names of each mode's options."""

PICTURE = ("w", "h", "bytes", "mime", "saymime")
"""Options of a mode that draws."""


def mode(*names: str, options: Iterable[str] = ()) -> Callable[[Mode], Mode]:
    """Put a function into :data:`MODES` under those names; all take ``latency`` too."""

    def register(function: Mode) -> Mode:
        MODES.update(dict.fromkeys(names, function))
        ALLOWED.update(dict.fromkeys(names, frozenset({*options, "latency"})))
        return function

    return register


# Answers with a picture


@mode("ok", "image", options=(*PICTURE, "n"))
def _ok(ask: Ask) -> Reply:
    count = ask.opt("n", 1)
    parts = [ask.image_part(seed) for seed in range(count)]
    return answer(ask, parts, tokens=IMAGE_TOKENS * count)


@mode("text-and-image", options=PICTURE)
def _text_and_image(ask: Ask) -> Reply:
    return answer(ask, [{"text": "Here is your image: "}, ask.image_part()])


@mode("thought", options=PICTURE)
def _thought(ask: Ask) -> Reply:
    """A thinking model: its words, a draft, then the picture with a signature."""
    parts = [
        {"text": "**Composing the scene**\nI will try a draft first.", "thought": True},
        ask.image_part(seed=7, thought=True),
        ask.image_part(thoughtSignature=SIGNATURE),
    ]
    return answer(ask, parts, thoughts=233)


@mode("thought-only", options=PICTURE)
def _thought_only(ask: Ask) -> Reply:
    """A draft alone: nothing that a caller may hand on."""
    parts = [ask.image_part(seed=7, thought=True)]
    return answer(ask, parts, "NO_IMAGE", tokens=0, thoughts=233)


@mode("unknown-fields", options=PICTURE)
def _unknown_fields(ask: Ask) -> Reply:
    part = ask.image_part(brandNewPartField={"a": 1})
    reply = answer(ask, [part], brandNewCandidateField=[1, 2])
    reply.body["brandNewTopField"] = "x"
    reply.body["usageMetadata"]["brandNewCount"] = 3
    return reply


# 200 without a picture


@mode("text-only", "no-image-stop")
def _text_only(ask: Ask) -> Reply:
    text = "I'm just a language model and can't make that image."
    return answer(ask, [{"text": text}], tokens=0)


@mode("no-image")
def _no_image(ask: Ask) -> Reply:
    message = "Unable to show the generated image. Try rephrasing the prompt."
    return answer(ask, None, "NO_IMAGE", tokens=0, finishMessage=message)


_NO_PICTURE = "Unable to show the generated image. "
_POLICY = (
    f"{_NO_PICTURE}The image was filtered out because it violated Google's Generative AI "
    "Prohibited Use policy."
)
_LIKENESS = f"{_NO_PICTURE}The image was filtered out because it resembles existing content."
_REPHRASE = f"{_NO_PICTURE}Try rephrasing the prompt."

_FINISHES: dict[str, tuple[str, str | None]] = {
    "image-safety": ("IMAGE_SAFETY", _POLICY),
    "image-prohibited": ("IMAGE_PROHIBITED_CONTENT", _POLICY),
    "image-recitation": ("IMAGE_RECITATION", _LIKENESS),
    "image-other": ("IMAGE_OTHER", _REPHRASE),
    "safety": ("SAFETY", _POLICY),
    "recitation": ("RECITATION", _LIKENESS),
    "prohibited": ("PROHIBITED_CONTENT", _POLICY),
    "blocklist": ("BLOCKLIST", _POLICY),
    "spii": ("SPII", _POLICY),
    "max-tokens": ("MAX_TOKENS", "The maximum number of output tokens was reached."),
    "malformed": ("MALFORMED_RESPONSE", "The model's response was malformed."),
    "other": ("OTHER", None),
    "unknown-finish": ("SOMETHING_NEW_IN_2027", None),
}


@mode(*_FINISHES, options=["content"])
def _finish(ask: Ask) -> Reply:
    """No picture, and a reason; ``content=0`` leaves the content out."""
    reason, message = _FINISHES[ask.rec.mode]
    said: dict[str, Any] = {"finishMessage": message} if message else {}
    parts: list[dict[str, Any]] | None = [] if ask.opt("content", 1) else None
    return answer(ask, parts, reason, tokens=0, **said)


@mode("prompt-blocked", options=["reason"])
def _prompt_blocked(ask: Ask) -> Reply:
    counts = usage(0)
    del counts["candidatesTokenCount"]
    feedback = {"blockReason": ask.opt("reason", "PROHIBITED_CONTENT")}
    return Reply(body={"promptFeedback": feedback, "usageMetadata": counts})


@mode("empty")
def _empty(ask: Ask) -> Reply:
    return Reply(body={"usageMetadata": usage(0), "modelVersion": ask.rec.model})


@mode("empty-candidates")
def _empty_candidates(_: Ask) -> Reply:
    return Reply(body={"candidates": [], "usageMetadata": usage(0)})


@mode("empty-object")
def _empty_object(_: Ask) -> Reply:
    return Reply(body={})


@mode("content-none")
def _content_none(ask: Ask) -> Reply:
    return answer(ask, None, tokens=0)


@mode("content-empty")
def _content_empty(ask: Ask) -> Reply:
    return answer(ask, [], tokens=0)


@mode("part-empty-data")
def _part_empty(ask: Ask) -> Reply:
    return answer(ask, [data_part("")])


@mode("bad-image")
def _bad_image(ask: Ask) -> Reply:
    """Good base64 of something that is no picture."""
    return answer(ask, [data_part(base64.b64encode(b"not a png").decode())])


@mode("half-image", options=("w", "h"))
def _half_image(ask: Ask) -> Reply:
    data = make_picture("image/png", *ask.image_size, ask.emulator.image_bytes)
    return answer(ask, [data_part(base64.b64encode(data[: len(data) // 2]).decode())])


@mode("bad-base64")
def _bad_base64(ask: Ask) -> Reply:
    return answer(ask, [data_part("@@@not-base64@@@")])


# Error statuses


@mode("429", "429-minute", options=("retry", "header"))
def _429(ask: Ask) -> Reply:
    """``retry=36.5`` seconds in the body; ``header=1`` says it in Retry-After too."""
    retry = ask.opt("retry", 36.5)
    headers = {"Retry-After": str(max(1, round(retry)))} if ask.opt("header", 0) else {}
    return Reply(429, quota_error(ask.rec.model, retry), headers)


@mode("429-day", options=["retry"])
def _429_day(ask: Ask) -> Reply:
    retry = ask.opt("retry", 43200.0)
    return Reply(429, quota_error(ask.rec.model, retry, daily=True, limit="250"))


@mode("429-free", options=["retry"])
def _429_free(ask: Ask) -> Reply:
    """A tier without this model: the limit is 0, so waiting is useless."""
    return Reply(429, quota_error(ask.rec.model, ask.opt("retry", 30.0), limit="0"))


_ERRORS: dict[str, tuple[int, str, str, list[dict[str, Any]] | None]] = {
    "400": (400, "INVALID_ARGUMENT", "Request contains an invalid argument.", None),
    "400-ratio": (
        400,
        "INVALID_ARGUMENT",
        "Aspect ratio is not supported for this model.",
        [
            google_rpc(
                "BadRequest",
                fieldViolations=[
                    {
                        "field": "generation_config.image_config.aspect_ratio",
                        "description": "unsupported",
                    }
                ],
            )
        ],
    ),
    "400-key": (
        400,
        "INVALID_ARGUMENT",
        "API key not valid. Please pass a valid API key.",
        [google_rpc("ErrorInfo", reason="API_KEY_INVALID", domain="googleapis.com")],
    ),
    "400-safety": (
        400,
        "INVALID_ARGUMENT",
        "Request blocked: the prompt violates the Generative AI Prohibited Use policy.",
        None,
    ),
    "400-location": (
        400,
        "FAILED_PRECONDITION",
        "User location is not supported for the API use.",
        None,
    ),
    "401": (401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", None),
    "403": (
        403,
        "PERMISSION_DENIED",
        "Your API key was reported as leaked. Please use another API key.",
        None,
    ),
    "403-disabled": (
        403,
        "PERMISSION_DENIED",
        "Generative Language API has not been used in project 1 before or it is disabled.",
        [google_rpc("ErrorInfo", reason="SERVICE_DISABLED", domain="googleapis.com")],
    ),
    "404": (
        404,
        "NOT_FOUND",
        "models/{model} is not found for API version v1, or is not supported for generateContent.",
        None,
    ),
    "429-bare": (
        429,
        "RESOURCE_EXHAUSTED",
        "Resource has been exhausted (e.g. check quota).",
        None,
    ),
    "499": (499, "CANCELLED", "The operation was cancelled.", None),
    "500": (500, "INTERNAL", "An internal error has occurred. Please retry.", None),
    "503": (503, "UNAVAILABLE", "This model is currently experiencing high demand.", None),
    "504": (504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete.", None),
}


@mode(*_ERRORS, options=["after"])
def _error(ask: Ask) -> Reply:
    """``after=`` goes into Retry-After as it is."""
    code, status, message, details = _ERRORS[ask.rec.mode]
    headers = {"Retry-After": ask.options["after"]} if "after" in ask.options else {}
    message = message.replace("{model}", ask.rec.model)
    return Reply(code, error_body(code, status, message, details), headers)


@mode("502-html")
def _502(_: Ask) -> Reply:
    page = b"<!DOCTYPE html><title>Error 502 (Server Error)!!1</title>"
    return Reply(502, raw=page, content_type="text/html")


@mode("redirect", options=["to"])
def _redirect(ask: Ask) -> Reply:
    """302 to ``to=``, which a client that carries a key must not follow."""
    return Reply(302, raw=b"", headers={"Location": ask.opt("to", "http://127.0.0.1:9/")})


# Broken on the wire


@mode("bad-json")
def _bad_json(_: Ask) -> Reply:
    return Reply(raw=b'{"candidates": [{"content"')


@mode("empty-body")
def _empty_body(_: Ask) -> Reply:
    return Reply(raw=b"")


@mode("html")
def _html(_: Ask) -> Reply:
    return Reply(raw=b"<html>a captive portal</html>", content_type="text/html")


@mode("reset", "close", "truncate", options=(*PICTURE, "n"))
@mode("hang", options=(*PICTURE, "n", "seconds"))
@mode("drip", "drip-headers", options=(*PICTURE, "n", "steps", "pause"))
def _wire(ask: Ask) -> Reply:
    """A good answer that does not get through; ``drip`` takes ``steps=`` and ``pause=`` seconds,
    ``hang`` takes ``seconds=``."""
    reply = _ok(ask)
    reply.fault = ask.rec.mode
    return reply


# Changing from one request to the next


_OF_THE_OTHERS = frozenset[str]().union(*ALLOWED.values())
"""What the modes that these two stand for take."""


@mode("flaky", options=("fail", "code", *_OF_THE_OTHERS))
def _flaky(ask: Ask) -> Reply:
    """The first ``fail=2`` requests of each prompt fail with ``code=503``, then it is fine."""
    contents = json.dumps((ask.rec.json or {}).get("contents"), sort_keys=True)
    if ask.emulator.count(f"{ask.rec.model}\0{contents}") <= ask.opt("fail", 2):
        return _as(ask, ask.opt("code", "503"))
    return _ok(ask)


@mode("random", options=("p", "codes", *_OF_THE_OTHERS))
def _random(ask: Ask) -> Reply:
    """The share ``p=0.2`` of the requests fails with one of ``codes=503;429;500;no-image``."""
    draw, pick = ask.emulator.draw(ask.opt("codes", "503;429;500;no-image").split(";"))
    return _ok(ask) if draw >= ask.opt("p", 0.2) else _as(ask, pick)


def _as(ask: Ask, name: str) -> Reply:
    ask.rec.mode = name
    return MODES[name](ask)
