"""``flask media emulator``: a Gemini for offline work."""

from __future__ import annotations

import click


@click.command(
    "emulator",
    short_help="Serve a Gemini for offline work.",
    add_help_option=False,  # the program has its own
    context_settings={"ignore_unknown_options": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Serve a stand-in for the Gemini API: any key will do, no picture is charged."""
    from ..emulator.__main__ import main

    main(arguments, prog="flask media emulator", has_config=True)
