"""Everything that Flask-Media raises on purpose.

::

    MediaError
    ├── NotConfigured (RuntimeError)      a key, bucket or generator is missing
    │   └── InvalidConfig (ValueError)    a config key has a wrong value
    ├── InvalidRequest (ValueError)       wrong input; nothing was paid
    ├── ContentBlocked                    the model or the provider refused the content; final
    ├── NoImageReturned                   an answer came, without a picture
    ├── RateLimited                       429; ``retry_after`` seconds where known
    ├── ProviderUnavailable               5xx or no connection; nothing was charged
    ├── ProviderRefused                   400, 401, 403, 404: the key, the model or the request
    ├── OutcomeUnknown                    cut off after sending; may have been charged
    │   └── GenerationTimeout             ... because the time was up, here or there
    ├── InvalidImage                      bytes that are no usable picture
    ├── UploadFailed                      the picture exists, storing it failed
    ├── StorageError                      reading or deleting failed
    │   └── NotFound                      no object under that key, no job of that id
    ├── JournalError                      a step can't be recorded, so it is not taken
    ├── BudgetExceeded                    the day's budget is used up
    ├── IdempotencyConflict               the key stands for another request
    ├── InProgress                        the same request is under way elsewhere
    ├── ObjectExists                      the key is taken, and was not to be overwritten
    ├── JobCancelled                      it was cancelled before it cost anything
    └── QueueUnavailable                  the queue is full or out of reach; nothing was paid

Every one says ``retryable``, whether the same request can succeed when it is made again, and
pickles with its attributes. None carries a credential, a response object or a request object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Self

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from .types import Usage


class MediaError(Exception):
    """The root of all errors of Flask-Media.

    :param message: what happened and what to do about it.
    :param retryable: overrides the class's own answer for this instance.
    :param job_id: the job it happened in, where there is one.
    """

    retryable: bool = False
    """Whether the same request can succeed when it is made again."""

    data: bytes | None = None
    """A picture that was paid for, where nothing else has it; goes into no pickle."""

    def __init__(
        self, message: str = "", *, retryable: bool | None = None, job_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        """What happened and what to do about it."""
        self.job_id = job_id
        """The job it happened in, or None."""
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: value for name, value in self.__dict__.items() if name != "data"}
        return _rebuild, (type(self), state)

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        error = cls.__new__(cls)
        Exception.__init__(error, state["message"])
        error.__dict__.update(state)
        return error


def _rebuild(cls: type[MediaError], state: dict[str, Any]) -> MediaError:
    return cls._from_state(state)


class NotConfigured(MediaError, RuntimeError):
    """Something that the call needs is not configured; the message names the config key."""


class InvalidConfig(NotConfigured, ValueError):
    """A config key has a value that can't be used; raised by ``init_app``."""


class InvalidRequest(MediaError, ValueError):
    """An argument is wrong; the message names it. Nothing was sent, nothing paid."""


class AnswerError(MediaError):
    """Base of the errors that report on a provider's answer.

    :param reason: the provider's own word for it, as ``IMAGE_SAFETY``.
    :param usage: the tokens that the answer says it used.
    :param model: the model that was asked.
    :param cost_usd: what those tokens cost in US dollars.
    """

    def __init__(
        self,
        message: str = "",
        *,
        reason: str | None = None,
        usage: Usage | None = None,
        model: str | None = None,
        cost_usd: Decimal | None = None,
        retryable: bool | None = None,
        job_id: str | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable, job_id=job_id)
        self.reason = reason
        """The provider's own word for it, or None."""
        self.usage = usage
        """The tokens that the answer says it used, or None."""
        self.model = model
        """The model that was asked, or None."""
        self.cost_usd = cost_usd
        """What those tokens cost in US dollars, None where that is not known."""


class ContentBlocked(AnswerError):
    """The prompt or the picture was blocked by a safety rule. Asking again changes nothing."""


class NoImageReturned(AnswerError):
    """The model answered without a picture; the message holds what it said instead."""

    retryable = True


class ProviderError(AnswerError):
    """Base of the errors that come as an HTTP status or as a broken connection.

    :param status: the HTTP status, None where there was no answer.
    :param retry_after: seconds that the provider asks to wait, None where it does not say.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        retry_after: float | None = None,
        reason: str | None = None,
        usage: Usage | None = None,
        model: str | None = None,
        retryable: bool | None = None,
        job_id: str | None = None,
    ) -> None:
        super().__init__(
            message, reason=reason, usage=usage, model=model, retryable=retryable, job_id=job_id
        )
        self.status = status
        """The HTTP status, or None."""
        self.retry_after = retry_after
        """Seconds to wait, or None."""


class RateLimited(ProviderError):
    """The provider's rate or quota is used up (429). Nothing was charged.

    :param daily: whether it is a quota of the day, which no short wait brings back.
    """

    retryable = True

    def __init__(self, message: str = "", *, daily: bool = False, **values: Any) -> None:
        super().__init__(message, **values)
        self.daily = daily
        """Whether it is a quota of the day."""


class ProviderUnavailable(ProviderError):
    """The provider is overloaded or out of reach. Nothing was charged."""

    retryable = True


class ProviderRefused(ProviderError):
    """The provider refuses the key, the model or the request (4xx). Nothing was charged."""


class OutcomeUnknown(ProviderError):
    """The call was cut off after it was sent: it may have been charged, and nothing came of it."""

    retryable = True


class GenerationTimeout(OutcomeUnknown):
    """No answer within GEMINI_TIMEOUT, or the provider's own deadline passed (504)."""


class InvalidImage(AnswerError):
    """The bytes are no picture of an allowed format, or a damaged or too large one.

    ``usage`` and ``model`` are set where the bytes came from a model, which was paid for them.
    """


class UploadFailed(MediaError):
    """The picture could not be stored. ``job_id`` names the job that made it."""

    retryable = True


class StorageError(MediaError):
    """A storage refused or failed an operation.

    :param reason: the store's own word for it, as ``AccessDenied``.
    """

    def __init__(
        self,
        message: str = "",
        *,
        reason: str | None = None,
        retryable: bool | None = None,
        job_id: str | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable, job_id=job_id)
        self.reason = reason
        """The store's own word for it, or None."""


class NotFound(StorageError):
    """There is no object under that key, or no job of that id."""


class JournalError(MediaError):
    """The journal can't be written or read. No call is made that can't be recorded."""

    retryable = True


class BudgetExceeded(MediaError):
    """The picture does not fit in the day's budget. Nothing was sent, nothing paid.

    :param limit_usd: the budget in US dollars.
    :param spent_usd: what is spent, may be spent or is reserved of it.
    :param resets_at: when it starts anew, in UTC.
    :param spender: whose budget it is; None for the app's.
    """

    retryable = True

    def __init__(
        self,
        message: str = "",
        *,
        limit_usd: Decimal | None = None,
        spent_usd: Decimal | None = None,
        resets_at: datetime | None = None,
        spender: str | None = None,
        retryable: bool | None = None,
        job_id: str | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable, job_id=job_id)
        self.limit_usd = limit_usd
        """The budget in US dollars."""
        self.spent_usd = spent_usd
        """What is spent, may be spent or is reserved of it, in US dollars."""
        self.resets_at = resets_at
        """When it starts anew, in UTC."""
        self.spender = spender
        """Whose budget it is; None for the app's."""


class IdempotencyConflict(MediaError):
    """The idempotency key stands for another request, that of ``job_id``."""


class InProgress(MediaError):
    """The same request is under way as ``job_id``, and was not to be waited for."""

    retryable = True


class ObjectExists(MediaError):
    """There is an object under that key, or a job at making one. Nothing was paid."""


class JobCancelled(MediaError):
    """The job was cancelled before the model was asked. Nothing was paid."""


class QueueUnavailable(MediaError):
    """The queue is full, or its broker is out of reach. Nothing was paid.

    :param retry_after: seconds after which to ask again.
    """

    retryable = True

    def __init__(
        self, message: str = "", *, retry_after: float | None = None, **values: Any
    ) -> None:
        super().__init__(message, **values)
        self.retry_after = retry_after
        """Seconds after which to ask again, or None."""
