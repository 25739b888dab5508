"""The stages of a picture that touch nothing outside: bytes in, values out."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from typing import Any
from typing import TypeVar

from .errors import InvalidImage
from .fields import fields
from .types import GeneratedImage
from .types import MediaResult
from .values import GenerationAnswer
from .values import GenerationJob
from .values import Job
from .values import Made
from .values import Marks
from .values import Picture

logger = logging.getLogger(__name__)

Value = TypeVar("Value")


def rendered(
    job: GenerationJob,
    answer: GenerationAnswer,
    calls: int,
    *,
    marks: Marks,
    is_eager: bool,
    has_preview: bool,
) -> Made:
    """Verify what the model sent, bring it into the form asked for, and make its variants.

    :param marks: what each file that is encoded here says of itself.
    :param is_eager: make the variants now.
    :param has_preview: make placeholder data also where there are no variants.
    :raises InvalidImage: it is no usable picture; says what it cost.
    """
    from . import imaging

    config = job.config
    width, height = config.pixels
    try:
        came = imaging.inspect(answer.data)
        picture = imaging.render(
            came,
            width=width,
            height=height,
            format=job.format,
            quality=config.quality,
            compression=config.compression,
            marks=marks,
        )
        beside = derived(job, came, picture, marks, is_eager=is_eager, has_preview=has_preview)
    except InvalidImage as error:
        raise InvalidImage(
            f"{answer.model} sent no usable picture, and was paid for it: {error}",
            model=answer.model,
            usage=answer.usage,
        ) from None
    return finished(
        picture,
        model=answer.model,
        usage=answer.usage,
        cost_usd=answer.cost_usd,
        attempts=calls,
        **beside,
    )


def derived(
    job: Job,
    came: Picture,
    picture: Picture,
    marks: Marks,
    *,
    is_eager: bool,
    has_preview: bool,
) -> dict[str, Any]:
    """What a job makes of a picture besides itself: fields of :class:`Made`.

    What can't be made is left out, and logged.

    :param came: the file as it came.
    :param picture: what is to be stored of it.
    """
    from . import imaging

    values: dict[str, Any] = {
        "provenance": _or_none(job, lambda: imaging.provenance(came, picture))
    }
    if job.keep_original and came is not picture:
        values["original"] = came
    preview: Any = None
    if job.variants and is_eager:
        made = _or_none(job, lambda: imaging.derive(picture, job.variants, marks=marks))
        if made is not None:
            values["variants"], preview = made
    elif job.variants or has_preview:
        preview = _or_none(job, lambda: imaging.preview(picture))
    if preview is not None:
        values |= {"placeholder": preview.placeholder, "color": preview.color}
    return values


def _or_none(job: Job, make: Callable[[], Value]) -> Value | None:
    """What is made, or nothing: a picture that is paid for is worth more than what is beside it."""
    try:
        return make()
    except Exception:
        extra = fields(job)
        logger.exception("What belongs to a picture can't be made", extra=extra)
        return None


def tell_of_manifest(job: Job, made: Made) -> None:
    """Log that a file came with a C2PA manifest, and what was made of it has none."""
    provenance = made.provenance
    if provenance is None or not provenance.c2pa or provenance.c2pa_kept:
        return
    logger.warning(
        "Job %s: the picture was encoded anew, and so lost its C2PA manifest (made by %s). In the "
        "size and format that it came in it keeps it; keep_original keeps the file beside it.",
        *(job.id, provenance.claim_generator or "somebody unnamed"),
        extra=fields(job),
    )


def finished(picture: Picture, **values: Any) -> Made:
    """The picture as something made now, with its hash; ``values`` say how, if generated."""
    return Made(
        picture=picture,
        sha256=hashlib.sha256(picture.data).hexdigest(),
        created_at=datetime.now(UTC),
        **values,
    )


def generated_image(job: GenerationJob, made: Made) -> GeneratedImage:
    """What ``generate`` returns and ``generation_finished`` carries."""
    picture = made.picture
    return GeneratedImage(
        data=picture.data,
        content_type=picture.content_type,
        width=picture.width,
        height=picture.height,
        size_bytes=len(picture.data),
        sha256=made.sha256,
        prompt=job.prompt,
        original_prompt=job.original_prompt,
        model=made.model,
        usage=made.usage,
        cost_usd=made.cost_usd,
        job_id=job.id,
        attempts=made.attempts,
        created_at=made.created_at,
    )


def media_result(job: Job, key: str, made: Made) -> MediaResult:
    """What ``generate_and_upload`` and ``upload`` return."""
    picture = made.picture
    return MediaResult(
        url=job.url or "",
        object_key=key,
        prompt=job.prompt,
        original_prompt=job.original_prompt,
        content_type=picture.content_type,
        width=picture.width,
        height=picture.height,
        size_bytes=len(picture.data),
        sha256=made.sha256,
        metadata=dict(job.metadata),
        model=made.model or None,
        usage=made.usage,
        cost_usd=made.cost_usd,
        job_id=job.id,
        cached=False,
        attempts=made.attempts,
        created_at=made.created_at,
        placeholder=made.placeholder,
        color=made.color,
        provenance=made.provenance,
    )
