"""Modules that run as programs, in processes of their own.

As ``python -m`` runs them, but forked from a process that has loaded all that a picture needs: that
takes a tenth of the time.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import runpy
import sys
import threading
import warnings
from collections.abc import Sequence
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
"""Of the checkout."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.warm"])


class Program:
    """A program under way, seen from the one that started it.

    :param module: whose ``main`` it is.
    :param arguments: of its command line.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        their_input, ours = os.pipe()
        self.stdin = os.fdopen(ours, "w", buffering=1, encoding="utf-8")
        mine, their_output = os.pipe()
        self.stdout = os.fdopen(mine, encoding="utf-8")
        theirs = [their_input, their_output]
        self._process = _context.Process(
            target=_run,
            args=(module, arguments, {**os.environ}, [DupFd(one) for one in theirs]),
            daemon=True,
        )
        self._process.start()
        for one in theirs:
            os.close(one)
        self.line()  # it has taken its ends of the pipes, which were open here until then

    def say(self, line: str) -> None:
        """Write a line to its input, which it may have closed."""
        with contextlib.suppress(BrokenPipeError):
            self.stdin.write(f"{line}\n")

    def line(self) -> str:
        """The next line of its output, without its end; empty at the end of all."""
        return self.stdout.readline().removesuffix("\n")

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more."""
        self._process.kill()
        self.end()

    def end(self) -> str:
        """End its input and wait for its end; what it has yet to say."""
        with contextlib.suppress(BrokenPipeError):  # it has ended
            self.stdin.close()
        rest = "" if self.stdout.closed else self.stdout.read()
        self.stdout.close()
        self._process.join()
        return rest

    @property
    def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        return self._process.exitcode


def _run(
    module: str, arguments: Sequence[str], environment: dict[str, str], handles: list[Any]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, handle in enumerate(handles):
        given = handle.detach()
        os.dup2(given, number)
        os.close(given)
    os.write(1, b"\n")
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    os.chdir(ROOT)
    sys.argv[1:] = arguments
    warnings.simplefilter("error")
    sys.modules.pop(module, None)  # what asks may have imported it, and this process that
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()  # as at the end of a program, before what it registered for that
        atexit._run_exitfuncs()
        sys.stdout.flush()
