"""The config: what is in force, and what is written next to a key that there is."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .finding import Finding
from .finding import ok
from .finding import warn

if TYPE_CHECKING:
    from flask import Flask

    from ...service import MediaService


def examine(app: Flask, service: MediaService) -> Iterator[Finding]:
    """Wrong values were refused when the app started; here are the doubtful ones."""
    config = service.config
    doubts = [*_misspelt(app, service)]
    if config.storage is None and config.spaces_key and not config.spaces_bucket:
        doubts.append("SPACES_KEY is set and SPACES_BUCKET is not: pictures stay on this machine.")
    if doubts:
        yield warn("config", " ".join(doubts), "Set the keys by their names in the documentation.")
        return
    known = {"placeholder": "pictures drawn here", "gemini": "Gemini"}
    generator = known.get(config.generator, config.generator)
    yield ok(
        "config",
        f"{generator}, {config.storage_name} storage, {config.queue} queue, "
        f"{_journal_kind(service)} journal",
    )


def _misspelt(app: Flask, service: MediaService) -> Iterator[str]:
    known = [field.metadata["key"] for field in dataclasses.fields(service.config)]
    for name in app.config:
        plain = name.removeprefix("DIGITALOCEAN_")
        is_ours = name.startswith(("GEMINI_", "SPACES_", "MEDIA_")) and name not in known
        if plain != name and plain in known:
            yield f"{name} is not read; did you mean {plain}?"
        elif is_ours:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            if close:
                yield f"{name} is not read; did you mean {close[0]}?"


def _journal_kind(service: MediaService) -> str:
    url = service.config.journal_url
    return "SQLite" if url is None or url.reveal().startswith("sqlite") else "PostgreSQL"
