"""``flask media batch``: the pictures of a table."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from ...errors import InvalidRequest
from ...globals import current_media
from ...options import check_text
from ..ending import INTERRUPTED
from ..output import json_option
from ..output import plural
from ..output import print_json
from ..output import printable
from ..output import usd
from ..output import width
from ..picture_options import config_values
from ..picture_options import picture_options
from ..picture_options import read_variants
from ..picture_options import variant_option
from .progress import Progress
from .results import Results
from .results import check_path
from .results import past_of
from .rows import Plan
from .run import Run
from .tables import kind_of
from .tables import read_rows
from .templates import Template

if TYPE_CHECKING:
    from ...service import MediaService
    from .rows import Order


@click.command("batch", short_help="Make a picture for each row of a file.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--prompt", default="{prompt}", metavar="TEXT", help="As 'House of {name}', by column."
)
@click.option(
    "--key", default="{object_key}", metavar="TEXT", help="As 'goals/{id}/house.png', by column."
)
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl"]), help="Of FILE.")
@picture_options
@variant_option
@click.option("--ignore", multiple=True, metavar="COLUMN", help="A column that is no option.")
@click.option("--spender", metavar="ID", help="Whose budget it counts against.")
@click.option(
    "--concurrency", type=click.IntRange(1, 256), default=4, show_default=True, help="At once."
)
@click.option("--retries", type=click.IntRange(0, 100), help="Of a row; else MEDIA_QUEUE_RETRIES.")
@click.option(
    "--results",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where what came of each row goes; else FILE.results.jsonl.",
)
@click.option("--run", default="", metavar="NAME", help="Another name makes all pictures anew.")
@click.option("--dry-run", is_flag=True, help="Check the rows, and say what they would cost.")
@json_option
@with_appcontext
def command(  # noqa: PLR0917 - Click gives them by name
    file: Path,
    prompt: str,
    key: str,
    kind: str | None,
    ignore: tuple[str, ...],
    variants: tuple[str, ...],
    spender: str | None,
    concurrency: int,
    retries: int | None,
    results: Path | None,
    run: str,
    *,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Make a picture for each row of FILE, a table (CSV) or JSON lines.

    --prompt and --key are texts with columns in them; without them the columns prompt and
    object_key are taken. Columns that are called as an option of a picture (size, quality, theme,
    ...) are taken for that. All rows are checked before the first is paid for.

    Ended early, by Ctrl-C too, the same command goes on where it stood, and pays nothing twice.
    Exits with 0 if every row is done. A picture that was deleted since is not made anew.
    """
    if len(run) > 100:
        raise InvalidRequest("--run is a name of 100 characters at most.")
    check_text("--run", run)
    plan = Plan(
        prompt=Template("--prompt", prompt),
        key=Template("--key", key),
        options=config_values(options),
        variants=read_variants(variants),
        spender=spender,
        ignored=ignore,
        run=run,
    )
    results = results or file.with_name(f"{file.name}.results.jsonl")
    check_path(results, file)
    rows = read_rows(file, kind or kind_of(file))
    orders = plan.orders(rows, current_media)
    if unused := plan.unused(rows):
        click.echo(f"Columns not used: {printable(', '.join(unused))}.", err=True)
    if dry_run:
        _estimate(orders, results, as_json=as_json)
        return
    if retries is None:
        retries = current_media.config.queue_retries
    _work(orders, results, concurrency=concurrency, retries=retries, as_json=as_json)


def _work(
    orders: list[Order], path: Path, *, concurrency: int, retries: int, as_json: bool
) -> None:
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    service: MediaService = app.extensions["media"]
    with Results(path) as results:
        left = past_of(path).left(orders)
        progress = Progress(len(orders), len(orders) - len(left))
        run = Run(service, app.app_context, results, progress, retries=retries)
        try:
            run.work(left, concurrency)
        except KeyboardInterrupt:
            progress.clear()
            click.echo("Stopped. What was under way is in the journal.", err=True)
            os._exit(INTERRUPTED)  # threads are in the middle of calls, and nobody waits for them
    _tell(run, progress, path, as_json=as_json)
    if run.is_interrupted:
        raise click.exceptions.Exit(INTERRUPTED)
    if progress.failed or progress.ended < progress.total:
        raise click.exceptions.Exit(1)


def _tell(run: Run, progress: Progress, path: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "rows": progress.total,
                "made": progress.done,
                "already": progress.already,
                "failed": progress.failed,
                "left": progress.total - progress.ended,
                "cost_usd": str(progress.cost),
                "unpriced": progress.unpriced,
                "stopped_by": run.stopped_by,
                "results": str(path),
            }
        )
        return
    if run.stopped_by and not run.is_interrupted:
        click.echo(f"Stopped: {run.stopped_by}", err=True)
    click.echo(progress.summary())
    click.echo(f"Results: {path}")
    if progress.goes_on:
        click.echo("The same command again goes on with what is left.")


def _estimate(orders: list[Order], path: Path, *, as_json: bool) -> None:
    left = past_of(path).left(orders)
    costs = [_expected(order) for order in left]
    cost = sum((one for one in costs if one is not None), Decimal(0))
    unpriced = sum(one is None for one in costs)
    if as_json:
        print_json(
            {
                "rows": len(orders),
                "already": len(orders) - len(left),
                "left": len(left),
                "estimate_usd": str(cost),
                "unpriced": unpriced,
                "first": [{"object_key": one.object_key, "prompt": one.prompt} for one in left[:3]],
            }
        )
        return
    click.echo(f"{plural(len(orders), 'row')}, all of them right.")
    if len(orders) > len(left):
        click.echo(f"{len(orders) - len(left):,} of them done already, by {path}.")
    for order in left[:3]:
        click.echo(printable(f"  {order.object_key}: {order.prompt}")[: width() - 1])
    more = f", and {unpriced:,} without a known price" if unpriced else ""
    click.echo(f"{plural(len(left), 'picture')} to make: about {usd(cost)}{more}.")


def _expected(order: Order) -> Decimal | None:
    """US dollars that a row's picture is expected to cost."""
    from ...values import GenerationRequest

    wide, high = order.config.pixels
    return current_media.generator.expected_cost(
        GenerationRequest(
            prompt=order.prompt,
            width=wide,
            height=high,
            quality=order.config.quality,
            model=order.config.model,
        )
    )
