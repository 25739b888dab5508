"""What each failure of a Gemini call becomes."""

from __future__ import annotations

import email.utils
import json
import re
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from ..errors import ContentBlocked
from ..errors import GenerationTimeout
from ..errors import MediaError
from ..errors import OutcomeUnknown
from ..errors import ProviderRefused
from ..errors import ProviderUnavailable
from ..errors import RateLimited
from ..transport import Exchange
from ..transport import Fault

Cleaner = Callable[[str | None], str]

MAX_WORDS = 600
"""Most characters of the provider's own words in a message."""

SHORTEST_SECRET = 8
"""Characters; a key that is shorter is a test's, and would be found in ordinary words. Real ones
have 39."""

KEY_HELP = "Check GEMINI_API_KEY."
MODEL_HELP = "Check GEMINI_MODEL, GEMINI_API_VERSION and config.model."


def cleaner(secret: str | None) -> Cleaner:
    """A function that makes a provider's words fit for a message: one line, at most
    :data:`MAX_WORDS` characters, and never with the secret in it, if it is a real one."""

    def clean(words: str | None) -> str:
        if not words:
            return ""
        if secret and len(secret) >= SHORTEST_SECRET:
            words = words.replace(secret, "***")
        # The cut comes after the secret: half of it would pass the comparison.
        line = " ".join("".join(c if c.isprintable() else " " for c in words[:4000]).split())
        return line if len(line) <= MAX_WORDS else f"{line[: MAX_WORDS - 3]}..."

    return clean


def fault_error(exchange: Exchange, *, model: str, timeout: float, clean: Cleaner) -> MediaError:
    """The error of an exchange without a whole answer."""
    detail = clean(exchange.detail)
    if exchange.fault is Fault.NOT_SENT:
        return ProviderUnavailable(
            f"{model} could not be reached: {detail}. Nothing was sent, so nothing was charged. "
            "If it stays so, check the network and GEMINI_BASE_URL.",
            model=model,
            retryable=False if exchange.retry_useless else None,
        )
    if exchange.fault is Fault.TIMEOUT:
        return GenerationTimeout(
            f"{model} did not answer within GEMINI_TIMEOUT = {timeout:g} seconds. The call may "
            "have been charged.",
            model=model,
        )
    return OutcomeUnknown(
        f"The connection broke before {model} had answered: {detail}. The call may have been "
        "charged.",
        model=model,
    )


def status_error(exchange: Exchange, *, model: str, vertex: bool, clean: Cleaner) -> MediaError:
    """The error of an answer that is not 2xx."""
    status, error = exchange.status, _error(exchange.body)
    word = clean(_text(error.get("status"))) or None
    said = clean(_text(error.get("message")))
    said = f" {said}" if said else ""
    if status == 429:
        return _rate_limited(exchange, error, model, said, clean)
    if status == 504:
        return GenerationTimeout(
            f"{model} gave up at its own deadline (504).{said} The call may have been charged.",
            status=status,
            reason=word,
            model=model,
        )
    if status >= 500:
        return ProviderUnavailable(
            f"{model} is not available ({status}).{said} Nothing was charged.",
            status=status,
            retry_after=_retry_after(exchange, error),
            reason=word,
            model=model,
        )
    if status < 400:
        host = clean(_host(exchange.headers.get("location"))) or "an unknown host"
        return ProviderRefused(
            f"The request for {model} was redirected ({status}) to {host}. Redirects are not "
            "followed, since the key would go along; if that host is right, set GEMINI_BASE_URL "
            "to it.",
            status=status,
            model=model,
        )
    if status == 400 and "prohibited use" in said.lower():
        return ContentBlocked(f"{model} blocked the prompt.{said}", reason=word, model=model)
    info = _detail(error, "ErrorInfo").get("reason")
    advice = _help(status, info, vertex=vertex)
    return ProviderRefused(
        f"{model} refused the request ({status}).{said} {advice}".rstrip(),
        status=status,
        reason=clean(_text(info)) or word,
        model=model,
    )


def makes_content(body: bytes) -> bool:
    """Whether the API's description of a model is one, and names no methods without
    ``generateContent``. Vertex AI names none at all."""
    try:
        about = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(about, dict) or not isinstance(about.get("name"), str):
        return False
    methods = about.get("supportedGenerationMethods")
    return not isinstance(methods, list) or "generateContent" in methods


def _help(status: int, info: object, *, vertex: bool) -> str:
    """What to do about a refusal."""
    if status == 404:
        return MODEL_HELP + (" Check GEMINI_PROJECT and GEMINI_LOCATION." if vertex else "")
    if status in (401, 403) or info == "API_KEY_INVALID":
        return "Check the Google credentials and GEMINI_PROJECT." if vertex else KEY_HELP
    return ""


def _rate_limited(
    exchange: Exchange, error: dict[str, Any], model: str, said: str, clean: Cleaner
) -> RateLimited:
    violations = _dicts(_detail(error, "QuotaFailure").get("violations"))
    # The hardest limit decides: none at all, then a day's.
    violations.sort(
        key=lambda one: (one.get("quotaValue") != "0", "perday" not in _quota_id(one).lower())
    )
    hardest = violations[0] if violations else {}
    quota = clean(_quota_id(hardest))
    daily = "perday" in quota.lower()
    if hardest.get("quotaValue") == "0":
        lead = f"This key's plan has no quota for {model} ({quota}); waiting changes nothing."
    elif daily:
        lead = f"The quota of {model} for the day is used up ({quota})."
    else:
        lead = f"The rate limit of {model} is reached" + (f" ({quota})." if quota else ".")
    return RateLimited(
        f"{lead}{said}",
        daily=daily,
        status=429,
        retry_after=_retry_after(exchange, error),
        reason=quota or clean(_text(error.get("status"))) or None,
        model=model,
        retryable=False if hardest.get("quotaValue") == "0" else None,
    )


def _quota_id(violation: dict[str, Any]) -> str:
    return _text(violation.get("quotaId")) or ""


def _retry_after(exchange: Exchange, error: dict[str, Any]) -> float | None:
    """Seconds to wait, by the body's RetryInfo, else by the Retry-After header."""
    delay = _text(_detail(error, "RetryInfo").get("retryDelay")) or ""
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?s", delay, re.ASCII):
        return float(delay[:-1])
    header = exchange.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", header, re.ASCII):
        return float(header)
    try:
        when = email.utils.parsedate_to_datetime(header)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max((when - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, OverflowError):  # a time zone may be of any size
        return None


def _error(body: bytes) -> dict[str, Any]:
    """The ``error`` object of a body, empty where it is HTML or anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(value, list) and value:
        value = value[0]
    error = value.get("error") if isinstance(value, dict) else None
    return error if isinstance(error, dict) else {}


def _detail(error: dict[str, Any], kind: str) -> dict[str, Any]:
    """The entry of that kind in an error's details, else an empty one."""
    for entry in _dicts(error.get("details")):
        if str(entry.get("@type")).endswith(f".{kind}"):
            return entry
    return {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _host(location: str | None) -> str | None:
    try:
        return urlsplit(location or "").hostname
    except ValueError:
        return None
