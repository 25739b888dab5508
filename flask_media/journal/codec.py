"""Jobs, results and errors as text, and back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from .. import errors
from ..errors import MediaError
from ..options import ImageFormat
from ..options import ImageGenerationConfig
from ..types import Usage
from ..values import GenerationJob
from ..values import GenerationRequest
from ..values import Picture


def dump(value: Any) -> str:
    """JSON in its one canonical form."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(*parts: Any) -> str:
    """SHA-256 of the parts' canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(dump(parts).encode()).hexdigest()


def dump_job(job: GenerationJob) -> str:
    """What is needed to go on with a job in another process; references apart."""
    return dump(
        {
            "object_key": job.object_key,
            "format": job.format,
            "metadata": job.metadata,
            "config": job.config.to_dict(),
            "prompt": job.prompt,
            "original_prompt": job.original_prompt,
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
    )
    return GenerationJob(
        id=job_id,
        object_key=spec["object_key"],
        format=ImageFormat(spec["format"]) if spec["format"] else None,
        metadata=spec["metadata"],
        request=request,
        config=config,
    )


def dump_error(error: MediaError) -> str:
    """An error with its attributes."""
    state = {
        name: {"usage": dataclasses.asdict(value)} if isinstance(value, Usage) else value
        for name, value in error.__dict__.items()
        if isinstance(value, str | int | float | bool | Usage | None)
    }
    return dump({"type": type(error).__name__, "retryable": error.retryable, "state": state})


def load_error(text: str) -> MediaError:
    """The error that :func:`dump_error` described."""
    stored = json.loads(text)
    cls = getattr(errors, stored["type"])
    state = {
        name: Usage(**value["usage"]) if isinstance(value, dict) else value
        for name, value in stored["state"].items()
    }
    error: MediaError = cls._from_state(state)
    return error
