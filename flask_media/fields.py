"""Fields of log records, so that what a message says in words can be searched for."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from .values import GenerationAnswer
    from .values import Job


def fields(
    job: Job | None = None,
    *,
    answer: GenerationAnswer | None = None,
    job_id: str | None = None,
    object_key: str | None = None,
    model: str | None = None,
    attempt: int | None = None,
    seconds: float | None = None,
    size_bytes: int | None = None,
    error: BaseException | None = None,
) -> dict[str, Any]:
    """What to give a log record as ``extra``; all begin with ``media_``, and None is left out.

    :param job: what the record is about: its id and its key.
    :param answer: what the model gave: its model, size and cost.
    :param job_id: names the job, where there is no more of it.
    :param object_key: where the picture goes.
    :param model: that was asked.
    :param attempt: which call for the picture it was, from 1.
    :param seconds: that something took, or will be waited.
    :param size_bytes: of the file.
    :param error: its class is told, and the job that it knows.
    """
    if answer is not None:
        model, size_bytes = answer.model, len(answer.data)
    cost_usd = getattr(answer or error, "cost_usd", None)
    values = {
        "media_job_id": job_id or (job.id if job else getattr(error, "job_id", None)),
        "media_object_key": object_key or (job.object_key if job else None),
        "media_model": model or getattr(error, "model", None),
        "media_attempt": attempt,
        "media_cost_usd": None if cost_usd is None else float(cost_usd),
        "media_seconds": seconds,
        "media_size_bytes": size_bytes,
        "media_error": None if error is None else type(error).__name__,
    }
    return {name: value for name, value in values.items() if value is not None}
