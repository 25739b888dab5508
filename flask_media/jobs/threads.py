"""The embedded queue: threads of the processes that ask. There is nothing to install or start."""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from queue import SimpleQueue
from typing import TYPE_CHECKING
from typing import TypeAlias

from .. import telemetry
from ..errors import MediaError
from ..errors import QueueUnavailable
from ..fields import fields
from ..forks import reset_after_fork
from .base import Put
from .base import Queue
from .base import Runner

if TYPE_CHECKING:
    from ..journal.records import Claim
    from ..values import GenerationJob
    from . import Context

logger = logging.getLogger(__name__)

Task: TypeAlias = "tuple[Claim, GenerationJob, int, object]"
"""A job that is held, how often it was tried, and the trace that it belongs to."""

queues: weakref.WeakSet[ThreadQueue] = weakref.WeakSet()
"""Those of this process."""

RETRY_AFTER = 10.0
"""Seconds after which to ask again when the queue is full: about what a picture takes."""


class ThreadQueue(Queue):
    """Works on jobs in threads of this process, and on what dead processes left of theirs.

    A job that waits here is held by this process: if it ends, the next one goes on.

    :param runner: works on a job.
    :param threads: most threads.
    :param size: most jobs that wait for one.
    :param sweep_seconds: how often to look for jobs of dead processes.
    :param context: what a job runs in.
    """

    def __init__(
        self, runner: Runner, *, threads: int, size: int, sweep_seconds: float, context: Context
    ) -> None:
        self._runner = runner
        self._most_threads = threads
        self._size = size
        self._sweep_seconds = sweep_seconds
        self._context = context
        self._after_fork()
        reset_after_fork(self)
        queues.add(self)

    def _after_fork(self) -> None:
        """Begin anew: what waits is the parent's, and its threads did not come along."""
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._rested = threading.Condition(lock)  # of those who wait for the others to be idle
        self._tasks: deque[Task] = deque()
        self._threads: list[threading.Thread] = []
        self._timers: dict[threading.Timer, Claim] = {}
        self._idle = self._places = 0
        self._sweeper: threading.Thread | None = None
        self._closing = threading.Event()
        self._wanted: SimpleQueue[str] = SimpleQueue()

    def make_variants(self, object_key: str) -> None:
        self._wanted.put(object_key)
        self.start()

    def check(self, seconds: float) -> None:  # noqa: ARG002 - there is no broker
        with self._changed:
            self._check()
            if self._sweeper is not None and not self._sweeper.is_alive():
                raise QueueUnavailable("The thread that goes on with jobs of dead processes died.")

    def _check(self) -> None:
        """Fail if there is no place; the lock is held."""
        if self._closing.is_set():
            raise QueueUnavailable("This process ends, so its queue takes no more jobs.")
        if self._places >= self._size:
            raise QueueUnavailable(
                f"{self._places} jobs wait already, the most that MEDIA_QUEUE_SIZE lets a "
                "process keep waiting. Ask again later, or raise it or MEDIA_QUEUE_THREADS.",
                retry_after=RETRY_AFTER,
            )

    @contextmanager
    def place(self) -> Iterator[Put]:
        with self._changed:
            self._check()
            self._places += 1
        was_put = False

        def put(claim: Claim, job: GenerationJob) -> None:
            nonlocal was_put
            was_put = True
            self._put((claim, job, 0, telemetry.here()))

        try:
            yield put
        finally:
            if not was_put:
                with self._changed:
                    self._places -= 1
        self.start()

    def start(self) -> None:
        with self._changed:
            if self._sweeper is not None or self._closing.is_set():
                return
            sweeper = threading.Thread(target=self._sweep, name="flask-media-sweeper", daemon=True)
            if _started(sweeper):
                self._sweeper = sweeper
                atexit.register(self.close)

    def close(self) -> None:
        """Take no more jobs, let go of those that wait, and wait for those that are worked on.

        Called when the process ends. What waits stays in the journal, for the next process.
        """
        with self._changed:
            self._closing.set()
            self._wanted.put("")  # wakes the sweeper
            timers, self._timers = self._timers, {}
            waiting = [task[0] for task in self._tasks]
            self._tasks.clear()
            threads, sweeper = list(self._threads), self._sweeper
            self._changed.notify_all()
            self._rested.notify_all()
        for timer in timers:
            timer.cancel()
        for claim in [*timers.values(), *waiting]:
            self._let_go(claim)
        for thread in threads:
            thread.join()
        if sweeper is not None:
            sweeper.join()
        atexit.unregister(self.close)

    def _put(self, task: Task) -> None:
        with self._changed:
            is_late = self._closing.is_set()
            if not is_late:
                self._tasks.append(task)
                self._grow()
                self._changed.notify()
        if is_late:
            self._let_go(task[0])

    def _grow(self) -> None:
        """Have one more thread if there is work for it; the lock is held."""
        if self._idle >= len(self._tasks) or len(self._threads) >= self._most_threads:
            return
        thread = threading.Thread(
            target=self._work, name=f"flask-media-{len(self._threads)}", daemon=True
        )
        if _started(thread):
            self._threads.append(thread)

    def _next(self) -> Task | None:
        """Wait for a job; None when the process ends."""
        with self._changed:
            self._idle += 1
            self._rested.notify_all()
            while not self._tasks and not self._closing.is_set():
                self._changed.wait()
            self._idle -= 1
            if not self._tasks:
                return None
            task = self._tasks.popleft()
            if task[2] == 0:
                self._places -= 1
            return task

    def _work(self) -> None:
        while (task := self._next()) is not None:
            self._try(*task)
            del task  # while this thread waits, nobody holds the job

    def _try(self, claim: Claim, job: GenerationJob, tries: int, trace: object) -> None:
        try:
            with self._context(), telemetry.within(trace):
                outcome = self._runner.run(claim, job, tries)
        except MediaError:
            return  # logged, recorded and told
        except Exception:  # one that no stage foresaw; recorded, and must not end the thread
            logger.exception("Job %s: can't be finished", claim.id, extra=fields(job_id=claim.id))
            return
        if isinstance(outcome, float):
            self._later(outcome, (claim, job, tries + 1, trace))

    def _later(self, seconds: float, task: Task) -> None:
        def put() -> None:
            with self._changed:
                if self._timers.pop(timer, None) is None:
                    return  # it was let go of
            self._put(task)

        timer = threading.Timer(seconds, put)
        timer.daemon = True
        with self._changed:
            is_kept = not self._closing.is_set() and _started(timer)
            if is_kept:
                self._timers[timer] = task[0]
        if not is_kept:
            self._let_go(task[0])

    def _let_go(self, claim: Claim) -> None:
        try:
            self._runner.pipeline.let_go(claim)
        except MediaError as error:
            extra = fields(job_id=claim.id, error=error)
            logger.warning("Job %s: can't be let go of: %s", claim.id, error, extra=extra)

    def _sweep(self) -> None:
        """Go on with what dead processes left, now and again."""
        while True:
            with self._changed:
                self._grow()
            try:
                self._adopt_dropped()
            except QueueUnavailable:
                pass  # when there is room
            except MediaError as error:
                extra = fields(error=error)
                logger.warning("Jobs of dead processes can't be looked for: %s", error, extra=extra)
            except Exception:  # the thread has to live on: it is who notices dead processes
                logger.exception("Jobs of dead processes could not be looked for")
            if not self._make_wanted():
                return

    def _make_wanted(self) -> bool:
        """Make variants until the next sweep; False when the process ends."""
        end = time.monotonic() + self._sweep_seconds
        while not self._closing.is_set():
            left = end - time.monotonic()
            if left <= 0:
                return True  # jobs of dead processes do not wait for all variants
            try:
                key = self._wanted.get(timeout=left)
            except Empty:
                return True
            if key and not self._closing.is_set():
                self._make_left(key)
        return False

    def _make_left(self, key: str) -> None:
        try:
            with self._context():
                self._runner.pipeline.delivery.make_left(key)
        except MediaError as error:
            extra = fields(object_key=key, error=error)
            logger.warning("The variants of %r can't be made: %s", key, error, extra=extra)
        except Exception:  # the thread has to live on
            logger.exception("The variants of %r can't be made", key, extra=fields(object_key=key))

    def drain(self) -> None:
        is_left = True
        while is_left and not self._closing.is_set():
            with contextlib.suppress(QueueUnavailable):  # the rest, when there is room
                is_left = self._adopt_dropped() > 0
            with self._changed:
                self._grow()
                self._rested.wait_for(self._is_at_rest)
        while not self._closing.is_set():
            try:
                self._make_left(self._wanted.get_nowait())
            except Empty:
                return

    def wait(self, seconds: float) -> bool:
        """Wait until no job is worked on or waits for a thread; what is tried again later may.

        :returns: False if that takes longer.
        """
        with self._changed:
            return self._rested.wait_for(self._is_idle, seconds)

    def _is_idle(self) -> bool:
        """Whether nobody works and nothing waits for a thread; the lock is held."""
        return not self._tasks and self._idle == len(self._threads)

    def _is_at_rest(self) -> bool:
        """Whether nobody works and nothing waits, or the process ends; the lock is held."""
        return self._closing.is_set() or (self._is_idle() and not self._timers)

    def _adopt_dropped(self) -> int:
        """Go on with what dead processes left; returns how many jobs that are."""
        count = 0
        with self._context():
            self._runner.pipeline.tell_failures()
        for job_id in self._runner.pipeline.dropped():
            with self.place() as put:
                try:
                    adopted = self._runner.pipeline.adopt(job_id)
                except MediaError as error:  # the others must not wait for it
                    extra = fields(job_id=job_id, error=error)
                    logger.warning("Job %s: can't be gone on with: %s", job_id, error, extra=extra)
                    continue
                if adopted is not None:
                    logger.info(
                        "Job %s: going on with what another process left",
                        job_id,
                        extra=fields(job_id=job_id),
                    )
                    put(*adopted)
                    count += 1
        for key in self._runner.pipeline.delivery.take_left(self._sweep_seconds):
            self._wanted.put(key)
        return count


def _started(thread: threading.Thread) -> bool:
    """Start it, if the system has one more. Where not, the next job or sweep tries again."""
    try:
        thread.start()
    except RuntimeError as error:
        logger.warning("No thread can be started for jobs in the background: %s", error)
        return False
    return True
