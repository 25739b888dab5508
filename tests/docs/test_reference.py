"""The API reference has everything that is public, and all of it says what it is."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import itertools
import re
import textwrap
from importlib import import_module
from types import FunctionType
from typing import Any
from typing import NamedTuple

import pytest

from flask_media.config import MediaConfig

from .conftest import ROOT

REFERENCE = (ROOT / "docs" / "api.rst").read_text()
PUBLIC = [
    *("flask_media", "flask_media.errors", "flask_media.signals", "flask_media.testing"),
    *("flask_media.emulator", "flask_media.webhooks", "flask_media.storage.base"),
    *("flask_media.generators.base", "flask_media.jobs.base", "flask_media.jobs.messages"),
]
"""Modules that users import from."""


class Entry(NamedTuple):
    """A directive of the reference."""

    kind: str
    name: str
    options: dict[str, str]


def entries() -> list[Entry]:
    """All entries of the reference, by their full names."""
    found, module = [], ""
    pattern = r"^\.\. (\w+):: ([\w.]+)(?:\(.*\))?\n((?:    :[\w-]+:.*\n(?:        .*\n)*)*)"
    for kind, name, text in re.findall(pattern, REFERENCE, re.MULTILINE):
        if kind in ("currentmodule", "module"):
            module = name
            continue
        options = dict(re.findall(r":([\w-]+):((?:.*\n?(?!    :))*)", text))
        full = name if name.startswith("flask_media.") else f"{module}.{name}"
        found.append(Entry(kind, full, {key: value.strip() for key, value in options.items()}))
    return found


ENTRIES = entries()


def public_names() -> list[str]:
    """All public names of the modules that users import from, where they are defined."""
    names = set()
    for name in PUBLIC:
        module = import_module(name)
        listed = getattr(module, "__all__", None)
        for each in listed or (each for each in vars(module) if not each.startswith("_")):
            value = getattr(module, each)
            if each.startswith("make_"):  # how the service makes its parts
                continue
            is_own = getattr(value, "__module__", name) == name and not inspect.ismodule(value)
            is_signal = name == "flask_media.signals" and each.startswith(
                ("generation_", "upload_")
            )
            if listed or is_signal or (is_own and inspect.isclass(value)):
                names.add(each)
    return sorted(names)


@pytest.mark.parametrize("name", public_names())
def test_every_public_name_has_an_entry(name: str) -> None:
    """Whatever can be imported from a public module is in the reference."""
    assert any(entry.name.rpartition(".")[2] == name for entry in ENTRIES)


def resolve(name: str) -> Any:
    """The object of that full name."""
    module, _, last = name.rpartition(".")
    return getattr(import_module(module), last)


CLASSES = [entry for entry in ENTRIES if entry.kind in ("autoclass", "autoexception")]


@pytest.mark.parametrize("entry", CLASSES, ids=lambda entry: entry.name)
def test_every_member_is_documented(entry: Entry) -> None:
    """Each public method, property and field of a class has a docstring, and is shown."""
    kind = resolve(entry.name)
    assert inspect.getdoc(kind), entry.name
    members = own_members(kind)
    described = documented(kind)
    lacking = sorted(members - described)
    assert not lacking or ("undoc-members" in entry.options), f"without docstring: {lacking}"
    if "members" not in entry.options:
        known = {name for base in kind.__mro__[1:] for name in vars(base)}
        inherited = {field for base in kind.__mro__[1:] for field in documented(base)}
        assert not (shown := members - known - inherited), f"not shown: {sorted(shown)}"


def own_members(kind: type) -> set[str]:
    """Public names of the class itself: what is defined in it, and what its __init__ sets."""
    names = {name for name in vars(kind) if not name.startswith("_")}
    if dataclasses.is_dataclass(kind):
        names |= {field.name for field in dataclasses.fields(kind) if field.name[0] != "_"}
    if issubclass(kind, enum.Enum):
        names -= set(kind.__members__)
    return names | {name for name in _assigned(kind) if not name.startswith("_")}


def documented(kind: type) -> set[str]:
    """Those of its members that have a docstring, of their own or inherited."""
    found = {name for name, has_docstring in _assigned(kind).items() if has_docstring}
    for name in dir(kind):
        value = inspect.getattr_static(kind, name)
        value = getattr(value, "func", getattr(value, "__func__", value))
        value = getattr(value, "__wrapped__", value)  # a fixture of a contract
        if isinstance(value, FunctionType | property) and inspect.getdoc(getattr(kind, name)):
            found.add(name)
    for base in kind.__mro__[1:]:
        if base.__module__.startswith("flask_media"):
            found |= {name for name, has_docstring in _assigned(base).items() if has_docstring}
    return found


def _assigned(kind: type) -> dict[str, bool]:
    """Attributes that the source of the class assigns, and whether a docstring follows."""
    if not kind.__module__.startswith("flask_media"):
        return {}
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    starts = (
        node.body
        for node in body.body
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )
    found: dict[str, bool] = {}
    for block in (body.body, *starts):
        for node, after in itertools.pairwise([*block, None]):
            for name in _targets(node, has_self=block is not body.body):
                has_docstring = isinstance(after, ast.Expr) and isinstance(
                    after.value, ast.Constant
                )
                found[name] = found.get(name, False) or has_docstring
    return found


def _targets(node: ast.AST | None, *, has_self: bool) -> list[str]:
    if isinstance(node, ast.AnnAssign):
        targets: list[ast.expr] = [node.target]
    elif isinstance(node, ast.Assign):
        targets = node.targets
    else:
        return []
    if not has_self:
        return [target.id for target in targets if isinstance(target, ast.Name)]
    return [
        target.attr
        for target in targets
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self"
    ]


def test_every_config_key_is_in_the_reference() -> None:
    """The page on configuration shows the keys of each prefix that there is, made from the code."""
    page = (ROOT / "docs" / "configuration.rst").read_text()
    prefixes = tuple(re.findall(r"^\.\. config-keys:: (.+)$", page, re.MULTILINE))
    for field in dataclasses.fields(MediaConfig):
        assert field.metadata["key"].startswith(prefixes)
        assert field.name in documented(MediaConfig)
