"""``flask media check``: a doctor."""

from __future__ import annotations

import dataclasses

import click
from flask import current_app
from flask.cli import with_appcontext

from ...globals import current_media
from ..output import json_option
from ..output import plural
from ..output import print_json
from ..output import wrapped
from .everything import examine
from .finding import FAIL
from .finding import OK
from .finding import WARN
from .finding import Finding

MARKS = {OK: ("ok", "green"), WARN: ("warn", "yellow"), FAIL: ("FAIL", "red")}

INDENT = 16
"""Columns before what is said."""


@click.command("check", short_help="Find out what works, and what to do about the rest.")
@json_option
@with_appcontext
def command(*, as_json: bool) -> None:
    """Find out whether pictures can be made, stored and fetched, and what to do if not.

    It pays nothing: the model is asked for its description alone, and the object that it stores
    is deleted again. Exits with 1 if anything fails.
    """
    findings = []
    for finding in examine(current_app, current_media):
        findings.append(finding)
        if not as_json:
            _show(finding)
    failed = sum(finding.status == FAIL for finding in findings)
    if as_json:
        checks = [dataclasses.asdict(finding) for finding in findings]
        print_json({"ok": not failed, "checks": checks})
    elif failed:
        click.echo(f"\n{plural(failed, 'check')} failed.")
    else:
        warned = sum(finding.status == WARN for finding in findings)
        but = f", but see the {plural(warned, 'warning')}" if warned else ""
        click.echo(f"\nAll is well{but}.")
    if failed:
        raise click.exceptions.Exit(1)


def _show(finding: Finding) -> None:
    mark, color = MARKS[finding.status]
    said = wrapped(finding.message, INDENT)
    # Padded first: the letters of a colour would count.
    click.echo(f"{click.style(mark.ljust(5), fg=color)} {finding.name:<10}{said[0]}")
    advice = wrapped(finding.advice, INDENT) if finding.advice else []
    for line in [*said[1:], *advice]:
        click.echo(" " * INDENT + line)
