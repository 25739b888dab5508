"""Directives whose content is read from the code, so that it can't go stale."""

from __future__ import annotations

from collections.abc import Iterable

from config_keys import config_keys
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from flask_media.emulator import MODES
from flask_media.generators.models import ALL_RATIOS
from flask_media.generators.models import COMMON_RATIOS
from flask_media.generators.models import MODELS
from flask_media.journal import states
from flask_media.storage.providers import PROVIDERS


class FromCode(SphinxDirective):
    """Base: parses the lines of reST that a subclass makes."""

    def lines(self) -> Iterable[str]:
        """The reST."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Parse it."""
        parent = nodes.Element()
        lines = StringList(list(self.lines()), source=f"<{self.name}>")
        self.state.nested_parse(lines, 0, parent)
        return parent.children


class ConfigKeys(FromCode):
    """``config-keys``: the config keys that begin with one of the arguments."""

    required_arguments = 1
    final_argument_whitespace = True

    def lines(self) -> Iterable[str]:
        """One ``confval`` a key."""
        for key in config_keys():
            if key.name.startswith(tuple(self.arguments[0].split())):
                yield from (f".. confval:: {key.name}", f"   :default: {key.default}", "")
                yield from (f"   {key.meaning}", "")


def table(header: list[str], rows: Iterable[list[str]]) -> Iterable[str]:
    """A list-table."""
    yield from (".. list-table::", "   :header-rows: 1", "")
    for row in [header, *rows]:
        for place, cell in enumerate(row):
            yield f"   {'*' if place == 0 else ' '} - {cell}"
    yield ""


class Providers(FromCode):
    """``storage-providers``: what is known of each S3-compatible provider."""

    def lines(self) -> Iterable[str]:
        """A table."""
        yield from table(
            ["SPACES_PROVIDER", "endpoint", "addressing", "region", "ACL sent"],
            (
                [
                    f"``{provider.value}``",
                    f"``{row.endpoint}``" if row.endpoint else "set SPACES_ENDPOINT_URL",
                    row.addressing_style,
                    f"``{row.region}``" if row.region else "set SPACES_REGION",
                    f"``{row.acl}``" if row.acl else "none",
                ]
                for provider, row in PROVIDERS.items()
            ),
        )


class Models(FromCode):
    """``gemini-models``: what is known of each model."""

    def lines(self) -> Iterable[str]:
        """A table."""
        ratios = {tuple(COMMON_RATIOS): "common", tuple(ALL_RATIOS): "common and long"}
        yield from table(
            ["model", "ratios", "size steps", "references at most"],
            (
                [
                    f"``{name}``",
                    ratios[tuple(model.ratios)],
                    ", ".join(model.steps) or "1K only",
                    str(model.max_references),
                ]
                for name, model in MODELS.items()
            ),
        )


class Modes(FromCode):
    """``emulator-modes``: the names of all modes."""

    def lines(self) -> Iterable[str]:
        """One line."""
        yield ", ".join(f"``{name}``" for name in MODES) + "."


class JobStates(FromCode):
    """``job-states``: the drawing of the states of a job."""

    def lines(self) -> Iterable[str]:
        """A literal block."""
        drawing = (states.__doc__ or "").partition("::\n")[2].partition("\nA new job")[0]
        yield from (".. code-block:: text", "", *drawing.strip("\n").splitlines(), "")


def setup(app):
    """Add the directives."""
    app.add_directive("config-keys", ConfigKeys)
    app.add_directive("storage-providers", Providers)
    app.add_directive("gemini-models", Models)
    app.add_directive("emulator-modes", Modes)
    app.add_directive("job-states", JobStates)
    return {"parallel_read_safe": True}
