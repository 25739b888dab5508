"""Works on orders, some at a time, and stops politely."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING
from typing import Protocol

from ...errors import BudgetExceeded
from ...errors import JournalError
from ...errors import MediaError
from ...errors import NotConfigured
from ...errors import RateLimited
from ...jobs.base import delay_after
from ...journal.codec import load_error
from ...types import MediaResult
from ...values import Terms
from ..ending import until_told
from ..output import printable
from ..refusals import can_be_put_right
from ..refusals import is_about_key
from ..refusals import is_about_model
from .progress import Progress
from .results import Results
from .results import document_of
from .rows import Order

if TYPE_CHECKING:
    from ...service import MediaService

logger = logging.getLogger(__name__)


class Context(Protocol):
    """Gives the context that a picture is made in, as ``app.app_context``."""

    def __call__(self) -> AbstractContextManager[object]: ...


class Run:
    """One run over a batch.

    :param service: makes the pictures.
    :param context: what each is made in.
    :param results: takes what came of each.
    :param progress: counts.
    :param retries: how often a row is tried again after an error that can pass.
    """

    def __init__(
        self,
        service: MediaService,
        context: Context,
        results: Results,
        progress: Progress,
        *,
        retries: int,
    ) -> None:
        self._service = service
        self._context = context
        self._results = results
        self._progress = progress
        self._retries = retries
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._working = 0
        self._failure: BaseException | None = None
        self.stopped_by: str | None = None
        """Why it stopped before the last row, None if it did not."""
        self.is_interrupted = False
        """Whether that was a signal."""

    def work(self, orders: list[Order], concurrency: int) -> None:
        """Make them all, unless something stops it; what is under way then is finished.

        :param concurrency: how many at once.
        :raises KeyboardInterrupt: a second signal came while it waited for those.
        """
        if not orders:
            return
        queue = iter(orders)
        self._working = min(concurrency, len(orders))
        with until_told(self._stop):
            for number in range(self._working):
                # Daemons, so that a second Ctrl-C need not wait for them.
                threading.Thread(
                    target=self._serve, args=(queue,), name=f"media-batch-{number}", daemon=True
                ).start()
            self._progress.draw()
            self._ended.wait()
        self._progress.clear()
        if self._failure is not None:
            raise self._failure

    def _serve(self, orders: Iterator[Order]) -> None:
        try:
            while not self._stopping.is_set():
                with self._lock:
                    order = next(orders, None)
                if order is None:
                    break
                self._make(order)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._failure = error  # as a results file that can't be written
            self._stopping.set()
        finally:
            with self._lock:
                self._working -= 1
                if not self._working:
                    self._ended.set()

    def _make(self, order: Order) -> None:
        order, outcome = self._outcome(order)
        reason = _stops_all(order, outcome) if isinstance(outcome, MediaError) else None
        if reason:
            with self._lock:
                self.stopped_by = self.stopped_by or reason
            self._stopping.set()
        with self._lock:
            self._results.append(document_of(order, outcome))
        # Why all stops is said once, at the end, unless a signal is what stopped it.
        if isinstance(outcome, MediaError) and (reason is None or self.is_interrupted):
            text = f"{order.place}: {type(outcome).__name__}: {printable(outcome.message)}"
            self._progress.say(text)
        self._progress.count(outcome, goes_on=reason is not None or _goes_on(outcome))

    def _outcome(self, order: Order) -> tuple[Order, MediaResult | MediaError]:
        tries = 0
        while True:
            order, outcome = self._asked(order)
            if isinstance(outcome, MediaResult) or tries >= self._retries:
                return order, outcome
            first = self._service.config.queue_retry_seconds
            delay = delay_after(outcome, tries, first=first)
            if delay is None or self._stopping.wait(delay):
                return order, outcome
            tries += 1

    def _asked(self, order: Order) -> tuple[Order, MediaResult | MediaError]:
        try:
            with self._context():
                order = self._renamed(order)
                return order, self._service.generate_and_upload(
                    order.prompt,
                    order.object_key,
                    order.metadata,
                    order.config,
                    variants=order.variants,
                    idempotency_key=order.name,
                    spender=order.spender,
                )
        except MediaError as error:
            return order, error
        except Exception as error:  # one that no stage foresaw costs the others nothing
            logger.exception("%s can't be made", order.place)
            unforeseen = f"{type(error).__name__}, which nobody foresaw"
            return order, MediaError(unforeseen, retryable=False)

    def _renamed(self, order: Order) -> Order:
        """The order under the first idempotency key of its own that stands for no refusal of the
        API key or the model: the journal would repeat that though it was put right since."""
        wanted = order.wanted
        for name in order.names():
            terms = Terms(idempotency_key=name, spender=order.spender, wait=True)
            record = self._service._pipeline.known(wanted, terms)  # noqa: SLF001
            error = record.error if record is not None and record.result is None else None
            refusal = load_error(error) if error else None
            if refusal is None or not can_be_put_right(refusal):
                return dataclasses.replace(order, name=name)
        raise AssertionError("there is always another number")

    def _stop(self) -> None:
        self.is_interrupted = True
        self.stopped_by = self.stopped_by or "it was told to."
        self._stopping.set()
        self._progress.say("Stopping: waiting for what is under way. Again: at once.")


def _stops_all(order: Order, error: MediaError) -> str | None:
    """Why no other row would fare better; None if one may."""
    is_for_all = (
        isinstance(error, NotConfigured | JournalError)
        or (isinstance(error, BudgetExceeded) and error.spender is None)
        or (isinstance(error, RateLimited) and (error.daily or not error.retryable))
        or is_about_key(error)
        or (is_about_model(error) and order.config.model is None)
    )
    return printable(error.message) if is_for_all else None


def _goes_on(outcome: MediaResult | MediaError) -> bool:
    """Whether the row that failed can succeed when it is asked for again."""
    return isinstance(outcome, MediaError) and (outcome.retryable or can_be_put_right(outcome))
