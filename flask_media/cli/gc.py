"""``flask media gc``: tidy up."""

from __future__ import annotations

import dataclasses
import math
from datetime import timedelta

import click
from flask.cli import with_appcontext

from ..globals import current_media
from .output import json_option
from .output import plural
from .output import print_json


@click.command("gc", short_help="Tidy up old jobs and objects.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0, max=1_000_000),
    metavar="DAYS",
    help="Forget jobs that were finished so long ago, not MEDIA_RETENTION_DAYS.",
)
@json_option
@with_appcontext
def command(older_than: float | None, *, as_json: bool) -> None:
    """Forget old finished jobs, delete what is left of pictures that are gone, and repair the
    mirror.

    A job whose picture is not stored is never forgotten. With a job goes its idempotency key.
    """
    if older_than is not None and math.isnan(older_than):
        raise click.BadParameter("'nan' is no number of days.", param_hint="'--older-than'")
    collected = current_media.gc(None if older_than is None else timedelta(days=older_than))
    if as_json:
        print_json(dataclasses.asdict(collected))
        return
    click.echo(
        f"Forgot {plural(collected.jobs, 'job')}, deleted {plural(collected.deleted, 'object')}, "
        f"copied {plural(collected.copied, 'object')}."
    )
