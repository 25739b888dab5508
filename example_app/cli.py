"""``flask --app example_app draw PROMPT`` and ``resume``."""

from __future__ import annotations

import secrets
from pathlib import Path

import click
from flask import Blueprint
from flask import current_app

from flask_media import MediaError
from flask_media import MediaResult
from flask_media import current_media

from .texts import slugify

blueprint = Blueprint("pictures", __name__, cli_group=None)


@blueprint.cli.command("draw")
@click.argument("prompt")
def draw(prompt: str) -> None:
    """Draw PROMPT, store the picture and say where it is."""
    # The random part keeps a picture that may have been paid from being overwritten.
    key = f"drawings/{slugify(prompt)}-{secrets.token_hex(4)}.png"
    try:
        result = current_media.generate_and_upload(prompt, key, variants={})
    except MediaError as error:
        raise click.ClickException(error.message) from None
    click.echo(_report(result))


@blueprint.cli.command("resume")
def resume() -> None:
    """Finish the pictures that were cut off or could not be stored."""
    outcomes = current_media.resume_all()
    for outcome in outcomes:
        if isinstance(outcome, MediaResult):
            click.echo(f"Stored:   {outcome.url}")
        elif isinstance(outcome, MediaError):
            click.echo(f"Job {outcome.job_id}: {outcome.message}", err=True)
    if not outcomes:
        click.echo("Nothing was left to do.")


def _report(result: MediaResult) -> str:
    is_placeholder = current_media.config.generator == "placeholder"
    where = result.url
    if current_media.config.storage_name == "filesystem":
        where = str(Path(current_app.config["MEDIA_FOLDER"], result.object_key).absolute())
    kind = result.content_type.removeprefix("image/").upper()
    size = f"{result.size_bytes / 1000:,.0f} kB"
    lines = [
        f"Picture:  {where}",
        f"Size:     {result.width} x {result.height} pixels, {kind}, {size}",
        f"Drawn by: {'the placeholder, on this machine' if is_placeholder else result.model}",
    ]
    if is_placeholder:
        lines += ["", "It is a placeholder. For a generated picture, set FLASK_GEMINI_API_KEY."]
    return "\n".join(lines)
