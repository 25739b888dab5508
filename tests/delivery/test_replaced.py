"""Pictures that are replaced: what is seen of either, and what is listed, at every moment."""

from __future__ import annotations

import hashlib

import pytest

from flask_media import ImageGenerationConfig
from flask_media import StorageError
from flask_media import UploadFailed
from flask_media import signals
from flask_media.options import ImageFormat
from flask_media.storage.mirror import MirroredStorage

from ..journal.support import png as painted
from .conftest import MakeSite
from .moments import KEY
from .moments import THUMB
from .moments import agrees
from .moments import color
from .moments import failing
from .moments import meanwhile
from .site import SMALL
from .site import Site
from .site import on_both

ONE = {"thumb": 16}

SMALLER = ImageGenerationConfig(size=(64, 64), format=ImageFormat.PNG)

OTHER = "barn.other.webp"


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for another host gives up soon: in these tests it waits for this one."""
    monkeypatch.setattr("flask_media.delivery.variants.STORING_SECONDS", 0.2)


def publish(site: Site, name: str = "red") -> None:
    """Store a picture of that colour, and publish it."""
    site.media.upload(painted(name), KEY, variants=ONE)
    site.media.publish(KEY)
    assert seen(site) == {KEY: name, THUMB: name}


def seen(site: Site) -> dict[str, str]:
    """What strangers see of the picture and its variants."""
    responses = {key: site.get(f"/media/files/{key}", None) for key in (KEY, THUMB, OTHER)}
    return {key: color(one.data) for key, one in responses.items() if one.status_code == 200}


def obstruct(site: Site) -> None:
    """Make it impossible to store a variant."""
    (site.folder / OTHER / "x").mkdir(parents=True)
    (site.folder / OTHER / "x/y").touch()


@on_both
@pytest.mark.parametrize("door", ["upload", "generate"])
def test_a_variant_that_fails(site: Site, door: str) -> None:
    """A picture that replaces a published one is private, though a variant can't be stored."""
    publish(site)

    def begin(sender: object, **_: object) -> None:
        obstruct(site)

    with signals.upload_started.connected_to(begin):
        if door == "upload":
            site.media.upload(painted("blue"), KEY, variants={"other": 20})
        else:
            site.ask(key=KEY, variants={"other": 20})
    assert seen(site) == {}
    agrees(site)
    assert not site.media.info(KEY).is_public


@on_both
@pytest.mark.parametrize("door", ["upload", "generate"])
def test_an_outage_at_a_variant(site: Site, door: str) -> None:
    """So it is where the storage goes away between the picture and its variant."""
    publish(site)
    variants = {"other": 20}

    def replace() -> None:
        if door == "upload":
            site.media.upload(painted("blue"), KEY, variants=variants)
        else:
            site.ask(key=KEY, variants=variants)

    with failing(site.media.storage, "_put", key=OTHER), pytest.raises(UploadFailed):
        replace()
    assert seen(site) == {}
    if door == "generate":
        assert site.ask(key=KEY, variants=variants).variants["other"].is_made
        assert site.emulator.calls == 1
    agrees(site)
    assert not site.media.info(KEY).is_public


@on_both
def test_a_copy_that_fails(site: Site) -> None:
    """So it is where a copy of another picture over it fails at a variant."""
    site.media.upload(painted("blue"), "new.png", variants=ONE)
    publish(site)
    with failing(site.media.storage, "_copy", key=THUMB), pytest.raises(StorageError):
        site.media.copy("new.png", KEY)
    assert seen(site) == {}
    agrees(site)
    assert not site.media.info(KEY).is_public


@on_both
@pytest.mark.parametrize("door", ["upload", "generate", "copy"])
def test_before_it_is_listed(site: Site, door: str) -> None:
    """While the new picture is stored, and before it is listed, no stranger sees it."""
    site.media.upload(painted("blue"), "new.png", variants=ONE)
    publish(site)
    during: list[dict[str, str]] = []

    def look() -> None:
        during.append(seen(site))

    method = "_copy" if door == "copy" else "_put"
    with meanwhile(site.media.storage, method, look, key=KEY):
        if door == "upload":
            site.media.upload(painted("blue"), KEY, variants=ONE)
        elif door == "generate":
            site.ask(key=KEY, variants=ONE)
        else:
            site.media.copy("new.png", KEY)
    assert during == [{}]
    assert seen(site) == {}


@on_both
def test_an_unlisted_one_copied_over_it(site: Site) -> None:
    """An object that nobody lists, copied over a published picture, is private."""
    publish(site)
    data = painted("blue")
    sha256 = hashlib.sha256(data).hexdigest()
    site.media.storage.put("secret.png", data, content_type="image/png", sha256=sha256)
    during: list[dict[str, str]] = []
    with meanwhile(site.media.storage, "_copy", lambda: during.append(seen(site)), key=KEY):
        site.media.copy("secret.png", KEY)
    assert (during, seen(site)) == ([{}], {})
    agrees(site)


@on_both
@pytest.mark.usefixtures("no_patience")
def test_asked_for_while_it_is_replaced(make_site: MakeSite) -> None:
    """A lazy variant that strangers ask for while a published picture is replaced shows neither,
    and the new picture's untouched original stays."""
    site, other = make_site(MEDIA_VARIANTS_WHEN="lazy"), make_site(MEDIA_VARIANTS_WHEN="lazy")
    during: list[int] = []
    for key in (KEY, "barn.original.png"):
        site.media.upload(painted("red"), KEY, variants=ONE)
        site.media.publish(KEY)

        def look() -> None:
            url = f"/media/files/{THUMB}"
            during.extend(other.get(url, who).status_code for who in (None, "ann"))

        with meanwhile(site.media.storage, "_put", look, key=key):
            result = site.ask(key=KEY, variants=ONE, keep_original=True, config=SMALLER)
        assert result.original
        assert site.files >= {KEY, result.original.object_key}
        assert seen(site) == {}
        site.media.gc()
        assert site.media.exists(result.original.object_key)
        assert site.get(result.variants["thumb"].url).status_code == 200
        agrees(site)
    assert set(during) == {403, 503}


@on_both
@pytest.mark.parametrize("key", [KEY, THUMB])
def test_two_at_once(make_site: MakeSite, key: str) -> None:
    """Where two hosts store a picture under one key, what is listed is what is there then."""
    here, there = make_site(), make_site()
    variants = {"thumb": 16, "wide": 32}

    def store() -> None:
        there.media.upload(painted("blue"), KEY, variants=variants)

    with meanwhile(here.media.storage, "_put", store, key=key):
        here.media.upload(painted("red"), KEY, variants=variants)
    made = here.media.make_variants(KEY)
    here.media.gc()
    agrees(here)
    assert here.files == {KEY, *(one.object_key for one in made.values())}


@on_both
def test_copied_while_it_is_replaced(make_site: MakeSite) -> None:
    """A copy of a picture that is replaced meanwhile is listed as what it is."""
    here, there = make_site(), make_site()
    here.media.upload(painted("red"), KEY, variants=ONE)

    def replace() -> None:
        there.media.upload(painted("blue"), KEY, variants=ONE)

    with meanwhile(here.media.storage, "_copy", replace, key=KEY, before=True):
        here.media.copy(KEY, "copy.png")
    for key in (KEY, "copy.png"):
        agrees(here, key)


@on_both
def test_the_mirror_has_an_older_one(make_site: MakeSite) -> None:
    """While the main storage is away and the mirror has an earlier picture, no variant of that is
    made and nothing is listed anew: the variant waits, and the original stays."""
    site = make_site(MEDIA_STORAGE_MIRROR="memory", MEDIA_VARIANTS_WHEN="lazy")
    storage = site.media.storage
    assert isinstance(storage, MirroredStorage)
    site.media.upload(painted("red"), KEY, variants=SMALL)
    with failing(storage.mirror, "_put", "_put_file"):
        result = site.ask(key=KEY, keep_original=True, config=SMALLER)
    before = site.media.info(KEY)
    assert result.original
    with failing(storage.main, "_put", "_open", "_stat", "_delete", "_copy"):
        for one in result.variants.values():
            assert site.get(one.url).status_code == 503
    assert site.media.info(KEY) == before
    site.media.gc()
    assert site.media.exists(result.original.object_key)
    for name, one in result.variants.items():
        assert site.get(one.url).status_code == 200, name
    agrees(site)
