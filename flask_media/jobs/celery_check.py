"""Whether Celery's broker can be reached, and who would work."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..errors import QueueUnavailable
from .celery import GENERATE
from .celery import TRANSPORT_BOUNDS


@dataclasses.dataclass(frozen=True)
class Workers:
    """The workers that answered."""

    broker: str
    """The broker's URL, without the password."""
    able: tuple[str, ...]
    """Names of those that know the task of generating."""
    others: tuple[str, ...]
    """Names of those that don't."""


def find_workers(app: Any, seconds: float) -> Workers:
    """The workers of a Celery app.

    :param app: the Celery app.
    :param seconds: how long to wait for the broker, and for the workers.
    :raises QueueUnavailable: the broker is out of reach.
    """
    bounds = dict.fromkeys(TRANSPORT_BOUNDS, seconds)
    failure = place = ""
    tasks: dict[str, list[str]] = {}
    try:
        options = bounds | app.conf.broker_transport_options
        with app.connection_for_write(transport_options=options) as connection:
            place = connection.as_uri()  # without the password
            connection.ensure_connection(max_retries=1, timeout=seconds)
            inspected = app.control.inspect(timeout=seconds, connection=connection)
            tasks = inspected.registered() or {}
    except Exception as error:  # noqa: BLE001 - each transport has errors of its own
        failure = type(error).__name__
    if failure:
        where = f" {place}" if place else ""
        raise QueueUnavailable(f"Celery's broker{where} can't be reached ({failure}).")
    able = {name for name, known in tasks.items() if any(_is_ours(task) for task in known)}
    return Workers(place, tuple(sorted(able)), tuple(sorted(tasks.keys() - able)))


def _is_ours(task: str) -> bool:
    return task.split(" ", maxsplit=1)[0] == GENERATE  # its options may follow
