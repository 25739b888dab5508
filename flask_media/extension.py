"""The Flask extension."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask
from flask import request_started

from .cli import media_cli
from .config import MediaConfig
from .jobs import make_tasks_known
from .service import MediaService
from .web import Authorize
from .web import CanRead
from .web import FilesMode
from .web import file_url
from .web import make_blueprint
from .web import signed_file_url

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
            files_url=partial(file_url, app, config.files_url),
            sign_url=partial(signed_file_url, app),
            prompt_loader=app.create_global_jinja_loader(),
            context=app.app_context,
            extensions=app.extensions,
        )
        app.extensions["media"] = service
        app.cli.add_command(media_cli)
        make_tasks_known(config)
        if config.queue == "threads" or config.webhook_url is not None:
            # Not before_request: an app may get its service while it serves a request.
            request_started.connect(lambda _: service.start_queue(), app, weak=False)

    def create_blueprint(
        self,
        *,
        authorize: Authorize,
        can_read: CanRead | None = None,
        files: FilesMode = "proxy",
        name: str = "media",
    ) -> Blueprint:
        """A blueprint that serves stored pictures: ``GET /files/<key>``.

        Register it with a prefix: ``app.register_blueprint(bp, url_prefix="/media")``. A link of
        :meth:`MediaService.signed_url` is served to anybody until it expires.

        :param authorize: is called with each request without such a link and returns who asks (an
            id, any non-empty string), or None to deny.
        :param can_read: is called with that and an object key, and returns whether they may see
            the object; if not, it is answered as if it weren't there. None lets them see any.
        :param files: ``proxy`` sends pictures through the app; ``redirect`` sends the browser to
            a bucket with a signed URL of a few minutes. Both are ``proxy`` without a bucket.
        :param name: the blueprint's name.
        :raises TypeError: ``authorize`` is missing, or it or ``can_read`` can't be called.
        :raises ValueError: ``files`` is something else.
        """
        return make_blueprint(authorize=authorize, can_read=can_read, files=files, name=name)
