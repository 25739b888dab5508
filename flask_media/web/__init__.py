"""The blueprint: pictures over HTTP."""

from .blueprint import FILES_ENDPOINT
from .blueprint import Authorize
from .blueprint import make_blueprint

__all__ = ["FILES_ENDPOINT", "Authorize", "make_blueprint"]
