"""``GET /files/<key>``: a stored picture, to whom ``authorize`` lets see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from flask import Blueprint
from flask import Request
from flask import Response
from flask import abort
from flask import request
from flask import send_file
from flask.blueprints import BlueprintSetupState

from ..errors import InvalidRequest
from ..errors import NotFound
from ..globals import current_media

Authorize: TypeAlias = Callable[[Request], str | None]
"""Says who sends a request (any non-empty string), or None to deny it."""

FILES_ENDPOINT = "media_files_endpoint"
"""Where an app's extensions hold the endpoint of the files route, once it is registered."""


def make_blueprint(*, authorize: Authorize, name: str) -> Blueprint:
    """The blueprint; see :meth:`flask_media.FlaskMedia.create_blueprint`."""
    if not callable(authorize):
        raise TypeError(
            "create_blueprint needs authorize=: a function that takes the request and returns who "
            "asks, or None to deny. Without it nobody is let in, so there is nothing to serve."
        )
    blueprint = Blueprint(name, __name__)

    @blueprint.get("/files/<path:key>")
    def files(key: str) -> Response:
        if not authorize(request):
            abort(403)
        try:
            stat = current_media.stat(key)
            file = current_media.open(key)
        except (InvalidRequest, NotFound):
            abort(404)
        response = send_file(
            file,
            mimetype=stat.content_type,
            conditional=True,
            etag=stat.sha256 or False,
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        return response

    @blueprint.record
    def remember(state: BlueprintSetupState) -> None:
        state.app.extensions[FILES_ENDPOINT] = f"{state.name}.files"

    return blueprint
