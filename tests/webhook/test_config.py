"""The config keys of webhooks."""

from __future__ import annotations

import traceback

import pytest

from flask_media import InvalidConfig
from flask_media.config import MediaConfig

SECRET = "a-secret-of-the-tests-7f3a"
URL = "https://shop.example/hooks/t0ken/?sig=t0ken"


def _config(**keys: object) -> MediaConfig:
    return MediaConfig.from_mapping(
        {"MEDIA_WEBHOOK_URL": URL, "MEDIA_WEBHOOK_SECRET": SECRET} | keys
    )


def test_off_unless_there_is_a_url() -> None:
    """No key is needed for no webhook."""
    assert MediaConfig.from_mapping({}).webhook_url is None


@pytest.mark.parametrize("secret", [SECRET, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_the_values_are_kept_and_not_shown(secret: str) -> None:
    """URL and secret are used as they are: a slash at the end, a query and all."""
    config = _config(MEDIA_WEBHOOK_SECRET=secret)
    assert config.webhook_url is not None
    assert config.webhook_secret is not None
    assert (config.webhook_url.reveal(), config.webhook_secret.reveal()) == (URL, secret)
    assert "t0ken" not in repr(config)
    assert secret not in repr(config)


def test_a_url_without_a_secret() -> None:
    """The message names the key that is missing, and how to make one."""
    with pytest.raises(InvalidConfig, match=r"needs MEDIA_WEBHOOK_SECRET.*token_urlsafe"):
        _config(MEDIA_WEBHOOK_SECRET=None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("MEDIA_WEBHOOK_SECRET", "fifteen-chars-x"),
        ("MEDIA_WEBHOOK_SECRET", "whsec_c2hvcnQ="),
        ("MEDIA_WEBHOOK_SECRET", "whsec_no-base64-at-all-in-here"),
        ("MEDIA_WEBHOOK_SECRET", "with spaces in it, and so on"),
        ("MEDIA_WEBHOOK_URL", "ftp://shop.example/t0ken"),
        ("MEDIA_WEBHOOK_URL", "/t0ken"),
        ("MEDIA_WEBHOOK_URL", "https://user:t0ken@shop.example/"),
        ("MEDIA_WEBHOOK_URL", "https://shop.example/t0ken#here"),
        ("MEDIA_WEBHOOK_URL", "https://shop.example/?t0ken#here"),
        ("MEDIA_WEBHOOK_URL", "https://shop.example/?t0ken\r\nX: y"),
        ("MEDIA_WEBHOOK_RETRY_SECONDS", "t0ken"),
    ],
)
def test_wrong_values(key: str, value: str) -> None:
    """They are refused by the key's name; those of secrets are not shown."""
    with pytest.raises(InvalidConfig, match=key) as caught:
        _config(**{key: value})
    if key != "MEDIA_WEBHOOK_RETRY_SECONDS":
        shown = "".join(traceback.format_exception(caught.value))
        assert value not in shown
        assert "t0ken" not in shown.replace("hooks/t0ken", "")
