"""The blueprint and the rooms it opens on."""

from __future__ import annotations

from flask import Blueprint
from flask import current_app
from flask import request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.wrappers import Response

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
    doorkeeper = Doorkeeper(authorize, settings.keys.may_read if can_read is None else can_read)
    blueprint = Blueprint(name, __name__)
    gate = Gate(doorkeeper, settings)
    places = Places(settings.max_streams)
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


def _add_405(blueprint: Blueprint) -> None:
    """Have a wrong method answered as a problem too. It is found before a blueprint is known, so
    that no error handler of one sees it."""
    names = set()

    @blueprint.record
    def remember(state: BlueprintSetupState) -> None:
        names.add(f"{state.name_prefix}.{state.name}".lstrip("."))

    @blueprint.before_app_request
    def refuse() -> Response | None:
        fault = request.routing_exception
        if not isinstance(fault, MethodNotAllowed) or not fault.valid_methods:
            return None
        adapter = current_app.create_url_adapter(request)
        if adapter is None:
            return None
        endpoint, _ = adapter.match(method=next(iter(fault.valid_methods)))
        return http_problem(fault) if endpoint.rpartition(".")[0] in names else None
