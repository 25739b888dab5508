"""Many pictures at once, each with its own result or error."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from typing import Any

from .. import telemetry
from ..errors import InvalidRequest
from ..errors import MediaError
from ..fields import fields
from ..request import in_celery_task
from ..request import this_celery_task
from ..types import MediaResult

if TYPE_CHECKING:
    from . import Context

logger = logging.getLogger(__name__)

MOST_THREADS = 256
"""Most pictures at once: each takes a thread, and a database connection now and then."""


def generate_many(
    generate: Callable[..., MediaResult],
    requests: Iterable[Mapping[str, Any]],
    *,
    concurrency: int,
    context: Context,
) -> list[MediaResult | MediaError]:
    """See :meth:`flask_media.MediaService.generate_many`.

    :param generate: is called with each request's arguments, in threads.
    :param context: what each call runs in.
    """
    if type(concurrency) is not int or not 1 <= concurrency <= MOST_THREADS:
        raise InvalidRequest(
            f"concurrency is {concurrency!r}; it must be a whole number from 1 to {MOST_THREADS}."
        )
    calls = [_checked(generate, number, request) for number, request in enumerate(requests)]
    if not calls:
        return []
    task, trace = this_celery_task(), telemetry.here()

    def call(arguments: Mapping[str, Any]) -> MediaResult | MediaError:
        try:
            with context(), in_celery_task(task), telemetry.within(trace):
                return generate(**arguments)
        except MediaError as error:
            return error
        except Exception as error:  # one that no stage foresaw must not drop what is paid for
            extra = fields(object_key=str(arguments.get("object_key")))
            logger.exception("A picture of generate_many can't be made", extra=extra)
            return MediaError(f"{type(error).__name__}: {error}", retryable=False)

    with ThreadPoolExecutor(min(concurrency, len(calls)), "flask-media-many") as pool:
        try:
            futures = [pool.submit(call, arguments) for arguments in calls]
            return [future.result() for future in futures]
        except BaseException:  # as Ctrl-C: what is not begun yet is not begun any more
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _checked(generate: Callable[..., MediaResult], number: int, request: object) -> dict[str, Any]:
    """The arguments, checked to be such."""
    if not isinstance(request, Mapping):
        raise InvalidRequest(
            f"requests[{number}] is a {type(request).__name__}; it must be a dict of the arguments "
            "of generate_and_upload, as dict(prompt=..., object_key=...)."
        )
    try:
        inspect.signature(generate).bind(**request)
    except TypeError as error:
        raise InvalidRequest(f"requests[{number}]: {error}.") from None
    return dict(request)
