"""``flask media generate``: one picture, stored or saved to a file."""

from __future__ import annotations

import hashlib
import re
import secrets
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import click
from flask.cli import with_appcontext

from ..globals import current_media
from ..options import ImageFormat
from ..options import ImageGenerationConfig
from ..storage.filesystem import FilesystemStorage
from ..storage.mirror import MirroredStorage
from .files import Saved
from .files import kept
from .files import write_out
from .output import fields
from .output import json_option
from .output import plural
from .output import print_json
from .output import usd
from .output import variants_of
from .picture_options import config_values
from .picture_options import format_option
from .picture_options import picture_options
from .picture_options import read_variants
from .picture_options import variant_option

if TYPE_CHECKING:
    from ..types import GeneratedImage
    from ..types import MediaResult

LINK_SECONDS = 3600
"""How long a link of ``--open`` to a private picture is good, in seconds."""


@click.command("generate", short_help="Generate one picture.")
@click.argument("prompt")
@click.argument("key", required=False)
@picture_options
@format_option
@variant_option
@click.option("--spender", metavar="ID", help="Whose budget it counts against.")
@click.option("--idempotency-key", metavar="TEXT", help="Asked again with it: the same picture.")
@click.option("--reuse", is_flag=True, help="Take the stored picture of an equal request.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Save to this file ('-' is stdout), and store nothing.",
)
@click.option("--open", "is_opened", is_flag=True, help="Show it on this desktop.")
@json_option
@with_appcontext
def command(
    prompt: str, key: str | None, output: str | None, *, is_opened: bool, **values: Any
) -> None:
    """Generate a picture of PROMPT and store it under KEY.

    Without KEY it gets one of its own, below generated/. With --output it is saved to a file
    instead; if that fails once it is paid for, to a temporary one, whose name is told. What was cut
    off goes on with 'flask media resume'.
    """
    if output is not None:
        _check_saved(output, key, values, is_opened=is_opened)
        _save(prompt, output, is_opened=is_opened, **values)
    else:
        _store(prompt, key, is_opened=is_opened, **values)


def _check_saved(output: str, key: str | None, values: dict[str, Any], *, is_opened: bool) -> None:
    if not output:
        raise click.UsageError("--output is empty; name a file, or '-' for stdout.")
    if output == "-" and sys.stdout is None:
        raise click.UsageError("--output is '-', and stdout is closed.")
    for name, is_given in {
        "KEY": key,
        "--variant": values["variants"],
        "--idempotency-key": values["idempotency_key"],
        "--reuse": values["reuse"],
        "--open": is_opened and output == "-",
        "--json": values["as_json"] and output == "-",
    }.items():
        if is_given:
            why = "stdout has the picture" if name in ("--open", "--json") else "nothing is stored"
            raise click.UsageError(f"With --output {output}, {why}, so leave out {name}.")


def _save(
    prompt: str, output: str, *, is_opened: bool, spender: str | None, as_json: bool, **values: Any
) -> None:
    if values["format"] is None:
        values["format"] = ImageFormat.from_extension(Path(output).suffix.removeprefix("."))
    config = ImageGenerationConfig.from_dict(config_values(values))
    if output == "-":
        image = current_media.generate(prompt, config, spender=spender)
        with kept(image, "stdout"):
            write_out(image.data)
        return
    with Saved(Path(output)) as file:  # before anything is paid
        image = current_media.generate(prompt, config, spender=spender)
        with kept(image, output):
            file.save(image.data)
    if as_json:
        print_json(_document_of(image) | {"output": output})
    else:
        fields([("Picture", output), *_facts(image)])
    if is_opened:
        _show(output)


def _store(
    prompt: str,
    key: str | None,
    *,
    is_opened: bool,
    as_json: bool,
    variants: tuple[str, ...],
    spender: str | None,
    idempotency_key: str | None,
    reuse: bool,
    **values: Any,
) -> None:
    config = ImageGenerationConfig.from_dict(config_values(values))
    result = current_media.generate_and_upload(
        prompt,
        key or _made_key(prompt, config.format, idempotency_key),
        config=config,
        variants=read_variants(variants),
        idempotency_key=idempotency_key,
        reuse=reuse,
        spender=spender,
    )
    if as_json:
        print_json(result.to_dict())
    else:
        facts = [("Picture", result.url), ("Key", result.object_key), *_facts(result)]
        fields([*facts, ("Variants", variants_of(result))])
    if is_opened:
        _show(_reachable(result))


def _show(place: str) -> None:
    """Have this desktop show it."""
    if click.launch(place):
        click.echo(f"Nothing here can show it: open {place} elsewhere.", err=True)


def _made_key(prompt: str, wanted: ImageFormat | None, idempotency_key: str | None) -> str:
    """A key that no other picture has; with an idempotency key always the same."""
    plain = unicodedata.normalize("NFKD", prompt).encode("ascii", "ignore").decode().lower()
    words = "-".join(re.findall(r"[a-z0-9]+", plain))[:40].strip("-") or "picture"
    if idempotency_key is None:
        end = secrets.token_hex(4)
    else:
        end = hashlib.sha256(f"{idempotency_key}\0{prompt}".encode(errors="replace")).hexdigest()[
            :8
        ]
    return f"generated/{words}-{end}.{(wanted or ImageFormat.PNG).extension}"


def _facts(picture: MediaResult | GeneratedImage) -> list[tuple[str, str | None]]:
    kind = picture.content_type.removeprefix("image/").upper()
    size = f"{picture.size_bytes / 1000:,.0f} kB"
    is_cached = getattr(picture, "cached", False)
    model = f"{picture.model}, {plural(picture.attempts, 'call')}"
    return [
        ("Size", f"{picture.width} x {picture.height} pixels, {kind}, {size}"),
        ("Model", model + (" (it was there already)" if is_cached else "")),
        ("Cost", "not known" if picture.cost_usd is None else usd(picture.cost_usd)),
        ("Job", picture.job_id),
    ]


def _document_of(image: GeneratedImage) -> dict[str, Any]:
    names = [name for name in image.__dataclass_fields__ if name != "data"]
    values = {name: getattr(image, name) for name in names}
    return values | {
        "usage": image.usage.to_dict() if image.usage else None,
        "cost_usd": None if image.cost_usd is None else str(image.cost_usd),
        "created_at": image.created_at.isoformat(),
    }


def _reachable(result: MediaResult) -> str:
    """Where this desktop finds it: its file, or a signed link to what the store shows nobody."""
    storage = current_media.storage
    if isinstance(storage, MirroredStorage):
        storage = storage.main
    if isinstance(storage, FilesystemStorage):
        return str(storage.path(result.object_key))
    if storage.signs_itself and storage.is_private:
        return storage.signed_url(result.object_key, LINK_SECONDS)
    return result.url
