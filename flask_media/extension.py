"""The Flask extension."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask
from flask import has_request_context
from flask import request
from flask import request_started
from werkzeug.routing import BuildError

from .config import MediaConfig
from .errors import NotConfigured
from .keys import quote_key
from .service import MediaService
from .web import FILES_ENDPOINT
from .web import Authorize
from .web import make_blueprint

if TYPE_CHECKING:
    from flask import Blueprint


class FlaskMedia:
    """Adds a :class:`MediaService` to apps; one object serves many.

    :param app: an app to initialise at once; else call :meth:`init_app`.
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Read GEMINI_*, SPACES_* and MEDIA_* of ``app.config`` and make the app's service.

        Opens no connection and no file. The service is ``app.extensions["media"]``, and
        ``current_media`` in the app's context.

        :raises InvalidConfig: a key has a wrong value; names the key and what is allowed.
        :raises RuntimeError: the app has a service already.
        """
        if "media" in app.extensions:
            raise RuntimeError(
                f"Flask-Media is initialised on the app {app.name!r} already. Call init_app once "
                "an app, and first: FlaskMedia(app) calls it for you, and so does "
                "get_image_generation_service() in a context of an app that has none."
            )
        config = MediaConfig.from_mapping(app.config)
        service = MediaService(
            config,
            folder=Path(app.instance_path) / (config.folder or "media"),
            home=Path(app.instance_path),
            sender=app,
            files_url=partial(_files_url, app, config.files_url),
            prompt_loader=app.create_global_jinja_loader(),
            context=app.app_context,
        )
        app.extensions["media"] = service
        if config.queue == "threads":
            # Not before_request: an app may get its service while it serves a request.
            request_started.connect(lambda _: service.start_queue(), app, weak=False)

    def create_blueprint(self, *, authorize: Authorize, name: str = "media") -> Blueprint:
        """A blueprint that serves stored pictures: ``GET /files/<key>``.

        Register it with a prefix: ``app.register_blueprint(bp, url_prefix="/media")``.

        :param authorize: is called with each request and returns who asks (an id, any non-empty
            string), or None to deny.
        :param name: the blueprint's name.
        :raises TypeError: ``authorize`` is missing or can't be called.
        """
        return make_blueprint(authorize=authorize, name=name)


def _files_url(app: Flask, base: str | None, key: str) -> str | None:
    if base is not None:
        return f"{base}/{quote_key(key)}"
    endpoint = app.extensions.get(FILES_ENDPOINT)
    if endpoint is None:
        return None
    values = {"key": key}
    app.inject_url_defaults(endpoint, values)
    # Not url_for: within a request to another app it looks for the endpoint there.
    adapter = app.create_url_adapter(request) if has_request_context() else None
    if adapter is None:
        adapter = app.url_map.bind("localhost", script_name=app.config["APPLICATION_ROOT"])
    try:
        return adapter.build(endpoint, values)
    except BuildError as error:
        raise NotConfigured(
            f"The URL of the files route needs more than the key ({error}). Register the blueprint "
            "under a prefix without variables, or set MEDIA_FILES_URL."
        ) from None
