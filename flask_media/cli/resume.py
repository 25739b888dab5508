"""``flask media resume``: go on with jobs where they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext

from ..errors import MediaError
from ..errors import OutcomeUnknown
from ..globals import current_media
from ..options import ImageFormat
from ..types import GeneratedImage
from ..types import MediaResult
from .files import Saved
from .files import kept
from .jobs import whole_id
from .output import json_option
from .output import print_json_line
from .output import printable

Outcome = MediaResult | GeneratedImage | MediaError


@click.command("resume", short_help="Go on with what was cut off.")
@click.argument("job_id", required=False)
@click.option("--all", "is_all", is_flag=True, help="All that dead processes left.")
@click.option("--buy", is_flag=True, help="Ask again though calls may have been charged.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where a picture goes that is not to be stored; else JOB_ID.png or so, here.",
)
@json_option
@with_appcontext
def command(
    job_id: str | None, output: Path | None, *, is_all: bool, buy: bool, as_json: bool
) -> None:
    """Go on with a job where it stands: store what is paid for, else ask as it is allowed.

    With --all go on with what dead processes left; that buys as MEDIA_ON_UNKNOWN says, and with
    --buy once more what it would leave alone. The beginning of an id will do.
    """
    if is_all == (job_id is not None):
        raise click.UsageError("Name a job, or say --all.")
    if job_id is not None:
        _resume_one(whole_id(job_id), output, buy=buy, as_json=as_json)
        return
    outcomes = [_bought(one) if buy else one for one in current_media.resume_all()]
    for outcome in outcomes:
        _tell(outcome, as_json=as_json)
    if not outcomes and not as_json:
        click.echo("Nothing was left to do.")
    if any(isinstance(outcome, MediaError) for outcome in outcomes):
        raise click.exceptions.Exit(1)


def _bought(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, OutcomeUnknown) or outcome.job_id is None:
        return outcome
    try:
        return current_media.resume(outcome.job_id, buy=True)
    except MediaError as error:
        return error


def _resume_one(job_id: str, output: Path | None, *, buy: bool, as_json: bool) -> None:
    job = current_media.job(job_id)
    if job.status == "failed" and job.error is not None and not job.error.retryable:
        click.echo(
            f"Job {job_id} has failed for good, as follows, and nothing is asked now. 'flask media "
            "generate' makes a new one.",
            err=True,
        )
    if job.object_key is not None:
        if output is not None:
            raise click.UsageError(f"Job {job_id} stores its picture, so leave out --output.")
        _tell(current_media.resume(job_id, buy=buy), as_json=as_json)
        return
    with Saved(output or Path(f"{job_id}.picture")) as file:  # its bytes are handed out once
        image = current_media.resume(job_id, buy=buy)
        if isinstance(image, GeneratedImage):
            with kept(image, str(output or f"{job_id}.picture")):
                file.save(image.data)
    if output is None:
        kind = ImageFormat(image.content_type.removeprefix("image/"))
        output = Path(f"{job_id}.picture").rename(f"{job_id}.{kind.extension}")
    _tell(image, as_json=as_json, output=output)


def _tell(outcome: Outcome, *, as_json: bool, output: Path | None = None) -> None:
    if as_json:
        print_json_line(_document(outcome, output))
    elif isinstance(outcome, MediaError):
        click.echo(f"Job {outcome.job_id}: {printable(outcome.message)}", err=True)
    elif isinstance(outcome, MediaResult):
        click.echo(f"Job {outcome.job_id}: stored {outcome.object_key}, {outcome.url}")
    elif output is not None:
        click.echo(f"Job {outcome.job_id}: saved {output}")
    else:
        click.echo(
            f"Job {outcome.job_id}: its picture waits. 'flask media resume {outcome.job_id}' "
            "saves it."
        )


def _document(outcome: Outcome, output: Path | None) -> dict[str, Any]:
    document: dict[str, Any] = dict.fromkeys(("object_key", "url", "output", "cost_usd", "error"))
    document |= {"job_id": outcome.job_id, "status": "failed"}
    if isinstance(outcome, MediaError):
        error = {"type": type(outcome).__name__, "message": outcome.message}
        return document | {"error": error | {"retryable": outcome.retryable}}
    document["cost_usd"] = None if outcome.cost_usd is None else str(outcome.cost_usd)
    if isinstance(outcome, MediaResult):
        return document | {
            "status": "stored",
            "object_key": outcome.object_key,
            "url": outcome.url,
        }
    status = "waits" if output is None else "saved"
    return document | {"status": status, "output": None if output is None else str(output)}
