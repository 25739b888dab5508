"""``python -m flask_media.emulator``: the emulator as a program."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .modes import MODES
from .server import GeminiEmulator


def main(arguments: Sequence[str] | None = None) -> None:
    """Listen until Ctrl-C; prints the address to set GEMINI_BASE_URL to."""
    parser = argparse.ArgumentParser(
        prog="python -m flask_media.emulator",
        description="A stand-in for the Gemini API: any key will do, no picture is charged.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8999, help="0 takes a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--default-mode", default="ok", help=", ".join(sorted(MODES)))
    parser.add_argument("--width", type=int, default=1024, help="pixels")
    parser.add_argument("--height", type=int, default=1024, help="pixels")
    parser.add_argument("--image-bytes", type=int, default=0, help="pad each PNG to that size")
    parser.add_argument("--mime", default="image/png", help="image/png, image/jpeg or image/webp")
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
    with emulator:
        sys.stdout.write(f"listening on {emulator.url}\n")
        sys.stdout.flush()
        try:
            emulator.stopping.wait()
        except KeyboardInterrupt:
            sys.stdout.write("stopped\n")


if __name__ == "__main__":
    main()
