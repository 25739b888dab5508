"""Connections to Celery's broker, and whether it can be reached and who would work."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu import pools

from ..errors import QueueUnavailable
from .celery import GENERATE
from .celery import TRANSPORT_BOUNDS
from .messages import BROKER_SECONDS


def make_pool(app: Any) -> Any:
    """See :meth:`CeleryQueue._pool`; None where that can't be: the reason may quote the password,
    so that nobody is to have it as a context either."""
    bounds = dict.fromkeys(TRANSPORT_BOUNDS, BROKER_SECONDS)
    limit = app.conf.broker_pool_limit or 10
    make: Any = pools.ProducerPool
    try:
        options = bounds | app.conf.broker_transport_options
        connection = app.connection_for_write(transport_options=options)
        connection.as_uri()  # looks for the transport
        return make(connection.Pool(limit=limit), limit=limit)
    except Exception:  # noqa: BLE001 - each transport has errors of its own
        return None


@dataclasses.dataclass(frozen=True)
class Workers:
    """The workers that answered."""

    broker: str
    """The broker's URL, without the password."""
    able: tuple[str, ...]
    """Names of those that know the task of generating."""
    others: tuple[str, ...]
    """Names of those that don't."""


@contextmanager
def connect(app: Any, seconds: float) -> Iterator[Any]:
    """A connection to the broker of a Celery app.

    :param seconds: how long to wait for it.
    :raises QueueUnavailable: it is out of reach.
    """
    bounds = dict.fromkeys(TRANSPORT_BOUNDS, seconds)
    connection: Any = None
    failure = place = ""
    try:
        options = bounds | app.conf.broker_transport_options
        connection = app.connection_for_write(transport_options=options)
        place = connection.as_uri()  # without the password
        connection.ensure_connection(max_retries=1, timeout=seconds)
    except Exception as error:  # noqa: BLE001 - each transport has errors of its own
        failure = type(error).__name__
    try:
        if failure:
            where = f" {place}" if place else ""
            raise QueueUnavailable(f"Celery's broker{where} can't be reached ({failure}).")
        yield connection
    finally:
        if connection is not None:
            connection.release()


def find_workers(app: Any, seconds: float) -> Workers:
    """The workers of a Celery app.

    :param app: the Celery app.
    :param seconds: how long to wait for the broker, and for the workers.
    :raises QueueUnavailable: the broker is out of reach.
    """
    with connect(app, seconds) as connection:
        place = connection.as_uri()  # without the password
        tasks: dict[str, list[str]] = {}
        failure = ""
        try:
            tasks = app.control.inspect(timeout=seconds, connection=connection).registered() or {}
        except Exception as error:  # noqa: BLE001 - each transport has errors of its own
            failure = type(error).__name__
    if failure:
        raise QueueUnavailable(f"Celery's broker {place} can't be reached ({failure}).")
    able = {name for name, known in tasks.items() if any(_is_ours(task) for task in known)}
    return Workers(place, tuple(sorted(able)), tuple(sorted(tasks.keys() - able)))


def _is_ours(task: str) -> bool:
    return task.split(" ", maxsplit=1)[0] == GENERATE  # its options may follow
