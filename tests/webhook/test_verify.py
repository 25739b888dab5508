"""Receivers tell what is from the app from what is not."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
from werkzeug.datastructures import Headers

from flask_media import InvalidConfig
from flask_media import InvalidRequest
from flask_media.webhooks import verify
from flask_media.webhooks.signing import sign

SECRET = "a-secret-of-the-tests-7f3a"
BODY = b'{"type":"media.job.done"}'


def _headers(
    *, body: bytes = BODY, secret: str = SECRET, ago: int = 0, **values: str
) -> dict[str, str]:
    now = int(time.time()) - ago
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(now),
        "webhook-signature": sign("msg_1", now, body, secret),
    } | {f"webhook-{name}": value for name, value in values.items()}


def test_the_specification_s_example() -> None:
    """The vector that the specification's own libraries are tested with."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signature = sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', secret)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", [SECRET, f"whsec_{base64.b64encode(bytes(range(24))).decode()}"])
def test_a_good_one(secret: str) -> None:
    """Whatever the frame of the headers and the case of their names."""
    headers = _headers(secret=secret)
    titled = {name.title(): value for name, value in headers.items()}
    for given in (headers, titled, Headers(list(titled.items()))):
        assert verify(BODY, given, secret) == {"type": "media.job.done"}
    assert verify(BODY.decode(), headers, secret) == {"type": "media.job.done"}


def test_one_of_several_signatures() -> None:
    """While a secret is changed there are two; other versions are passed over."""
    good = _headers()["webhook-signature"]
    both = f"v1a,AAAA {sign('msg_1', int(time.time()), BODY, 'the-secret-before-this')} {good}"
    assert verify(BODY, _headers(signature=both), SECRET)


@pytest.mark.parametrize(
    "headers",
    [
        _headers(secret="somebody-else-s-secret"),
        _headers(body=b'{"type":"media.job.failed"}'),
        _headers(id="msg_2"),
        _headers(timestamp=str(int(time.time()) - 1)),
        _headers(signature=""),
        _headers(signature="v1,"),
        _headers(signature="v1"),
        _headers(signature=_headers()["webhook-signature"].removeprefix("v1,")),
        _headers(signature=_headers()["webhook-signature"].replace("v1,", "v2,")),
        _headers(signature="v1,\u00e9\u00e9"),
        _headers(timestamp="soon"),
        _headers(timestamp="\u0661"),
        _headers(timestamp="9" * 5000),
        _headers(timestamp=""),
        _headers(timestamp="-1"),
        {},
    ],
)
def test_a_bad_one(headers: dict[str, str]) -> None:
    """Wrong, foreign, missing or malformed: all the same error, without the right signature."""
    with pytest.raises(InvalidRequest) as caught:
        verify(BODY, headers, SECRET)
    assert SECRET not in str(caught.value)
    assert _headers()["webhook-signature"] not in str(caught.value)


@pytest.mark.parametrize("ago", [301 + 5, -301 - 5, 10**9])
def test_an_old_one(ago: int) -> None:
    """A signature holds for as long as the tolerance says, and not before its time."""
    with pytest.raises(InvalidRequest, match="300 s"):
        verify(BODY, _headers(ago=ago), SECRET)
    assert verify(BODY, _headers(ago=ago), SECRET, tolerance=2e9)


def test_a_header_twice() -> None:
    """Two ids, of which one is signed: whoever reads the other would take a repeat for new."""
    headers = Headers(list(_headers().items()))
    headers.add("Webhook-Id", "msg_2")
    with pytest.raises(InvalidRequest, match="two headers"):
        verify(BODY, headers, SECRET)


@pytest.mark.parametrize("secret", [None, "", "whsec_", "whsec_%", "short"])
def test_no_secret(secret: Any) -> None:
    """A receiver without a proper secret says so: that is no fault of who sends."""
    with pytest.raises(InvalidConfig, match="secret to verify webhooks with must be"):
        verify(BODY, _headers(), secret)


def test_no_json() -> None:
    """What is signed and is no JSON is refused too."""
    with pytest.raises(InvalidRequest, match="JSON"):
        verify(b"{", _headers(body=b"{"), SECRET)
