"""The Flask extension."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask
from flask import request_started

from .cli import media_cli
from .config import MediaConfig
from .errors import InvalidConfig
from .jobs import make_tasks_known
from .service import MediaService

if TYPE_CHECKING:
    from flask import Blueprint

    from .testing import Fake
    from .web import Authorize
    from .web import CanRead
    from .web import FilesMode


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
        config = _config_of(app)
        service = MediaService(
            config,
            folder=Path(app.instance_path) / (config.folder or "media"),
            home=Path(app.instance_path),
            sender=app,
            files_url=partial(_file_url, app, config.files_url),
            sign_url=partial(_signed_file_url, app),
            route_url=partial(_file_url, app, None),
            prompt_loader=app.create_global_jinja_loader(),
            context=app.app_context,
            extensions=app.extensions,
        )
        app.extensions["media"] = service
        app.cli.add_command(media_cli)
        _add_template_globals(app)
        make_tasks_known(config)
        if config.queue != "celery" or config.webhook_url is not None:
            # Not before_request: an app may get its service while it serves a request. Weakly, as
            # signals do: the app has the service, and both may go.
            request_started.connect(service.on_request, app)

    def create_blueprint(
        self,
        *,
        authorize: Authorize,
        can_read: CanRead | None = None,
        files: FilesMode = "redirect",
        object_key: str = "generated/{spender}/{id}.webp",
        models: Sequence[str] = (),
        client_keys: bool = False,
        overwrite: bool = False,
        allowed_origins: Sequence[str] = (),
        rate_limit: str | None = None,
        max_body: int = 262_144,
        max_wait: float = 60,
        events_seconds: float = 300,
        max_streams: int = 100,
        name: str = "media",
    ) -> Blueprint:
        """A blueprint that makes pictures, tells of jobs and serves what is stored.

        Register it with a prefix: ``app.register_blueprint(bp, url_prefix="/media")``. The routes
        are ``POST /generate``, ``GET /jobs``, ``GET /jobs/<id>``, ``GET /jobs/<id>/events``,
        ``POST /jobs/<id>/cancel``, ``GET /files/<key>`` and ``GET /openapi.json``. A link of
        :meth:`MediaService.signed_url` is served to anybody until it expires.

        :param authorize: is called with each request without such a link and returns who asks (an
            id of 255 characters at most), or None to deny. They are the spender of what they ask
            for, and see no job of another.
        :param can_read: is called with that and an object key, and returns whether they may see
            the object; if not, it is answered as if it weren't there. None lets them see all but
            what ``object_key``, of any blueprint of the app, keeps in others' folders.
        :param files: ``redirect`` sends the browser to a bucket with a signed URL of a few minutes;
            ``proxy`` sends pictures through the app. Both are ``proxy`` without a bucket.
        :param object_key: where pictures go: ``{id}`` is new for each, ``{spender}`` a folder of
            who asks. The extension gives way to ``config.format``.
        :param models: models that they may name in ``config``, besides GEMINI_MODEL.
        :param client_keys: let them choose an ``object_key`` below their folder.
        :param overwrite: let such a key replace a picture that is there.
        :param allowed_origins: other origins (``https://app.example.com``) whose pages may post.
        :param rate_limit: how often one of them may ask, as ``10/minute``; needs Flask-Limiter.
        :param max_body: most bytes of a request's body; the default has room for the longest
            prompt in any script, as UTF-8.
        :param max_wait: most seconds that ``Prefer: wait`` waits; 10 on a server without threads.
        :param events_seconds: seconds after which a stream of events ends, 10 on such a server; a
            browser comes back.
        :param max_streams: most requests of a process that wait or stream at once. One caller gets
            a quarter of them.
        :param name: the blueprint's name.
        :raises TypeError: ``authorize`` is missing, or it or ``can_read`` can't be called.
        :raises ValueError: another option has a wrong value; names it.
        """
        from .web import Settings
        from .web import make_blueprint

        settings = Settings(
            object_key=object_key,
            models=models,
            client_keys=client_keys,
            overwrite=overwrite,
            allowed_origins=allowed_origins,
            rate_limit=rate_limit,
            max_body=max_body,
            max_wait=max_wait,
            events_seconds=events_seconds,
            max_streams=max_streams,
        )
        return make_blueprint(
            authorize=authorize, can_read=can_read, files=files, settings=settings, name=name
        )

    def fake(
        self, app: Flask | None = None, *, base_url: str | None = None
    ) -> AbstractContextManager[Fake]:
        """For tests: have an app's service draw and keep pictures by itself, in a ``with`` block.

        See :func:`flask_media.testing.fake`.

        :param app: the app; None for the current one.
        :param base_url: what the pictures' URLs begin with.
        :raises RuntimeError: there is no app, or Flask-Media is not initialised on it.
        """
        from .testing import fake

        return fake(app, base_url=base_url)


def _config_of(app: Flask) -> MediaConfig:
    try:
        return MediaConfig.from_mapping(app.config)
    except InvalidConfig as error:
        fault = error
    from .cli.faults import for_command

    raise for_command(fault)


def _add_template_globals(app: Flask) -> None:
    if "jinja_env" in vars(app):
        from .pages import PageGlobals

        app.jinja_env.add_extension(PageGlobals)
        return
    # Not add_template_global: it would make the environment, and what the app sets later for it
    # (jinja_options, TEMPLATES_AUTO_RELOAD) would be too late.
    options = dict(app.jinja_options)
    options["extensions"] = [*options.get("extensions", ()), "flask_media.pages.PageGlobals"]
    app.jinja_options = options


def _file_url(app: Flask, base: str | None, key: str) -> str | None:
    from .web import file_url  # an app without a blueprint never loads it

    return file_url(app, base, key)


def _signed_file_url(app: Flask, key: str, seconds: float) -> str:
    from .web import signed_file_url

    return signed_file_url(app, key, seconds)
