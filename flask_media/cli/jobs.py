"""``flask media jobs``: what the journal has."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

import click
from click.core import ParameterSource
from flask.cli import with_appcontext

from ..errors import NotFound
from ..globals import current_media
from ..options import check_text
from .output import SHORT_ID
from .output import fields
from .output import json_option
from .output import moment
from .output import print_json
from .output import print_json_line
from .output import table
from .output import usd
from .output import variants_of
from .times import since_option

if TYPE_CHECKING:
    from ..jobs.handle import MediaJob

STATES = (
    *("requested", "generating", "generated", "uploaded", "done", "failed", "unknown"),
    "quarantined",
)

MAX_LIMIT = 100_000
"""Most jobs of a list."""

COLORS = {"done": "green", "failed": "red", "quarantined": "red", "unknown": "yellow"}


@click.group("jobs", invoke_without_command=True, short_help="List jobs, or show one.")
@click.option(
    "--state",
    type=click.Choice(STATES),
    metavar="STATE",
    help=f"How they stand: {', '.join(STATES)}.",
)
@click.option("--spender", metavar="ID", help="Whose they are.")
@since_option
@click.option("--limit", type=click.IntRange(1, MAX_LIMIT), default=20, show_default=True)
@json_option
@click.pass_context
@with_appcontext
def command(
    ctx: click.Context,
    state: str | None,
    spender: str | None,
    since: datetime | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """List the jobs for this storage, newest first.

    'flask media jobs show ID' tells all of one; the beginning of its id will do.
    """
    if ctx.invoked_subcommand is not None:
        for name in ("state", "spender", "since", "limit"):
            if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"--{name} is for the list, so leave it out here.")
        return
    if spender is not None:
        check_text("--spender", spender)
    found = current_media.jobs(spender, state=state, since=since, limit=limit + 1)
    is_more = len(found) > limit
    found = found[:limit]
    if as_json:
        for job in found:
            print_json_line(document_of(job))
        return
    if not found:
        click.echo("There are no such jobs.")
        return
    table(
        ["job", "state", "asked (UTC)", "cost", "spender", "key"],
        [
            [
                job.id[:SHORT_ID],
                job.status,
                moment(job.created_at),
                usd(job.cost_usd),
                job.spender or "-",
                job.object_key or "(not stored)",
            ]
            for job in found
        ],
        sides="lllr",
    )
    if is_more:
        click.echo(f"There are more: --limit {min(limit * 2, MAX_LIMIT)} shows older ones.")


@command.command("show")
@click.argument("job_id")
@json_option
@click.pass_context
@with_appcontext
def show(ctx: click.Context, job_id: str, *, as_json: bool) -> None:
    """Tell all that is known of a job."""
    as_json = as_json or (ctx.parent is not None and ctx.parent.params["as_json"])
    job = current_media.job(whole_id(job_id))
    if as_json:
        print_json(document_of(job))
        return
    stored, error = job.stored, job.error
    state = click.style(job.status, fg=COLORS.get(job.status))
    click.echo(f"{click.style('Job', bold=True)} {job.id}  {state}\n")
    fields(
        [
            ("Prompt", job.prompt),
            ("Key", job.object_key or "none: it was not to be stored"),
            ("URL", stored.url if stored else None),
            ("Spender", job.spender),
            ("Asked", f"{moment(job.created_at)} UTC"),
            ("Last step", f"{moment(job.updated_at)} UTC"),
            ("Model", job.model),
            ("Cost", _cost(job)),
            ("Pixels", f"{stored.width} x {stored.height}" if stored else None),
            ("Size", f"{stored.size_bytes:,} bytes, {stored.content_type}" if stored else None),
            ("Variants", variants_of(stored) if stored else None),
            ("Error", f"{type(error).__name__}: {error}" if error else None),
            ("What to do", _advice(job)),
        ]
    )
    if job.attempts:
        click.echo()
        table(
            ["call", "when (UTC)", "outcome", "error", "model"],
            [
                [
                    str(number),
                    f"{call.at:%Y-%m-%d %H:%M:%S}",
                    call.outcome or "under way",
                    call.error or "-",
                    call.model,
                ]
                for number, call in enumerate(job.attempts, 1)
            ],
            sides="rll",
        )


def _cost(job: MediaJob) -> str:
    cost = "not known" if job.cost_usd is None else usd(job.cost_usd)
    if not job.possible_usd:
        return cost
    return f"{cost}, and maybe {usd(job.possible_usd)} for calls that were cut off"


def _advice(job: MediaJob) -> str | None:
    if job.status == "unknown":
        return (
            f"'flask media resume {job.id[:SHORT_ID]}' asks again as MEDIA_ON_UNKNOWN says, and "
            "with --buy in any case."
        )
    is_left = job.has_ended and job.status not in ("done", "failed", "quarantined")
    return f"'flask media resume {job.id[:SHORT_ID]}' goes on with it." if is_left else None


def whole_id(beginning: str) -> str:
    """The id of the one job whose id begins like that.

    :raises NotFound: there is none, or more than one.
    """
    text = beginning.strip().lower()
    found = current_media.journal.ids(text) if re.fullmatch(r"[0-9a-f]{4,32}", text) else []
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"More than one job has an id that begins with {text!r}; write more of it.")
    raise NotFound(f"The journal has no job {beginning!r:.40}. 'flask media jobs' lists them.")


def document_of(job: MediaJob) -> dict[str, Any]:
    """What is known of a job, JSON-safe."""
    error, stored = job.error, job.stored
    return {
        "id": job.id,
        "status": job.status,
        "has_ended": job.has_ended,
        "object_key": job.object_key,
        "prompt": job.prompt,
        "spender": job.spender or None,
        "created_at": job.created_at.isoformat(),
        "updated_at": job.updated_at.isoformat(),
        "model": job.model,
        "cost_usd": None if job.cost_usd is None else str(job.cost_usd),
        "possible_usd": str(job.possible_usd),
        "usage": job.usage.to_dict() if job.usage else None,
        "attempts": [
            {
                "model": call.model,
                "at": call.at.isoformat(),
                "outcome": call.outcome,
                "error": call.error,
            }
            for call in job.attempts
        ],
        "error": error
        and {
            "type": type(error).__name__,
            "message": error.message,
            "retryable": error.retryable,
        },
        "result": stored.to_dict() if stored else None,
    }
