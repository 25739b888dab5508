"""What browsers are told with every page: what it may load, and who may keep it."""

from __future__ import annotations

from flask import Flask
from flask import Response

from flask_media import current_media

POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'; style-src-attr 'unsafe-inline'; img-src 'self' data:"
)
"""No script and no style but our own files. Inline are only the ``style`` attributes of pictures,
the likeness that is seen until one is there."""


def init_app(app: Flask) -> None:
    """Add the headers to what the app answers."""
    app.after_request(add_headers)


def add_headers(response: Response) -> Response:
    """Add them, but where the answer has its own, as stored pictures do."""
    # The files route leads the browser on to a private bucket.
    bucket = " https:" if current_media.config.storage_name == "spaces" else ""
    response.headers.setdefault("Content-Security-Policy", POLICY + bucket)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if response.mimetype == "text/html":
        response.headers.setdefault("Cache-Control", "no-store")  # gone with who signs out
    return response
