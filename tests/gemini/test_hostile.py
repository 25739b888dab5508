"""Error answers that no honest server sends: nothing but a ``MediaError`` comes of them."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply
from flask_media.errors import MediaError
from flask_media.errors import ProviderUnavailable
from flask_media.generators.gemini import GeminiGenerator
from flask_media.generators.gemini_errors import cleaner

from .support import ask
from .support import assert_clean

STATUSES = (300, 399, 400, 403, 404, 418, 429, 429, 429, 500, 503, 504, 599, 999)

RETRY_AFTER = (
    "Fri, 01 Jan 2100 00:00:00 +99999999999999999999",
    "Fri, 01 Jan 2100 00:00:00 -99999999999999999999",
    "Fri, 01 Jan 2100 00:00:00 +9999",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Fri, 99 Jan 2100 99:99:99 GMT",
    "Fri, 01 Jan 99999999999999999999 00:00:00 GMT",
    "99999999999999999999",
    "-1",
    "1e400",
    "nan",
    "\xb2",
    ",",
    "()",
    "",
)

DETAILS = ("QuotaFailure", "RetryInfo", "ErrorInfo")

ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    1e308,
    10**30,
    "",
    "0",
    "1e999s",
    "-1s",
    "99999999999s",
    "\ud800",
    "\0\r\n\u2028",
    "PerDay",
    [],
    [[]],
    [None],
    {},
    {"": None},
    {"@type": []},
)


def odd_value(chance: random.Random, value: object) -> object:
    """The value, or one of another type."""
    return chance.choice(ODD) if chance.random() < 0.35 else value


def odd_body(chance: random.Random) -> object:
    """An error body that has some things right."""

    def odd(value: object) -> object:
        return odd_value(chance, value)

    violations = [
        odd({"quotaId": odd("RequestsPerDay"), "quotaValue": odd("0")})
        for _ in range(chance.randrange(4))
    ]
    details = [
        odd(
            {
                "@type": odd(f"type.googleapis.com/google.rpc.{kind}"),
                "violations": odd(violations),
                "retryDelay": odd("3s"),
                "reason": odd("API_KEY_INVALID"),
            }
        )
        for kind in DETAILS
    ]
    error = {
        "code": odd(429),
        "message": odd("prohibited use"),
        "status": odd("RESOURCE_EXHAUSTED"),
        "details": odd(details),
    }
    return odd(chance.choice(([{"error": error}], {"error": odd(error)})))


@pytest.mark.parametrize("seed", range(8))
def test_odd_errors(emulator: GeminiEmulator, generator: GeminiGenerator, seed: int) -> None:
    """Wrong types in an error's JSON and odd headers give one of the errors, fit to be shown."""
    chance = random.Random(seed)
    for _ in range(40):
        reply = Reply(
            chance.choice(STATUSES),
            raw=json.dumps(odd_body(chance)).encode(),
            headers={
                "Retry-After": chance.choice(RETRY_AFTER),
                "Location": chance.choice(("", "//", "http://[", "x:\xff", "http://a:b:c")),
            },
        )
        emulator.reset()
        emulator.handler(lambda _, reply=reply: reply)  # type: ignore[misc]
        with pytest.raises(MediaError) as caught:
            generator.generate(ask())
        assert_clean(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("header", RETRY_AFTER)
def test_odd_retry_after(emulator: GeminiEmulator, generator: GeminiGenerator, header: str) -> None:
    """A Retry-After that can't be understood is left out, and never an error of its own."""
    emulator.handler(lambda _: Reply(503, {}, {"Retry-After": header}))
    with pytest.raises(ProviderUnavailable) as caught:
        generator.generate(ask())
    assert caught.value.retry_after is None or caught.value.retry_after >= 0


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("AIza-secret-key", "experiencing *** now"),
        ("e", "experiencing AIza-secret-key now"),
        ("x" * 7, "experiencing AIza-secret-key now"),
        (None, "experiencing AIza-secret-key now"),
    ],
)
def test_what_is_masked(key: str | None, shown: str) -> None:
    """A key is masked wherever it stands, unless it is too short to be one."""
    assert cleaner(key)("experiencing AIza-secret-key\nnow") == shown
