"""The blueprint and the rooms it opens on."""

from __future__ import annotations

from flask import Blueprint

from .access import Authorize
from .access import CanRead
from .access import Doorkeeper
from .files import FilesMode
from .files import add_files


def make_blueprint(
    *, authorize: Authorize, can_read: CanRead | None, files: FilesMode, name: str
) -> Blueprint:
    """The blueprint; see :meth:`flask_media.FlaskMedia.create_blueprint`."""
    doorkeeper = Doorkeeper(authorize, can_read)
    blueprint = Blueprint(name, __name__)
    add_files(blueprint, doorkeeper, mode=files)
    return blueprint
