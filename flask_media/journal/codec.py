"""Jobs, results and errors as text, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from .. import errors
from ..errors import MediaError
from ..options import ImageFormat
from ..options import ImageGenerationConfig
from ..types import Usage
from ..values import GenerationJob
from ..values import GenerationRequest
from ..values import Picture
from ..variants import check_variants


def dump(value: Any) -> str:
    """JSON in its one canonical form."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def dump_in_order(value: Any) -> str:
    """JSON that keeps the order of names: that of variants is the caller's."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


def digest(*parts: Any) -> str:
    """SHA-256 of the parts' canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(dump(parts).encode()).hexdigest()


def dump_job(job: GenerationJob) -> str:
    """What is needed to go on with a job in another process; references apart."""
    return dump_in_order(
        {
            "object_key": job.object_key,
            "url": job.url,
            "format": job.format,
            "metadata": job.metadata,
            "config": job.config.to_dict(),
            "prompt": job.prompt,
            "original_prompt": job.original_prompt,
            "variants": {name: variant.to_dict() for name, variant in job.variants.items()},
            "keep_original": job.keep_original,
        }
    )


def load_job(job_id: str, text: str, references: Sequence[Picture]) -> GenerationJob:
    """The job that :func:`dump_job` described."""
    spec = json.loads(text)
    config = ImageGenerationConfig.from_dict(spec["config"])
    width, height = config.pixels
    request = GenerationRequest(
        prompt=spec["prompt"],
        original_prompt=spec["original_prompt"],
        width=width,
        height=height,
        quality=config.quality,
        model=config.model,
        references=tuple(references),
        job_id=job_id,
    )
    return GenerationJob(
        id=job_id,
        object_key=spec["object_key"],
        url=spec["url"],
        format=ImageFormat(spec["format"]) if spec["format"] else None,
        metadata=spec["metadata"],
        # Jobs of older versions have neither.
        variants=check_variants(spec.get("variants", {})),
        keep_original=spec.get("keep_original", False),
        request=request,
        config=config,
    )


def dump_error(error: MediaError) -> str:
    """An error with its attributes; one of a class that is not ours as its nearest one of ours."""
    ours = next(cls for cls in type(error).__mro__ if cls.__module__ == errors.__name__)
    state = {
        attribute: _plain(value)
        for attribute, value in error.__dict__.items()
        if isinstance(value, _PLAIN | Usage | Decimal | datetime)
    }
    if error.retryable != getattr(ours, "retryable", None):
        state["retryable"] = error.retryable
    return dump({"type": ours.__name__, "retryable": error.retryable, "state": state})


def load_error(text: str) -> MediaError:
    """The error that :func:`dump_error` described; a newer version's as a ``MediaError``."""
    stored = json.loads(text)
    cls = getattr(errors, stored["type"], MediaError)
    state = {name: _value(value) for name, value in stored["state"].items()}
    error: MediaError = cls._from_state(state)
    return error


_PLAIN = str | int | float | bool | None


def _plain(value: _PLAIN | Usage | Decimal | datetime) -> _PLAIN | dict[str, Any]:
    if isinstance(value, Usage):
        return {"usage": value.to_dict()}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, datetime):
        return {"datetime": value.isoformat()}
    return value


def _value(stored: Any) -> Any:
    if not isinstance(stored, dict):
        return stored
    ((kind, value),) = stored.items()
    if kind == "usage":
        return Usage(**value)
    return Decimal(value) if kind == "decimal" else datetime.fromisoformat(value)
