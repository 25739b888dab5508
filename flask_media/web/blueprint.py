"""The blueprint and the rooms it opens on."""

from __future__ import annotations

from flask import Blueprint

from .access import Authorize
from .access import Doorkeeper
from .files import add_files


def make_blueprint(*, authorize: Authorize, name: str) -> Blueprint:
    """The blueprint; see :meth:`flask_media.FlaskMedia.create_blueprint`."""
    doorkeeper = Doorkeeper(authorize)
    blueprint = Blueprint(name, __name__)
    add_files(blueprint, doorkeeper)
    return blueprint
