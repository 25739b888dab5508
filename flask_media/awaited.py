"""Calls that are awaited: a thread makes each, so that an event loop never waits for a network."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from collections.abc import Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING
from typing import Any
from typing import Concatenate
from typing import ParamSpec
from typing import Protocol
from typing import TypeVar

from .forks import reset_after_fork

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Threads that calls are awaited in, apart from the event loop's own few.

    :param size: most at once; further calls wait for one.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._after_fork()
        reset_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make the call in a thread, in a copy of this context: app, request and trace are there.

        Cancelled, this no longer waits: a call that has begun goes on to its end in its thread.
        """
        import asyncio

        work = functools.partial(copy_context().run, call, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor(), work)

    def close(self) -> None:
        """Wait for the calls that are under way, and make none that waits. Later ones are made."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def _executor(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._size, "flask-media-await")
            return self._pool


class HasThreads(Protocol):
    """What has methods that can be awaited."""

    @property
    def _threads(self) -> Threads:
        """Make the calls."""
        ...


Self_ = TypeVar("Self_", bound=HasThreads)


def awaited(
    method: Callable[Concatenate[Self_, P], T],
) -> Callable[Concatenate[Self_, P], Coroutine[Any, Any, T]]:
    """The same method to be awaited, with the same arguments; its name begins with an ``a``."""

    async def twin(self: Self_, /, *args: P.args, **kwargs: P.kwargs) -> T:
        call: Callable[P, T] = getattr(self, method.__name__)  # a subclass may have its own
        return await self._threads.run(call, *args, **kwargs)

    functools.update_wrapper(twin, method)
    twin.__name__ = f"a{method.__name__}"
    twin.__qualname__ = method.__qualname__.replace(method.__name__, twin.__name__)
    twin.__doc__ = (
        f"As :meth:`{method.__name__}`, to be awaited: a thread does it, and the event loop goes "
        "on. Cancelled, what is under way goes on all the same; see :doc:`async`."
    )
    return twin
