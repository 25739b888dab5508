"""``GET /files/<key>``: a stored picture, to whom ``authorize`` lets see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO
from typing import TypeAlias

from flask import Blueprint
from flask import Request
from flask import Response
from flask import abort
from flask import request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wsgi import wrap_file

from ..errors import InvalidRequest
from ..errors import NotFound
from ..globals import current_media
from ..types import ObjectStat

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

    @blueprint.get("/files/<path:key>", merge_slashes=False)
    def files(key: str) -> Response:
        if not authorize(request):
            abort(403)
        try:
            stat = current_media.stat(key)
            file = current_media.open(key)
        except (InvalidRequest, NotFound):
            abort(404)
        return _response(file, stat)

    @blueprint.record
    def remember(state: BlueprintSetupState) -> None:
        endpoint = f"{state.name_prefix}.{state.name}.files".lstrip(".")
        state.app.extensions[FILES_ENDPOINT] = endpoint

    return blueprint


def _response(file: BinaryIO, stat: ObjectStat) -> Response:
    # Not send_file: it gives no ranges where it can't know the size, and lets every cache on the
    # way keep the picture where the app sets SEND_FILE_MAX_AGE_DEFAULT.
    response = Response(
        wrap_file(request.environ, file),
        content_type=stat.content_type,
        direct_passthrough=True,
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "private, no-cache",
        },
    )
    response.content_length = stat.size_bytes
    if stat.sha256:
        response.set_etag(stat.sha256)
    try:
        response.make_conditional(request, accept_ranges=True, complete_length=stat.size_bytes)
    except RequestedRangeNotSatisfiable:
        response.close()
        raise
    return response
