"""What comes in and goes out, as Pydantic models. Slow to import: only the first request does."""

from __future__ import annotations

import json
from typing import Annotated
from typing import Any
from typing import Literal
from typing import TypeAlias
from typing import TypeVar

import pydantic  # noqa: TID253 (this module is imported at the first request)
from pydantic import Field  # noqa: TID253
from pydantic_core import ErrorDetails
from pydantic_core import PydanticCustomError
from pydantic_core import from_json

from ..journal.states import State
from ..keys import MAX_KEY_BYTES
from ..options import MAX_BRAND_COLORS
from ..options import MAX_NOTES_CHARS
from ..options import MAX_SIDE
from ..options import ImageGenerationConfig
from ..prompts import MAX_PROMPT_CHARS
from ..variants import ORIGINAL
from .problems import Refused

MAX_VARIANTS = 8
"""Most derivatives that a client may ask for."""

MAX_ERRORS = 20
"""Most faults of one body that are told."""

# In patterns only what Rust, Python and JavaScript read alike; clients may check with any of them.
_TEXT = r"^[^\u0000]*$"
_NOT_BLANK = r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"


class _Body(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


Body = TypeVar("Body", bound=_Body)


def _whole(value: object) -> object:
    """1.0 is an integer too, to JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = pydantic.BeforeValidator(_whole)  # after the limits, or they are missing in the document
Notes: TypeAlias = Annotated[str, Field(max_length=MAX_NOTES_CHARS, pattern=_TEXT)]
Side: TypeAlias = Annotated[int, Field(ge=1, le=MAX_SIDE), Whole]
Color: TypeAlias = Annotated[
    str, Field(pattern=r"^(#[0-9a-fA-F]{3}|#[0-9a-fA-F]{6}|[A-Za-z]{3,20})$")
]
Scalar: TypeAlias = str | int | float | bool | None

SizeName = Literal["square", "banner", "portrait", "landscape", "thumbnail"]
QualityName = Literal["low", "standard", "high"]
ThemeName = Literal[
    "professional",
    "illustration",
    "minimalist",
    "photorealistic",
    "vibrant",
    "abstract",
    "watercolor",
    "isometric",
]
FormatName = Literal["png", "jpeg", "jpg", "webp", "avif"]
FitName = Literal["cover", "contain", "crop"]
Part: TypeAlias = Annotated[float, Field(ge=0, le=1)]


def _free(name: str) -> str:
    if name == ORIGINAL:
        raise PydanticCustomError("reserved", "This is the name of the untouched file.")
    return name


VariantName: TypeAlias = Annotated[
    str, Field(pattern=r"^[a-z0-9_-]{1,32}$"), pydantic.AfterValidator(_free)
]


class Config(_Body):
    """How the picture shall look."""

    size: SizeName | tuple[Side, Side] = Field(
        "square", description="A named size, or [width, height] in pixels."
    )
    quality: QualityName = Field("standard", description="What to spend on it.")
    theme: ThemeName = Field("professional", description="The look.")
    brand_colors: Annotated[list[Color], Field(max_length=MAX_BRAND_COLORS)] = Field(
        default=[], description="#RGB, #RRGGBB, or a colour's name in CSS."
    )
    style_notes: Notes | None = Field(None, description="More about the look.")
    negative: Notes | None = Field(None, description="What must not be in the picture.")
    format: FormatName | None = Field(None, description="The format of the stored picture.")
    compression: Annotated[int, Field(ge=1, le=100), Whole] | None = Field(
        None, description="Encoder quality of JPEG, WebP and AVIF."
    )
    enhance_prompt: bool = Field(
        default=True, description="Build the full prompt; else the text is sent as it is."
    )
    model: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] | None = Field(
        None, description="The model to ask."
    )


class VariantFields(_Body):
    """A derivative of the picture. It never has more pixels than that."""

    width: Side
    height: Side | None = Field(None, description="Null keeps the picture whole.")
    fit: FitName = Field("cover", description="Where the box has other proportions.")
    focus: tuple[Part, Part] = Field((0.5, 0.5), description="What stays in sight: across, down.")
    format: FormatName | None = Field("webp", description="Null takes the picture's.")
    quality: QualityName = Field("standard", description="The encoder's settings.")


Variants: TypeAlias = Annotated[
    dict[VariantName, Side | tuple[Side, Side] | VariantFields],
    Field(
        max_length=MAX_VARIANTS,
        # Without the first, the pattern of the names is no limit to a reader of the schema.
        json_schema_extra={
            "additionalProperties": False,
            "propertyNames": {"not": {"const": ORIGINAL}},
        },
    ),
]


class Ask(_Body):
    """A picture that is asked for."""

    prompt: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_PROMPT_CHARS,
            pattern=rf"^[^\u0000]*{_NOT_BLANK}[^\u0000]*$",
        ),
    ] = Field(description="What it shall show.", examples=["A house by the sea"])
    config: Config | None = Field(None, description="How it shall look.")
    metadata: dict[str, Scalar] | None = Field(
        None, description="Stored with it; about 1,900 bytes at most, as sent to a store."
    )
    variants: Variants | None = Field(
        None, description="Derivatives by name: a width, [width, height], or fields."
    )


class AskWithKey(Ask):
    """A picture that is asked for, and where to store it."""

    object_key: Annotated[str, Field(min_length=1, max_length=MAX_KEY_BYTES)] | None = Field(
        None, description="Where to store it, below your own folder; null has one made."
    )


class Nothing(_Body):
    """An empty object."""


class Variant(_Body):
    """A derivative of a stored picture."""

    url: str | None = Field(description="Where it can be fetched.")
    object_key: str
    content_type: str
    width: int
    height: int
    size_bytes: int | None = Field(description="Null while it is not made.")
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None


class Provenance(_Body):
    """Where the picture says that it comes from."""

    c2pa: bool = Field(description="Whether the file that came had a C2PA manifest.")
    c2pa_kept: bool = Field(description="Whether the stored one has it still.")
    claim_generator: str | None
    digital_source_type: str | None


class Usage(_Body):
    """Tokens, as the provider counted them."""

    input_tokens: int | None
    output_tokens: int | None
    image_tokens: int | None
    thought_tokens: int | None
    total_tokens: int | None


class Result(_Body):
    """A stored picture."""

    url: str = Field(description="Where it can be fetched.")
    object_key: str
    prompt: str | None = Field(description="As sent to the model.")
    original_prompt: str | None
    content_type: str
    width: int
    height: int
    size_bytes: int
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    metadata: dict[str, str]
    model: str | None
    usage: Usage | None
    cost_usd: str | None = Field(description="A decimal number; null where it is not known.")
    job_id: str
    cached: bool = Field(description="Whether it was there already.")
    attempts: int
    created_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    variants: dict[str, Variant]
    placeholder: str | None = Field(description="A data: URI to show while it loads.")
    color: Annotated[str, Field(pattern="^#[0-9a-f]{6}$")] | None
    original: Variant | None = Field(description="The untouched file, where it is kept.")
    provenance: Provenance | None


class Fault(_Body):
    """One thing that is wrong with a request."""

    pointer: str = Field(description="Where in the body.")
    detail: str


class Problem(_Body):
    """What went wrong (RFC 9457)."""

    type: Annotated[str, Field(pattern="^urn:flask-media:problem:[a-z0-9-]+$")] = Field(
        description="The class of the error; stays the same."
    )
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    retryable: bool = Field(description="Whether the same request can succeed later.")
    retry_after: int = Field(default=0, description="Seconds until then, where known.")
    job_id: str = Field(default="", description="The job it happened in.")
    errors: list[Fault] = Field(default=[], description="What is wrong with the body.")


class Links(_Body):
    """Where to go from a job."""

    self: str
    events: str
    cancel: str


class Job(_Body):
    """How a job stands."""

    id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    status: State = Field(description="done, failed and quarantined are the ends.")
    ended: bool = Field(description="Whether nobody goes on with it.")
    progress: Annotated[float, Field(ge=0, le=1)] = Field(description="Part of the steps taken.")
    object_key: str | None
    created_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    updated_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    result: Result | None
    error: Problem | None
    links: Links


class JobList(_Body):
    """Jobs, newest first."""

    jobs: list[Job]
    next: str | None = Field(description="Where the next page is; null on the last one.")


def parse(model: type[Body], data: bytes) -> Body:
    """The body of a request.

    :raises Refused: it is no JSON (UTF-8, at most 200 deep, no name twice in an object), or not
        what the model says.
    """
    try:
        body = model.model_validate_json(data)
        # After it, which sees what is too deep for this, or no JSON at all.
        json.loads(data.decode(), object_pairs_hook=_once, parse_int=str)
    except pydantic.ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    else:
        return body
    if faults[0]["type"] == "json_invalid":
        raise Refused(400, "invalid-json", f"The body can't be read: {faults[0]['msg']}.")
    read = from_json(data)
    told = [
        {"pointer": _pointer(read, fault), "detail": fault["msg"]} for fault in faults[:MAX_ERRORS]
    ]
    raise Refused(
        400, "invalid-body", "The body is not what openapi.json says; see errors.", errors=told
    )


def variants_of(ask: Ask) -> dict[str, Any] | None:
    """The variants as the service takes them."""
    return ask.model_dump(include={"variants"}, exclude_unset=True).get("variants")


def config_of(config: Config | None) -> ImageGenerationConfig | None:
    """The config as the service takes it.

    :raises InvalidRequest: it is one that no schema can tell, as one of too many pixels.
    """
    if config is None:
        return None
    return ImageGenerationConfig.from_dict(config.model_dump(exclude_unset=True))


def _once(members: list[tuple[str, object]]) -> None:
    """Refuse an object that says a thing twice: another reader would take the other one."""
    names = set()
    for name, _ in members:
        if name in names:
            raise Refused(400, "invalid-json", f"An object of the body has {name!r:.80} twice.")
        names.add(name)


def _pointer(body: Any, fault: ErrorDetails) -> str:
    """Where the fault is, as a JSON pointer: Pydantic names the branches of unions in between."""
    parts, place = [], body
    *_, last = fault["loc"] or ("",)
    for part in fault["loc"]:
        if part in place if isinstance(place, dict) else part in _indexes(place):
            place = place[part]
        elif fault["type"] != "missing" or part != last:
            continue
        parts.append(str(part).replace("~", "~0").replace("/", "~1")[:100])
    return "/".join(["#", *parts])


def _indexes(place: object) -> range:
    return range(len(place)) if isinstance(place, list) else range(0)
