"""Reads what Gemini answers with 200. Slow to import: only ``gemini`` does, at first use."""

from __future__ import annotations

import pydantic  # noqa: TID253 (this module is imported at the first call)

from ..errors import ContentBlocked
from ..errors import InvalidImage
from ..errors import MediaError
from ..errors import NoImageReturned
from ..errors import OutcomeUnknown
from ..types import Usage
from .gemini_errors import Cleaner

BLOCKED = frozenset(
    {
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "SAFETY",
        "PROHIBITED_CONTENT",
        "RECITATION",
        "BLOCKLIST",
        "SPII",
    }
)
"""Finish reasons that mean a rule of the provider; asking again changes nothing."""


class _Model(pydantic.BaseModel):
    """Only what is used, and nothing required: refusals leave out most of it."""

    # The names are the API's own: an alias costs time at each field.
    model_config = pydantic.ConfigDict(val_json_bytes="base64")


class _Blob(_Model):
    mimeType: str | None = None  # noqa: N815
    data: bytes | None = None


class _Part(_Model):
    text: str | None = None
    thought: bool | None = None
    inlineData: _Blob | None = None  # noqa: N815


class _Content(_Model):
    parts: list[_Part] | None = None


class _Candidate(_Model):
    content: _Content | None = None
    finishReason: str | None = None  # noqa: N815
    finishMessage: str | None = None  # noqa: N815


class _Feedback(_Model):
    blockReason: str | None = None  # noqa: N815
    blockReasonMessage: str | None = None  # noqa: N815


class _Tokens(_Model):
    modality: str | None = None
    tokenCount: int | None = None  # noqa: N815


class _Counts(_Model):
    promptTokenCount: int | None = None  # noqa: N815
    candidatesTokenCount: int | None = None  # noqa: N815
    thoughtsTokenCount: int | None = None  # noqa: N815
    totalTokenCount: int | None = None  # noqa: N815
    candidatesTokensDetails: list[_Tokens] | None = None  # noqa: N815


class _Bill(_Model):
    """What an answer says of its cost, readable when the rest is not."""

    usageMetadata: _Counts | None = None  # noqa: N815


class _Answer(_Bill):
    candidates: list[_Candidate] | None = None
    promptFeedback: _Feedback | None = None  # noqa: N815


def read_answer(body: bytes, model: str, clean: Cleaner) -> tuple[bytes, Usage | None] | MediaError:
    """The picture's bytes and the usage, or the error to raise in their place.

    :param body: the answer's JSON.
    :param model: the model that was asked, for the error.
    :param clean: makes the provider's words fit for a message.
    """
    try:
        answer = _Answer.model_validate_json(body)
    except pydantic.ValidationError as error:
        return _unreadable(error, body, model)
    usage = _usage(answer.usageMetadata)
    data = _picture(answer)
    return _refusal(answer, usage, model, clean) if data is None else (data, usage)


def _unreadable(error: pydantic.ValidationError, body: bytes, model: str) -> MediaError:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]["type"]
    if fault == "bytes_invalid_encoding":
        unreadable = InvalidImage(
            f"{model} sent a picture whose base64 can't be decoded.",
            usage=_usage(_Bill.model_validate_json(body).usageMetadata),
            model=model,
        )
        unreadable.data = body
        return unreadable
    return OutcomeUnknown(
        f"{model} sent an answer that is cut or not the API's JSON ({fault}). The call may have "
        "been charged. If it happens again, check GEMINI_BASE_URL.",
        status=200,
        model=model,
    )


def _parts(answer: _Answer) -> list[_Part]:
    """The parts of all candidates but the thoughts, which are drafts."""
    return [
        part
        for candidate in answer.candidates or ()
        if candidate.content
        for part in candidate.content.parts or ()
        if not part.thought
    ]


def _picture(answer: _Answer) -> bytes | None:
    """The last picture; what its label says beyond "image" is not trusted."""
    for part in reversed(_parts(answer)):
        blob = part.inlineData
        if blob and blob.data and (blob.mimeType or "").lower().startswith("image/"):
            return blob.data
    return None


def _usage(counts: _Counts | None) -> Usage | None:
    if counts is None:
        return None
    pictures = [
        tokens.tokenCount
        for tokens in counts.candidatesTokensDetails or ()
        if tokens.modality == "IMAGE" and tokens.tokenCount is not None
    ]
    return Usage(
        input_tokens=counts.promptTokenCount,
        output_tokens=counts.candidatesTokenCount,
        image_tokens=sum(pictures) if pictures else None,
        thought_tokens=counts.thoughtsTokenCount,
        total_tokens=counts.totalTokenCount,
    )


def _refusal(answer: _Answer, usage: Usage | None, model: str, clean: Cleaner) -> MediaError:
    feedback = answer.promptFeedback
    if feedback and feedback.blockReason:
        said = clean(feedback.blockReasonMessage)
        return ContentBlocked(
            f"{model} blocked the prompt ({clean(feedback.blockReason)}). {said}".rstrip(),
            reason=clean(feedback.blockReason),
            usage=usage,
            model=model,
        )
    candidate = answer.candidates[0] if answer.candidates else _Candidate()
    reason = clean(candidate.finishReason) or None
    said = clean(candidate.finishMessage)
    if reason in BLOCKED:
        return ContentBlocked(
            f"{model} blocked the picture ({reason}). {said}".rstrip(),
            reason=reason,
            usage=usage,
            model=model,
        )
    said = clean("".join(part.text or "" for part in _parts(answer))) or said
    return NoImageReturned(
        f"{model} sent no picture ({reason or 'no reason given'}). {said}".rstrip(),
        reason=reason,
        usage=usage,
        model=model,
    )
