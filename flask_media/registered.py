"""What an app knows of the blueprints that it has: there can be several."""

from __future__ import annotations

import dataclasses
from typing import Any
from typing import Protocol

from flask import Blueprint
from flask.blueprints import BlueprintSetupState

EXTENSION = "media_blueprints"
"""Where an app's extensions hold it."""


class Template(Protocol):
    """Knows whose a key is."""

    def may_read(self, who: str, key: str) -> bool:
        """Whether the key is in no other spender's folder."""
        ...


@dataclasses.dataclass
class Registered:
    """The blueprints of one app."""

    names: list[str] = dataclasses.field(default_factory=list)
    """Under which they are registered, in that order."""
    templates: list[Template] = dataclasses.field(default_factory=list)
    """The ``object_key`` of each."""

    def may_read(self, who: str, key: str) -> bool:
        """Whether the key is in no other spender's folder, of whichever blueprint."""
        return all(template.may_read(who, key) for template in self.templates)


def registered_on(extensions: dict[str, Any]) -> Registered:
    """Those of the app that has these extensions."""
    found: Registered = extensions.setdefault(EXTENSION, Registered())
    return found


def remember(blueprint: Blueprint, keys: Template) -> None:
    """Have each app know of the blueprint that it registers."""

    @blueprint.record
    def remember_it(state: BlueprintSetupState) -> None:
        apps = registered_on(state.app.extensions)
        apps.names.append(f"{state.name_prefix}.{state.name}".lstrip("."))
        apps.templates.append(keys)
