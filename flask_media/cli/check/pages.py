"""The blueprint that serves pictures, and what its links are signed with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...registered import registered_on
from .finding import Finding
from .finding import ok
from .finding import warn

if TYPE_CHECKING:
    from flask import Flask

    from ...service import MediaService

REGISTER = (
    "Register one: app.register_blueprint(media.create_blueprint(authorize=...), "
    "url_prefix='/media'); or set MEDIA_FILES_URL where a web server serves the folder."
)


def examine(app: Flask, service: MediaService) -> Iterator[Finding]:
    """Whether browsers get what the app is to serve."""
    config, names = service.config, registered_on(app.extensions).names
    is_bucket = config.storage_name == "spaces"
    if not names:
        if config.storage_name == "filesystem" and config.files_url is None:
            yield warn("links", "No blueprint serves the folder: URLs are of file://.", REGISTER)
        elif is_bucket and service.storage.is_private:
            yield warn(
                "links",
                "No blueprint serves the private bucket: only signed URLs show its pictures.",
                REGISTER.partition(";")[0] + ".",
            )
        return
    if not app.secret_key and not service.storage.signs_itself:
        yield warn(
            "links",
            "The app has no SECRET_KEY, so signed_url makes no links.",
            "Set SECRET_KEY to the output of: python -c 'import secrets; "
            "print(secrets.token_hex())'",
        )
        return
    yield ok("links", f"the blueprint {names[0]!r} serves pictures")
