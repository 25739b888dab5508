"""The blueprint: pictures over HTTP."""

from .access import Authorize
from .blueprint import make_blueprint
from .files import FILES_ENDPOINT

__all__ = ["FILES_ENDPOINT", "Authorize", "make_blueprint"]
