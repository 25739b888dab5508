"""The signature of a webhook, as the Standard Webhooks specification has it."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterable
from typing import Any
from typing import Protocol

from ..config_checks import WrongValueError
from ..config_checks import check_webhook_secret
from ..errors import InvalidConfig
from ..errors import InvalidRequest

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"

_ENCODED = "whsec_"
"""Begins a secret whose rest is base64 of the bytes to sign with."""


class Headers(Protocol):
    """The headers of a request: a dict, or what a framework has for them."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Names and values."""
        ...


def sign(message_id: str, timestamp: int, body: bytes, secret: str) -> str:
    """The value of ``webhook-signature``.

    :param timestamp: seconds since 1970.
    :raises ValueError: the secret begins with ``whsec_`` and goes on with what is no base64.
    """
    content = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return f"v1,{base64.b64encode(hmac.digest(_key(secret), content, 'sha256')).decode()}"


def _key(secret: str) -> bytes:
    if secret.startswith(_ENCODED):
        return base64.b64decode(secret.removeprefix(_ENCODED), validate=True)
    return secret.encode()


def verify(
    body: bytes | str, headers: Headers, secret: str, tolerance: float = 300
) -> dict[str, Any]:
    """Check that a webhook comes from who has the secret, just now, as it was sent.

    The same message may come more than once, with the same ``webhook-id``.

    :param body: the request's body as it came, as ``request.get_data()`` gives it.
    :param headers: the request's headers, as ``request.headers``.
    :param secret: MEDIA_WEBHOOK_SECRET of the app that sends.
    :param tolerance: most seconds between its clock and this one.
    :returns: the body, parsed.
    :raises InvalidRequest: it does not; answer with 400 or 401 then.
    :raises InvalidConfig: the secret is none, which is no fault of who sends.
    """
    try:
        check_webhook_secret(secret)
    except WrongValueError as wrong:
        allowed = str(wrong)
    else:
        allowed = ""
    if allowed:
        raise InvalidConfig(f"The secret to verify webhooks with must be {allowed}.")
    values = _only(headers)
    message_id, timestamp = values[ID], _seconds(values[TIMESTAMP])
    content = body.encode() if isinstance(body, str) else body
    expected = sign(message_id, timestamp, content, secret)
    given = values[SIGNATURE].split(" ")  # several, while secrets are changed
    matching = [hmac.compare_digest(one.encode(), expected.encode()) for one in given]
    if not any(matching):
        raise InvalidRequest("The webhook's signature is not one of this body with this secret.")
    if abs(time.time() - timestamp) > tolerance:
        raise InvalidRequest(
            f"The webhook was signed more than {tolerance:g} s ago, or ahead of this clock."
        )
    try:
        event: dict[str, Any] = json.loads(content)
    except ValueError:
        raise InvalidRequest("The webhook's body is no JSON.") from None
    return event


def _only(headers: Headers) -> dict[str, str]:
    """The three headers. One that is there twice is refused: who reads it may see the other."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        name = name.lower()  # noqa: PLW2901 - headers are told apart by this alone
        if name in (ID, TIMESTAMP, SIGNATURE):
            if name in found:
                raise InvalidRequest(f"The webhook has two headers {name}.")
            found[name] = value
    for name in (ID, TIMESTAMP, SIGNATURE):
        if not found.get(name):
            raise InvalidRequest(f"The webhook has no header {name}.")
    return found


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise InvalidRequest("The webhook's timestamp is no number of seconds.")
    return int(text)
