"""The blueprint and the rooms it opens on."""

from __future__ import annotations

from flask import Blueprint
from flask import current_app
from flask import request
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.wrappers import Response

from ..registered import registered_on
from ..registered import remember
from .access import Authorize
from .access import CanRead
from .access import Doorkeeper
from .events import add_events
from .files import FilesMode
from .files import add_files
from .gate import Gate
from .generate import add_generate
from .jobs import add_jobs
from .openapi import add_openapi
from .places import Places
from .problems import add_problems
from .problems import http_problem
from .rates import check_limiter
from .settings import Settings


def make_blueprint(
    *,
    authorize: Authorize,
    can_read: CanRead | None,
    files: FilesMode,
    settings: Settings,
    name: str,
) -> Blueprint:
    """The blueprint; see :meth:`flask_media.FlaskMedia.create_blueprint`."""
    doorkeeper = Doorkeeper(
        authorize, _is_open if can_read is None else can_read, by_folder=can_read is None
    )
    blueprint = Blueprint(name, __name__)
    gate = Gate(doorkeeper, settings)
    places = Places(settings.max_streams)
    remember(blueprint, settings.keys)
    add_files(blueprint, doorkeeper, mode=files)
    add_generate(blueprint, gate, settings, places)
    add_jobs(blueprint, gate)
    add_events(blueprint, gate, settings, places)
    add_openapi(blueprint, gate, settings)
    add_problems(blueprint)
    _add_405(blueprint)
    limit = settings.rate_limit
    if limit is not None:
        blueprint.record(lambda state: check_limiter(state.app.extensions, limit))
    return blueprint


def _is_open(who: str, key: str) -> bool:
    """Whether they may see the object where the app has no ``can_read``."""
    return registered_on(current_app.extensions).may_read(who, key)


def _add_405(blueprint: Blueprint) -> None:
    """Have a wrong method answered as a problem too. It is found before a blueprint is known, so
    that no error handler of one sees it."""

    @blueprint.before_app_request
    def refuse() -> Response | None:
        fault = request.routing_exception
        if not isinstance(fault, MethodNotAllowed) or not fault.valid_methods:
            return None
        adapter = current_app.create_url_adapter(request)
        if adapter is None:
            return None
        try:
            endpoint, _ = adapter.match(method=next(iter(fault.valid_methods)))
        except HTTPException:
            return None  # another method is led on from here, and that is the app's affair
        is_ours = endpoint.rpartition(".")[0] in registered_on(current_app.extensions).names
        return http_problem(fault) if is_ours else None
