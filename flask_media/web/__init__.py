"""The blueprint: pictures over HTTP."""

from .access import Authorize
from .access import CanRead
from .blueprint import make_blueprint
from .files import FilesMode
from .links import file_url
from .links import signed_file_url
from .settings import Settings

__all__ = [
    "Authorize",
    "CanRead",
    "FilesMode",
    "Settings",
    "file_url",
    "make_blueprint",
    "signed_file_url",
]
