"""``GET /files/<key>``: a stored picture, to whom ``authorize`` lets see it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask import Blueprint
from flask import Response
from flask import abort
from flask import request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wsgi import wrap_file

from ..errors import InvalidRequest
from ..errors import NotFound
from ..errors import StorageError
from ..globals import current_media
from ..types import ObjectStat
from .access import Doorkeeper

if TYPE_CHECKING:
    from ..storage.base import Storage
    from ..storage.base import StoredFile

logger = logging.getLogger(__name__)

FILES_ENDPOINT = "media_files_endpoint"
"""Where an app's extensions hold the endpoint of the files route, once it is registered."""


def add_files(blueprint: Blueprint, doorkeeper: Doorkeeper) -> None:
    """Give the blueprint the files route."""

    @blueprint.get("/files/<path:key>", merge_slashes=False)
    def files(key: str) -> Response:
        if doorkeeper.caller() is None:
            abort(403)
        try:
            return _serve(current_media.storage, key)
        except (InvalidRequest, NotFound):
            abort(404)
        except StorageError as error:
            logger.warning("A picture could not be served: %s", error)
            abort(503 if error.retryable else 502)

    @blueprint.record
    def remember(state: BlueprintSetupState) -> None:
        endpoint = f"{state.name_prefix}.{state.name}.files".lstrip(".")
        state.app.extensions[FILES_ENDPOINT] = endpoint


def _serve(storage: Storage, key: str) -> Response:
    # A body is opened where it is sent, and described by what was opened: the object under the key
    # can be another one by then.
    if request.method == "HEAD" or request.if_none_match:
        response = _response(storage.stat(key), None)
        if request.method == "HEAD" or response.status_code == 304:
            return response
    file = storage.open(key)
    return _response(file.stat, file)


def _response(stat: ObjectStat, file: StoredFile | None) -> Response:
    # Not send_file: it gives no ranges where it can't know the size, and lets every cache on the
    # way keep the picture where the app sets SEND_FILE_MAX_AGE_DEFAULT.
    response = Response(
        wrap_file(request.environ, file) if file is not None else None,
        content_type=stat.content_type,
        direct_passthrough=file is not None,
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
