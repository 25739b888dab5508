"""``GET /files/<key>``: a stored picture, to whom the app lets see it and who has a link."""

from __future__ import annotations

import logging
import math
import re
from typing import TYPE_CHECKING
from typing import Literal
from typing import TypeAlias
from typing import get_args

from flask import Blueprint
from flask import Response
from flask import abort
from flask import current_app
from flask import redirect
from flask import request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wsgi import wrap_file

from ..errors import InvalidImage
from ..errors import InvalidRequest
from ..errors import JournalError
from ..errors import NotFound
from ..errors import StorageError
from ..fields import fields
from ..globals import current_media
from ..keys import check_object_key
from ..keys import may_be_variant
from ..types import ObjectStat
from .access import Doorkeeper
from .links import TOKEN
from .links import seconds_left

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as BaseResponse

    from ..delivery.upkeep import Delivery
    from ..storage.base import Storage
    from ..storage.base import StoredFile

logger = logging.getLogger(__name__)

FilesMode: TypeAlias = Literal["proxy", "redirect"]
"""How the route answers: with the bytes, or with the way to a store that signs URLs itself."""

REDIRECT_SECONDS = 300.0
"""Life of the URL that a redirect leads to, in seconds: a browser follows at once."""

_RANGE = re.compile("bytes=(?:[0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})")
"""What is answered in part: one range of bytes. Any other is answered whole, as RFC 9110 allows."""


def add_files(blueprint: Blueprint, doorkeeper: Doorkeeper, *, mode: FilesMode) -> None:
    """Give the blueprint the files route.

    :raises ValueError: there is no such mode.
    """
    if mode not in get_args(FilesMode):
        raise ValueError(f"files is {mode!r:.80}; it must be 'proxy' or 'redirect'.")

    @blueprint.get("/files/<path:key>", merge_slashes=False)
    def files(key: str) -> BaseResponse:
        try:
            seconds, is_public = _granted(doorkeeper, key)
            delivery, storage = current_media.delivery, current_media.storage
            _ensure(delivery, key)
            if mode == "redirect" and storage.signs_itself:
                if is_public:
                    return _redirect(storage.public_url(key))
                return _redirect(_signed(storage, key, min(seconds, REDIRECT_SECONDS)))
            published = None
            if is_public and not delivery.is_open(key):
                published = delivery.public_sha256(key) or ""
            try:
                return _serve(storage, key, is_public=is_public, published=published)
            except NotFound:
                if published is not None or not _made_again(delivery, key):
                    raise
                return _serve(storage, key, is_public=is_public, published=published)
        except (InvalidRequest, NotFound):
            abort(404)
        except (JournalError, StorageError, InvalidImage) as error:
            logger.warning("A picture could not be served: %s", error, extra=fields(error=error))
            abort(503 if error.retryable else 502)


def _granted(doorkeeper: Doorkeeper, key: str) -> tuple[float, bool]:
    """For how many seconds the sender may see the object, and whether anybody may; nobody else
    gets further than here."""
    token = request.args.get(TOKEN)
    if token is not None:
        # The link is the right; one that is wrong says nothing of who sends it or what is there.
        seconds = seconds_left(current_app, key, token)
        if seconds <= 0:
            abort(403)
        return seconds, False
    who = doorkeeper.caller()
    try:
        check_object_key(key)  # first, so that no can_read has to think of ".."
    except InvalidRequest:
        abort(403 if who is None else 404)
    delivery = current_media.delivery
    if who is not None and doorkeeper.may_read(who, _source(doorkeeper, delivery, key)):
        return math.inf, False
    if delivery.public_sha256(key) is None and not delivery.is_open(key):
        abort(403 if who is None else 404)
    return math.inf, True


def _source(doorkeeper: Doorkeeper, delivery: Delivery, key: str) -> str:
    """The key of the picture that can_read is to be asked for.

    :raises JournalError: it can't be looked up, and the key may be that of a variant.
    """
    try:
        return delivery.source(key)
    except JournalError as error:
        if may_be_variant(key) and not doorkeeper.by_folder:
            raise  # of a picture that is not for everybody, perhaps
        extra = fields(object_key=key, error=error)
        logger.warning("%r is taken for a picture of its own: %s", key, error, extra=extra)
        return key


def _ensure(delivery: Delivery, key: str) -> None:
    """Have a variant made that is still to be made. While the journal is away there is none."""
    try:
        delivery.ensure(key)
    except JournalError as error:
        extra = fields(object_key=key, error=error)
        logger.warning("%r is served as far as it is there: %s", key, error, extra=extra)


def _made_again(delivery: Delivery, key: str) -> bool:
    try:
        return delivery.make_again(key)
    except JournalError as error:
        extra = fields(object_key=key, error=error)
        logger.warning("%r can't be looked up: %s", key, error, extra=extra)
        return False


def _signed(storage: Storage, key: str, seconds: float) -> str:
    method: Literal["GET", "HEAD"] = "HEAD" if request.method == "HEAD" else "GET"
    return storage.signed_url(key, seconds, method=method)


def _redirect(url: str) -> BaseResponse:
    response = redirect(url, 302)
    response.headers["Cache-Control"] = "no-store"
    return response


def _serve(storage: Storage, key: str, *, is_public: bool, published: str | None) -> Response:
    """Send the object.

    :param published: SHA-256 of what may be seen; another one is not for whoever asks.
    """
    # A body is opened where it is sent, and described by what was opened: the object under the key
    # can be another one by then.
    if request.method == "HEAD" or request.if_none_match:
        stat = storage.stat(key)
        if published not in (None, stat.sha256):
            abort(403)
        response = _response(stat, None, is_public=is_public)
        if request.method == "HEAD" or response.status_code == 304:
            return response
    file = storage.open(key)
    if published not in (None, file.stat.sha256):  # it replaced what was published
        file.close()
        abort(403)
    return _response(file.stat, file, is_public=is_public)


def _response(stat: ObjectStat, file: StoredFile | None, *, is_public: bool) -> Response:
    # Not send_file: it gives no ranges where it can't know the size, and lets every cache on the
    # way keep the picture where the app sets SEND_FILE_MAX_AGE_DEFAULT.
    response = Response(
        wrap_file(request.environ, file) if file is not None else None,
        content_type=stat.content_type,
        direct_passthrough=file is not None,
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": _cache_control(is_public=is_public),
        },
    )
    if (disposition := current_media.config.content_disposition) is not None:
        response.headers["Content-Disposition"] = disposition
    response.content_length = stat.size_bytes
    if stat.sha256:
        response.set_etag(stat.sha256)
    environ = request.environ
    if not _RANGE.fullmatch(environ.get("HTTP_RANGE", "")):
        environ = {name: value for name, value in environ.items() if name != "HTTP_RANGE"}
    try:
        response.make_conditional(environ, accept_ranges=True, complete_length=stat.size_bytes)
    except RequestedRangeNotSatisfiable:
        response.close()
        raise
    return response


def _cache_control(*, is_public: bool) -> str:
    """What caches may do. Where MEDIA_CACHE_CONTROL does not say so, one that is asked again asks
    here, for links too: a picture that was replaced or deleted, or whose link has expired, is shown
    by no cache. And no shared cache gets what is not for everybody."""
    configured = current_media.config.cache_control
    if configured is None:
        return "public, no-cache" if is_public else "private, no-cache"
    is_shared = "private" not in configured and "no-store" not in configured
    return "private, no-cache" if is_shared and not is_public else configured
