"""``python -m flask_media.emulator``: the emulator as a program."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from collections.abc import Sequence
from typing import NoReturn
from typing import TypeVar

from .choice import check_option
from .choice import parse_mode
from .modes import MODES
from .server import GeminiEmulator

CONFIG = """
Give an app this config, in another terminal:

  export FLASK_GEMINI_BASE_URL={url}
  export FLASK_GEMINI_API_KEY=any

Ctrl-C ends.
"""

Number = TypeVar("Number", int, float)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, without the usage before it."""
        self.exit(2, f"{self.prog}: {message}\n")


def main(
    arguments: Sequence[str] | None = None,
    *,
    prog: str = "python -m flask_media.emulator",
    has_config: bool = False,
) -> None:
    """Listen until Ctrl-C; prints the address to set GEMINI_BASE_URL to.

    :param arguments: those of the command line; None takes the process's.
    :param prog: the program's name, for its help and its errors.
    :param has_config: whether to print the config for a shell too.
    """
    parser = _Parser(
        prog=prog,
        description="A stand-in for the Gemini API: any key will do, no picture is charged.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_port, default=8999, help="0 takes a free one")
    latency = _checked("latency", float)
    parser.add_argument("--latency", type=latency, default=0.0, help="seconds before each answer")
    modes = f"{', '.join(sorted(MODES))}; with options as 429,retry=0.3"
    parser.add_argument("--default-mode", type=_mode, default="ok", help=modes)
    parser.add_argument("--width", type=_checked("w", int), default=1024, help="pixels")
    parser.add_argument("--height", type=_checked("h", int), default=1024, help="pixels")
    size = _checked("bytes", int)
    parser.add_argument("--image-bytes", type=size, default=0, help="pad each PNG to that size")
    mimes = ("image/png", "image/jpeg", "image/webp")
    parser.add_argument("--mime", choices=mimes, default="image/png", help="of the pictures")
    flags = {
        "gzip": "compress for clients that accept it",
        "chunked": "send no Content-Length",
        "honour-image-config": "take the size from aspectRatio and imageSize",
        "auto-thought": "Gemini 3 models send a draft before the picture",
        "strict": "refuse what the service refuses",
        "vary": "take the colours from the prompt",
    }
    for name, text in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    emulator = GeminiEmulator(**vars(parser.parse_args(arguments)), keep_bodies=False)
    try:
        emulator.start()
    except OSError as error:
        why = error.strerror or error
        sys.exit(f"{parser.prog}: can't listen on {emulator.host}:{emulator.port}: {why}")
    try:
        sys.stdout.write(f"listening on {emulator.url}\n")
        if has_config:
            sys.stdout.write(CONFIG.format(url=emulator.url))
        sys.stdout.flush()
        emulator.stopping.wait()
    except KeyboardInterrupt:
        sys.stdout.write("stopped\n")
    finally:
        emulator.stop()


def _port(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and int(value) <= 65_535):
        raise argparse.ArgumentTypeError(f"{value!r} is no port; ports are 0 to 65535")
    return int(value)


def _mode(value: str) -> str:
    try:
        parse_mode(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return value


def _checked(option: str, kind: Callable[[str], Number]) -> Callable[[str], Number]:
    """A type of argparse with the check of a mode's option."""

    def convert(value: str) -> Number:
        try:
            check_option(option, value)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return kind(value)

    return convert


if __name__ == "__main__":
    main()
