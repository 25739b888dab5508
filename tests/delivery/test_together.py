"""A picture and what was made of it are deleted, copied, moved and published together."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flask_media import ImageGenerationConfig
from flask_media import InvalidRequest
from flask_media import NotFound
from flask_media import UploadFailed

from . import dying
from .conftest import MakeSite
from .site import KEY
from .site import SMALL
from .site import Site
from .site import keys
from .site import on_both
from .site import shape

ALL: dict[str, Any] = {"variants": SMALL, "keep_original": True}

SMALL_ONE = ImageGenerationConfig(size=(120, 60))


@on_both
def test_deleted_with_the_picture(site: Site) -> None:
    """Nothing of a deleted picture is left, and its neighbours are."""
    site.ask(**ALL)
    site.ask(key="goals/7/house2.png")
    site.media.delete(KEY)
    assert site.files == keys("thumb.webp", "card.webp", stem="goals/7/house2")
    with pytest.raises(NotFound):
        site.media.info(KEY)
    site.media.delete(KEY)


@on_both
@pytest.mark.parametrize("name", ["house.thumb.webp", "house.card.webp", "house.png"])
def test_killed_while_deleting(
    site: Site, config: dict[str, Any], tmp_path: Path, name: str
) -> None:
    """A process that is killed while it deletes leaves the rest to gc."""
    site.ask()
    task = {
        "instance": str(tmp_path / "instance"),
        "config": config,
        "call": "delete",
        "arguments": {"object_key": KEY},
        "event": "os.remove",
        "name": name,
    }
    assert dying.run(task) == -9
    assert site.files
    with pytest.raises(NotFound):
        site.media.info(KEY)
    assert site.media.gc().deleted == 1
    assert site.files == set()
    assert site.media.gc().deleted == 0


@on_both
def test_orphans(site: Site) -> None:
    """Where a picture was deleted by others, gc deletes what was made of it."""
    site.ask()
    site.ask(key="b.png")
    (site.folder / KEY).unlink()
    assert site.media.gc().deleted == 1
    assert site.files == keys("thumb.webp", "card.webp", stem="b")


@on_both
def test_stored_anew_with_less(site: Site) -> None:
    """What is made of a picture no more is deleted when that is stored anew."""
    site.ask(variants={"thumb": 64, "wide": 200, "jpg": {"width": 10, "format": "jpeg"}})
    site.ask(variants={"thumb": {"width": 64, "format": "png"}})
    assert site.files == keys("thumb.png")
    site.ask(variants={})
    assert site.files == keys()


@on_both
def test_an_upload_that_fails(
    site: Site,
    png: bytes,
    blocked_storage: Callable[[], contextlib.AbstractContextManager[None]],
) -> None:
    """An upload that fails leaves the earlier picture its variants."""
    site.ask()
    before = site.media.info(KEY)
    with blocked_storage(), pytest.raises(UploadFailed):
        site.media.upload(png, KEY, variants={"thumb": 10, "other": 20})
    site.media.gc(timedelta(0))
    assert site.files == keys("thumb.webp", "card.webp")
    assert site.media.info(KEY).variants == before.variants


@on_both
@pytest.mark.parametrize("name", ["up.png", "up.thumb.webp"])
def test_killed_while_uploading(
    site: Site, config: dict[str, Any], png: bytes, tmp_path: Path, name: str
) -> None:
    """What a killed upload stored beside a picture is found by gc."""
    (tmp_path / "up.png").write_bytes(png)
    task = {
        "instance": str(tmp_path / "instance"),
        "config": config,
        "call": "upload",
        "arguments": {"data": str(tmp_path / "up.png"), "object_key": "up.png", "variants": SMALL},
        "event": "os.rename",
        "name": name,
    }
    assert dying.run(task) == -9
    leftovers = site.media.journal.catalog.leftovers(site.media.storage.location, 0)
    assert set(leftovers) == {"up.thumb.webp", "up.card.webp"}
    assert site.media.gc().deleted == 0  # it may be under way yet
    site.media.upload(png, "up.png", variants=SMALL)
    assert site.files == keys("thumb.webp", "card.webp", stem="up")


def test_half_written_files(site: Site) -> None:
    """What a killed writer left half written goes, an hour later; what is being written stays."""
    site.ask()
    old, new = site.folder / "goals/.tmp-old", site.folder / ".meta/.tmp-new"
    for file in (old, new):
        file.write_bytes(b"half")
    an_hour_ago = time.time() - 3601
    os.utime(old, (an_hour_ago, an_hour_ago))
    assert site.media.gc().deleted == 1
    assert (old.exists(), new.exists()) == (False, True)
    assert site.files == keys("thumb.webp", "card.webp")


@on_both
def test_copied(site: Site) -> None:
    """A copy has the bytes, the metadata and the variants, and goes its own way."""
    site.ask(**ALL, metadata={"goal": "7"})
    with site.app.app_context():
        url = site.media.copy(KEY, "b/copy.png")
    assert url == "/media/files/b/copy.png"
    old, new = site.media.info(KEY), site.media.info("b/copy.png")
    assert (new.sha256, new.width, new.placeholder) == (old.sha256, old.width, old.placeholder)
    assert {name: one.sha256 for name, one in new.variants.items()} == {
        name: one.sha256 for name, one in old.variants.items()
    }
    assert site.media.stat("b/copy.png").metadata == {"goal": "7"}
    site.media.delete(KEY)
    assert site.files == keys("thumb.webp", "card.webp", stem="b/copy")


@on_both
def test_moved(site: Site) -> None:
    """A moved picture is under its new key alone, with all that was made of it."""
    site.ask()
    site.media.move(KEY, "b/moved.png")
    assert site.files == keys("thumb.webp", "card.webp", stem="b/moved")


def test_copies_that_cannot_be(site: Site) -> None:
    """A copy under a key of another format, onto itself or of nothing is refused."""
    site.ask()
    with pytest.raises(InvalidRequest, match="new_key"):
        site.media.copy(KEY, "b.webp")
    with pytest.raises(InvalidRequest):
        site.media.move(KEY, KEY)
    with pytest.raises(NotFound):
        site.media.copy("nothing.png", "b.png")
    assert site.files == keys("thumb.webp", "card.webp")


@on_both
def test_published(make_site: MakeSite) -> None:
    """A private picture that is published is for everybody, with its variants; the untouched
    original is not."""
    site = make_site()
    result = site.ask(**ALL, config=SMALL_ONE)
    urls = [result.url, *(one.url for one in result.variants.values())]
    assert [site.get(url, None).status_code for url in urls] == [403] * 3
    with site.app.app_context():
        assert site.media.publish(KEY) == result.url
    assert [site.get(url, None).status_code for url in urls] == [200] * 3
    assert site.get(result.url, None).headers["Cache-Control"] == "public, no-cache"
    assert result.original
    assert site.get(result.original.url, None).status_code == 403
    assert site.media.info(KEY).is_public
    site.media.unpublish(KEY)
    assert [site.get(url, None).status_code for url in urls] == [403] * 3


@on_both
def test_stored_anew_it_is_private(site: Site) -> None:
    """A picture that replaces a published one was moderated by nobody: it is private."""
    url = site.ask().url
    site.media.publish(KEY)
    site.ask("A red barn")
    assert site.get(url, None).status_code == 403


def test_a_copy_is_private(site: Site) -> None:
    """A copy of a published picture is private."""
    site.ask()
    site.media.publish(KEY)
    site.media.copy(KEY, "copy.png")
    assert site.get("/media/files/copy.png", None).status_code == 403


def test_publishing_nothing(site: Site) -> None:
    """What is not there can't be published."""
    site.ask()
    with pytest.raises(NotFound):
        site.media.publish("nothing.png")


def test_shape_of_a_small_one(site: Site) -> None:
    """A variant is never larger than its picture unless it may grow."""
    result = site.ask(
        config=SMALL_ONE, variants={"big": 500, "grown": {"width": 240, "upscale": True}}
    )
    pixels = {
        name: shape((site.folder / one.object_key).read_bytes())[1]
        for name, one in result.variants.items()
    }
    assert pixels == {"big": (120, 60), "grown": (240, 120)}
