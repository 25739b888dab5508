"""``flask media usage``: what was spent."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

import click
from flask.cli import with_appcontext

from ..globals import current_media
from .output import json_option
from .output import moment
from .output import print_json
from .output import table
from .output import usd
from .times import since_option

if TYPE_CHECKING:
    from ..journal.spend import Spend

GROUPS = ("day", "model", "spender")

HEADER = ("jobs", "pictures", "cost", "unpriced", "maybe besides")


@click.command("usage", short_help="Show what was spent.")
@click.option("--by", type=click.Choice(GROUPS), help="One table alone.")
@since_option
@json_option
@with_appcontext
def command(by: str | None, since: datetime | None, *, as_json: bool) -> None:
    """Show what was spent, by day, by model and by spender.

    "unpriced" are pictures whose price is not known. "maybe besides" is what calls that were cut
    off may have cost. Jobs that gc forgot are not counted any more.
    """
    groups = {name: current_media.usage(since, by=name) for name in ([by] if by else GROUPS)}
    total = current_media.usage(since)
    if as_json:
        print_json(
            {
                "since": since.isoformat() if since else None,
                "total": _document(total),
                "by": {
                    name: [{name: one} | _document(spend) for one, spend in spends.items()]
                    for name, spends in groups.items()
                },
            }
        )
        return
    if since:
        click.echo(f"Since {moment(since)} UTC\n")
    for number, (name, spends) in enumerate(groups.items()):
        if number:
            click.echo()
        nameless = "(nobody)" if name == "spender" else "(none)"
        rows = [[one or nameless, *_cells(spend)] for one, spend in spends.items()]
        table([name, *HEADER], [*rows, ["all", *_cells(total)]], sides="trrrrr")


def _cells(spend: Spend) -> list[str]:
    return [
        f"{spend.jobs:,}",
        f"{spend.pictures:,}",
        usd(spend.cost_usd),
        f"{spend.unpriced:,}" if spend.unpriced else "-",
        usd(spend.possible_usd) if spend.possible_usd else "-",
    ]


def _document(spend: Spend) -> dict[str, Any]:
    return {
        "jobs": spend.jobs,
        "pictures": spend.pictures,
        "cost_usd": str(spend.cost_usd),
        "unpriced": spend.unpriced,
        "possible_usd": str(spend.possible_usd),
    }
