"""The app's config: what holds if nobody says otherwise, the environment, and what follows."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from flask_media import responsive


def configure(app: Flask, config: Mapping[str, Any]) -> None:
    """Fill ``app.config``.

    :param config: comes last and so overrides defaults and environment.
    """
    instance = Path(app.instance_path)
    app.config.from_mapping(
        SESSION_COOKIE_SAMESITE="Lax",
        # An answer on its way while somebody signs out would sign them in again. Now only one that
        # shows a message (flash), and so takes it out of the session, could.
        SESSION_REFRESH_EACH_REQUEST=False,
        MAX_CONTENT_LENGTH=100_000,
        DATABASE_URL="sqlite:///goals.sqlite",  # in the instance folder
        BROKER_URL="redis://localhost",
        MEDIA_FOLDER=str(instance / "media"),
        MEDIA_QUEUE="threads",
        MEDIA_QUEUE_RETRIES=2,  # somebody is waiting, and can press a button
        MEDIA_VARIANTS=responsive([320, 640, 1024]),
        MEDIA_BUDGET_USD_PER_USER_PER_DAY="1.00",
        SPACES_ACL="private",  # the goals of one are nobody else's business
    )
    app.config.from_prefixed_env()
    app.config.from_mapping(config)

    # What follows from the rest, unless it is set itself.
    has_key = app.config.get("GEMINI_API_KEY") or app.config.get("GEMINI_VERTEXAI")
    app.config.setdefault("MEDIA_GENERATOR", "gemini" if has_key else "placeholder")
    url = _with_driver(app.config["DATABASE_URL"])
    app.config.setdefault("SQLALCHEMY_ENGINES", {"default": url})
    if url.startswith("postgresql"):
        app.config.setdefault("MEDIA_JOURNAL_URL", url)
    if app.config["SECRET_KEY"] is None:
        app.config["SECRET_KEY"] = _secret_key(instance)


def _with_driver(url: str) -> str:
    """The URL as SQLAlchemy takes it: hosts hand out ``postgres://`` and name no driver."""
    scheme, colon, place = url.partition("://")
    return f"postgresql+psycopg{colon}{place}" if scheme in ("postgres", "postgresql") else url


def _secret_key(folder: Path) -> str:
    """A key that outlives the process and is the same in all processes of this machine, so that
    nobody is signed out by a restart. Several machines share one as FLASK_SECRET_KEY."""
    file = folder / "secret_key"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder) as draft:  # for its owner's eyes only
            draft.write(secrets.token_hex())
            draft.flush()
            with contextlib.suppress(FileExistsError):  # another process was first
                os.link(draft.name, file)
    return file.read_text()
