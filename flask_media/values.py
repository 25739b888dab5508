"""The frozen values that pass from stage to stage; loaded with the first use, not with an app."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from .options import NOTE
from .options import ImageFormat
from .options import ImageGenerationConfig
from .options import ImageQuality
from .options import is_note
from .options import wrong
from .types import Provenance
from .types import Usage
from .variants import Variant


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """Bytes that are verified to be a whole picture."""

    data: bytes = dataclasses.field(repr=False)
    """The file's bytes."""
    format: ImageFormat
    """What the bytes are, whatever a label said."""
    width: int
    """Width in pixels."""
    height: int
    """Height in pixels."""
    orientation: int = 1
    """How EXIF says that the stored pixels are to be turned and mirrored, 1 (not) to 8."""

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height of the picture as it is shown, in pixels."""
        return (self.height, self.width) if self.orientation > 4 else (self.width, self.height)

    @property
    def content_type(self) -> str:
        """The media type, as ``image/png``."""
        return self.format.content_type


@dataclasses.dataclass(frozen=True, kw_only=True)
class Marks:
    """What a file that is encoded here says of its origin, as XMP that machines read.

    :raises InvalidRequest: (a ``ValueError``) naming the field, the value and what is allowed.
    """

    generated: bool = True
    """Whether a trained model made the picture (IPTC's Digital Source Type); no upload says so."""
    credit: str | None = None
    """Who is to be credited (``photoshop:Credit``), 500 characters at most; None for nobody."""
    copyright: str | None = None
    """The copyright notice (``dc:rights``), 500 characters at most; None for none."""

    def __post_init__(self) -> None:
        if type(self.generated) is not bool:
            raise wrong("marks.generated", self.generated, "True or False")
        for name in ("credit", "copyright"):
            text = getattr(self, name)
            if text is not None and not (isinstance(text, str) and is_note(text)):
                raise wrong(f"marks.{name}", text, f"text of {NOTE}, or None")


MODEL_MADE = Marks()
"""Marks of a generated picture that nobody is credited for."""

UNMARKED = Marks(generated=False)
"""No marks: of a picture that people upload, or that a model is shown."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """What a generator is asked for."""

    prompt: str
    """The text, as it goes to the model."""
    original_prompt: str | None = None
    """The caller's own words, None where ``prompt`` is just them."""
    width: int
    """Width of the picture wanted, in pixels."""
    height: int
    """Height of the picture wanted, in pixels."""
    quality: ImageQuality = ImageQuality.STANDARD
    """What to spend."""
    model: str | None = None
    """The model asked for, None for the generator's own choice."""
    references: tuple[Picture, ...] = ()
    """Verified pictures to go by."""
    job_id: str = ""
    """The job that asks; empty where there is none. No part of what is asked for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerationAnswer:
    """What a generator gives back: the bytes as they came, not yet verified."""

    data: bytes = dataclasses.field(repr=False)
    """The picture as the provider sent it."""
    model: str
    """The model that made it."""
    usage: Usage | None = None
    """Tokens as the provider counted them, None where it did not."""
    cost_usd: Decimal | None = None
    """What the call cost in US dollars, None when no price is known."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a caller asks for, as it was given: nothing of it is checked."""

    prompt: str = ""
    """What the picture shall show; nothing for an upload."""
    object_key: Any = None
    """Where to store it."""
    metadata: Mapping[str, Any] | None = None
    """Stored with it."""
    config: ImageGenerationConfig | None = None
    """How it shall look."""
    reference_images: Iterable[Any] = ()
    """Pictures to go by."""
    variants: Mapping[str, Any] | None = None
    """Derivatives to make; None for those of the config."""
    keep_original: bool | None = None
    """Whether to store the untouched file too; None for what the config says."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Terms:
    """On what terms a picture is asked for; see
    :meth:`flask_media.MediaService.generate_and_upload`."""

    idempotency_key: str | None = None
    """The caller's name for the request."""
    reuse: bool = False
    """Whether a stored picture of an equal request will do."""
    spender: str | None = None
    """Who pays."""
    wait: bool = True
    """Whether to wait for, or join, the same request that is under way elsewhere."""
    is_queued: bool = False
    """Whether it is for a queue, rather than for whoever asks."""
    is_remote: bool = False
    """Whether it comes over HTTP: then the idempotency key is the spender's own."""
    has_made_key: bool = False
    """Whether the object key was made for this asking, and so is no part of the request."""
    overwrite: bool = True
    """Whether an object that is there may be replaced."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One asking, checked: all that is known before anything is paid or stored."""

    id: str
    """Names the job in logs, signals, errors and results."""
    object_key: str | None
    """Where to store the picture; None for ``generate``."""
    url: str | None
    """Where it will be found; known before anything is paid."""
    format: ImageFormat | None
    """The format to store, None for what the bytes are."""
    metadata: dict[str, str]
    """The metadata to store, as text."""
    variants: Mapping[str, Variant] = dataclasses.field(default_factory=dict)
    """Derivatives to make, by name."""
    keep_original: bool = False
    """Whether to store the untouched file too, where another one is made of it."""

    @property
    def prompt(self) -> str | None:
        """The prompt as sent to the model; None for an upload."""
        return None

    @property
    def original_prompt(self) -> str | None:
        """The prompt as the caller gave it; None for an upload."""
        return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerationJob(Job):
    """One asking for a picture to be generated."""

    request: GenerationRequest
    """What the generator is asked for."""
    config: ImageGenerationConfig
    """How the picture shall look."""

    @property
    def prompt(self) -> str:
        """The prompt as sent to the model."""
        return self.request.prompt

    @property
    def original_prompt(self) -> str:
        """The prompt as the caller gave it."""
        return self.request.original_prompt or self.request.prompt


@dataclasses.dataclass(frozen=True, kw_only=True)
class Made:
    """A finished picture, and what making it took."""

    picture: Picture
    """The picture as it is stored."""
    sha256: str
    """SHA-256 of its bytes, 64 hexadecimal digits."""
    created_at: datetime
    """When it arrived, in UTC."""
    model: str = ""
    """The model that made it; empty for an upload."""
    usage: Usage | None = None
    """Tokens as the provider counted them, or None."""
    cost_usd: Decimal | None = Decimal(0)
    """What it cost in US dollars, None when unknown."""
    attempts: int = 0
    """Calls made to the model."""
    variants: Mapping[str, Picture] = dataclasses.field(default_factory=dict)
    """Derivatives made with it, by name."""
    placeholder: str | None = None
    """A tiny picture of it as a ``data:`` URI."""
    color: str | None = None
    """Its main colour as ``#rrggbb``."""
    original: Picture | None = None
    """The untouched picture, where it is to be stored beside this one."""
    provenance: Provenance | None = None
    """Where the picture says that it comes from."""
