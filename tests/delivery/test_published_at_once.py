"""Pictures that are published or hidden while another host is at them, in a bucket with ACLs."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable

import pytest
from PIL import Image

from flask_media import MediaError
from flask_media import StorageError
from flask_media import UploadFailed

from ..journal.support import png as painted
from ..servers import S3Server
from .conftest import MakeSite
from .moments import failing
from .moments import meanwhile
from .site import Site
from .test_bucket import on
from .test_bucket import public

Hosts = tuple[Site, Site]

ONE = {"thumb": 16}


@pytest.fixture
def stem() -> str:
    """The key of a picture that no other test has, without its extension."""
    return f"at-once/{uuid.uuid4().hex}"


@pytest.fixture
def hosts(make_site: MakeSite, moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    """Two hosts of an app whose variants are made when asked for; nobody waits for the other."""
    monkeypatch.setattr("flask_media.delivery.variants.STORING_SECONDS", 0.2)
    values = on(moto, MEDIA_VARIANTS_WHEN="lazy")
    return make_site(**values), make_site(**values)


def is_public(site: Site, stem: str) -> set[bool]:
    """What the listing says, and what the bucket says of the picture and its variants that are
    there."""
    info = site.media.info(f"{stem}.png")
    made = [one.object_key for one in info.variants.values() if one.is_made]
    return {info.is_public, *(public(site, key) for key in (info.object_key, *made))}


def test_a_publish_that_fails(hosts: Hosts, stem: str) -> None:
    """Where the picture itself can't be published, its variants are private again."""
    here, _ = hosts
    key = f"{stem}.png"
    here.media.upload(painted("red"), key, variants=ONE)
    here.media.make_variants(key)
    change = here.media.storage._set_public

    def refuse(one: str, *, is_public: bool) -> None:
        if one == key and is_public:
            raise StorageError("It is away.", retryable=True)
        change(one, is_public=is_public)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(here.media.storage, "_set_public", refuse)
        with pytest.raises(StorageError):
            here.media.publish(key)
    assert is_public(here, stem) == {False}
    here.media.publish(key)
    assert is_public(here, stem) == {True}


@pytest.mark.parametrize("to", [True, False])
def test_while_a_variant_is_made(hosts: Hosts, stem: str, to: bool) -> None:
    """A variant that is made while its picture is published, or hidden, is so too."""
    here, there = hosts
    key = f"{stem}.png"
    here.media.upload(painted("red"), key, variants=ONE)
    change: Callable[[str], object] = there.media.publish
    if not to:
        here.media.publish(key)
        change = there.media.unpublish
    with meanwhile(here.media.storage, "_put", lambda: change(key), key=f"{stem}.thumb.webp"):
        here.media.make_variants(key)
    assert here.media.info(key).variants["thumb"].is_made
    assert is_public(here, stem) == {to}


def test_hidden_just_when_a_variant_is_shown(hosts: Hosts, stem: str) -> None:
    """A variant is private whose picture is hidden just when the variant is made public."""
    here, there = hosts
    key = f"{stem}.png"
    here.media.upload(painted("red"), key, variants=ONE)
    here.media.publish(key)
    storage, thumb = here.media.storage, f"{stem}.thumb.webp"

    def hide() -> None:
        there.media.unpublish(key)

    with meanwhile(storage, "_set_public", hide, key=thumb, before=True):
        here.media.make_variants(key)
    assert is_public(here, stem) == {False}


@pytest.mark.parametrize("begun", [False, True])
def test_published_while_it_is_replaced(hosts: Hosts, stem: str, begun: bool) -> None:
    """Who publishes a picture that is being replaced is told so, and what is there then is
    private."""
    here, there = hosts
    key = f"{stem}.png"
    here.media.upload(painted("red"), key, variants=ONE)
    refused: list[MediaError] = []

    def publish() -> None:
        with pytest.raises(StorageError) as caught:
            there.media.publish(key)
        refused.append(caught.value)

    with meanwhile(here.media.storage, "_put", publish, key=key, before=begun):
        here.media.upload(painted("blue"), key, variants=ONE)
    assert [error.retryable for error in refused] == [True]
    assert is_public(here, stem) == {False}


def test_replaced_while_it_is_published(hosts: Hosts, stem: str) -> None:
    """A picture that is replaced while somebody publishes it is private then."""
    here, there = hosts
    key = f"{stem}.png"
    here.media.upload(painted("red"), key, variants=ONE)

    def replace() -> None:
        there.media.upload(painted("blue"), key, variants=ONE)

    with (
        meanwhile(here.media.storage, "_set_public", replace, key=key, before=True),
        pytest.raises(StorageError, match="private"),
    ):
        here.media.publish(key)
    assert is_public(here, stem) == {False}


def test_an_upload_that_fails_over_a_published_one(hosts: Hosts, stem: str) -> None:
    """What replaced a published picture is private in the bucket, though its original failed."""
    here, _ = hosts
    key = f"{stem}.png"
    here.media.upload(painted("red"), key, variants={})
    here.media.publish(key)
    data = _webp()
    with (
        failing(here.media.storage, "_put", key=f"{stem}.original.webp"),
        pytest.raises(UploadFailed),
    ):
        here.media.upload(data, key, keep_original=True)
    assert is_public(here, stem) == {False}


def _webp() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 32), "blue").save(file, "WEBP")
    return file.getvalue()
