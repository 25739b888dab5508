"""Parts of an app's own: a generator, a storage or a queue that a config key names by its path."""

from __future__ import annotations

import re
from typing import TypeVar

from flask import Flask

from .errors import InvalidConfig
from .errors import NotConfigured

Part = TypeVar("Part")


def is_path(value: object) -> bool:
    """Whether it looks like ``package.module:name``."""
    return isinstance(value, str) and bool(re.fullmatch(r"[^\W\d][\w.]*:[^\W\d][\w.]*", value))


def make_own(key: str, path: str, kind: type[Part], app: object, *arguments: object) -> Part:
    """Make the part that a config key names.

    :param key: the config key.
    :param path: ``package.module:name`` of a class or function, which is called with the app.
    :param kind: what it must give.
    :param app: the app; anything else where the service has none.
    :param arguments: what it is called with besides.
    :raises InvalidConfig: there is no such name, or it gives something else.
    :raises NotConfigured: there is no app.
    """
    if not isinstance(app, Flask):
        raise NotConfigured(
            f"{key} is {path!r}, which is made with an app, and this service has none. Use the "
            "service of an app."
        )
    make = _found(key, path)
    if not callable(make):
        raise InvalidConfig(f"{key} is {path!r}; it must be the path of a class or function.")
    part = make(app, *arguments)
    if not isinstance(part, kind):
        raise InvalidConfig(
            f"{key} is {path!r}, which gives {type(part).__name__}; it must give a "
            f"{kind.__module__}.{kind.__name__}."
        )
    return part


def _found(key: str, path: str) -> object:
    import pkgutil

    try:
        return pkgutil.resolve_name(path)
    except ModuleNotFoundError as error:
        module = path.partition(":")[0]
        if not (module + ".").startswith(f"{error.name}."):
            raise  # the module is there, and lacks another one
        reason = f"there is no module {error.name!r}"
    except AttributeError as error:
        reason = str(error)
    raise InvalidConfig(f"{key} is {path!r}: {reason}. It must be as 'package.module:name'.")
