"""No test pays: calls to a real provider or bucket are refused."""

from __future__ import annotations

import ipaddress
import sys
import threading
import time
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from ..errors import NotConfigured
from ..stray import add_guard
from ..stray import remove_guard

BACKGROUND_SECONDS = 5.0
"""Longest wait for jobs in the background when calls are let through again."""


class StrayCallError(BaseException):
    """A test was about to make a call that it must not make.

    No ``MediaError`` and no ``Exception``, so that no ``except`` of the app swallows it.
    """


class Strays:
    """Refuses calls, and remembers those of other threads: there the test would not see them."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._unseen: list[str] = []

    def refuse(self, message: str) -> None:
        """Raise :class:`StrayCallError`; in another thread than the test's, which that would only
        end, fail what it works on and raise at the end of the test.

        :raises StrayCallError: in the test's thread.
        :raises NotConfigured: in another one, whose job then failed and asks nobody later.
        """
        if threading.get_ident() == self._thread:
            raise StrayCallError(message)
        self._unseen.append(message)
        raise NotConfigured(message)

    def check(self) -> None:
        """Raise what another thread could not.

        :raises StrayCallError: there was a call.
        """
        if self._unseen:
            raise StrayCallError(f"In another thread: {self._unseen[0]}")


@contextmanager
def prevent_stray(*, allow: Iterable[str] = ()) -> Iterator[None]:
    """Refuse each call to a real Gemini or bucket, in every app and thread of the process.

    Servers on the loopback are not refused: an emulator costs nothing. What stays in this process
    and its folders, the placeholder and the filesystem, is not refused either.

    At the end it waits for jobs in the background, so that a call of one that was just ordered is
    refused too.

    :param allow: names of other hosts that may be called, as ``minio`` of a container.
    :raises StrayCallError: at such a call; at the end for one in another thread.
    """
    strays, hosts = Strays(), frozenset(allow)

    def guard(what: str, url: str) -> None:
        host = urlsplit(url).hostname or ""
        if host not in hosts and not _is_loopback(host):
            strays.refuse(
                f"This test calls the outside: {what} at {host or 'its host'}. Ask within "
                "'with media.fake() as fake:' (or with the fixture media_fake), and nothing is "
                f"sent; or let it through with prevent_stray(allow=[{host!r}])."
            )

    add_guard(guard)
    try:
        yield
    finally:
        _end_background()
        remove_guard(guard)
    strays.check()


def _end_background() -> None:
    """Wait for jobs that were ordered within and may only now be about to call."""
    threads = sys.modules.get("flask_media.jobs.threads")
    end = time.monotonic() + BACKGROUND_SECONDS
    for queue in [] if threads is None else list(threads.queues):
        queue.wait(end - time.monotonic())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
