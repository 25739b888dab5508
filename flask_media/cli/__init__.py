"""``flask media``: the commands, a module each, which is loaded when its command is called."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING
from typing import Any

from flask.cli import AppGroup

if TYPE_CHECKING:
    import click

COMMANDS = {
    "check": "check",
    "generate": "generate",
    "batch": "batch",
    "jobs": "jobs",
    "resume": "resume",
    "usage": "usage",
    "gc": "gc",
    "worker": "worker",
    "emulator": "emulator",
}
"""The module of each command, which has it as ``command``."""


class MediaGroup(AppGroup):
    """Loads its commands late, and tells of each error in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - Click's signature
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f".{COMMANDS[cmd_name]}", __name__).command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        from .faults import in_one_line

        with in_one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        from .faults import in_one_line

        with in_one_line():
            return super().invoke(ctx)


media_cli = MediaGroup("media", help="Generated pictures: make them, and look after their jobs.")
