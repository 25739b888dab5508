"""The settings that the page on storage gives for each provider: all that is needed, no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flask_media import NotConfigured
from flask_media import StorageProvider
from flask_media.config import MediaConfig
from flask_media.storage import make_storage
from flask_media.storage.base import Storage
from flask_media.storage.providers import PROVIDERS

from .conftest import ROOT

PAGE = (ROOT / "docs" / "storage.rst").read_text()
OPTIONAL = {"SPACES_CDN_URL", "SPACES_PROVIDER"}


def settings() -> dict[str, dict[str, str]]:
    """The settings of each block, without comments, by provider."""
    found = {}
    for block in re.findall(r"code-block:: sh\n\n((?:    FLASK_SPACES_.*\n)+)", PAGE):
        values = dict(re.findall(r"^    FLASK_(\w+)=(\S+)", block, re.MULTILINE))
        found[values["SPACES_PROVIDER"]] = values
    return found


def storage_of(values: dict[str, str]) -> Storage:
    """The storage that an app with these settings has."""
    config = MediaConfig.from_mapping(values)
    assert config.storage_name == "spaces"
    return make_storage(config, folder=Path("unused"), files_url=None)


def test_every_provider_has_its_settings() -> None:
    """There is a block for each provider that the code knows."""
    assert set(settings()) == {provider.value for provider in PROVIDERS}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_settings_are_whole(provider: StorageProvider) -> None:
    """With them a write can be made, and a URL is below the CDN that they name."""
    values = settings()[provider.value]
    storage = storage_of(values)
    storage.check_ready()
    base = values.get("SPACES_CDN_URL")
    assert storage.public_url("a.png").startswith(base or "http")
    known = PROVIDERS[provider].cdn
    if known:
        assert base == known.format(bucket="my-pictures", region=values["SPACES_REGION"])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_none_can_be_left_out(provider: StorageProvider) -> None:
    """Without any of them that is not optional, nothing could be written."""
    values = settings()[provider.value]
    for key in set(values) - OPTIONAL - {"SPACES_BUCKET"}:
        rest = {name: value for name, value in values.items() if name != key}
        with pytest.raises(NotConfigured, match=key):
            storage_of(rest).check_ready()
