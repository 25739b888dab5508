"""What goes wrong in a command, as one line on stderr and an exit code."""

from __future__ import annotations

import errno
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ..errors import InvalidConfig
from ..errors import MediaError
from .output import printable

logger = logging.getLogger(__name__)

KEPT = (
    click.exceptions.NoArgsIsHelpError,  # it prints the help
    click.exceptions.Exit,
    click.Abort,
)
"""What Click tells well enough."""


class WrongUse(click.ClickException):
    """A command that can't be understood."""

    exit_code = 2


class Stopped(click.ClickException):
    """Ctrl-C."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("Stopped. What was under way is in the journal.")


class WrongConfig(InvalidConfig, click.ClickException):  # type: ignore[misc]  # both have a message
    """A wrong config key, told by Click in one line."""

    def __init__(self, message: str) -> None:
        InvalidConfig.__init__(self, message)
        click.ClickException.__init__(self, message)


def for_command(error: InvalidConfig) -> InvalidConfig:
    """The error as Click tells it, while a command of Flask loads the app; else as it is."""
    is_command = click.get_current_context(silent=True) is not None
    return WrongConfig(error.message) if is_command else error


@contextmanager
def in_one_line() -> Iterator[None]:
    """Turn what is raised in here into what Click prints as one line."""
    _be_quiet()
    try:
        yield
    except KEPT:
        raise
    except click.UsageError as error:
        line = f"{error.format_message()}{_hint(error.ctx)}"
        failure: click.ClickException = WrongUse(printable(line))
    except click.ClickException:
        raise
    except KeyboardInterrupt:
        failure = Stopped()
    except MediaError as error:
        failure = click.ClickException(printable(error.message))
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # Click ends quietly when a reader as "head" has enough
        failure = click.ClickException(_in_words(error))
    except Exception as error:
        logger.debug("Nobody foresaw this:", exc_info=True)
        failure = click.ClickException(_unforeseen(error))
    else:
        return
    raise failure from None


def _be_quiet() -> None:
    """Leave logging to the app: where it set up none, a command tells of errors by itself, and
    Python's last resort would tell them twice."""
    ours = logging.getLogger("flask_media")
    if not ours.hasHandlers():
        ours.addHandler(logging.NullHandler())


def _hint(context: click.Context | None) -> str:
    return f" See '{context.command_path} --help'." if context else ""


def _in_words(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or type(error).__name__}"


def _unforeseen(error: Exception) -> str:
    """Where it happened, and not its words: they may quote anything."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return (
        f"{type(error).__name__}{where}, which nobody foresaw. The logger flask_media.cli has the "
        "traceback at DEBUG."
    )
