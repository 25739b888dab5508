"""Pictures and their variants in two storages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_media import NotFound
from flask_media import StorageError
from flask_media.storage.mirror import MirroredStorage

from .conftest import MakeSite
from .site import KEY
from .site import Site
from .site import keys

FIVE = [f"pictures/{number}.png" for number in range(5)]

Away = Callable[[Path], contextlib.AbstractContextManager[None]]


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """The folder of the mirror."""
    return tmp_path / "second"


@pytest.fixture
def site(make_site: MakeSite, second: Path) -> Site:
    """An app whose pictures are in two folders."""
    mirror = {"MEDIA_STORAGE": "filesystem", "MEDIA_FOLDER": str(second)}
    return make_site(MEDIA_STORAGE_MIRROR=mirror)


@contextlib.contextmanager
def away(folder: Path) -> Iterator[None]:
    """While a folder can't be reached: a file is in its place."""
    aside = folder.with_name(f"{folder.name}-aside")
    if folder.exists():
        folder.rename(aside)
    folder.touch()
    yield
    folder.unlink()
    if aside.exists():
        aside.rename(folder)


def objects(folder: Path) -> dict[str, bytes]:
    """The objects below a folder."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        key: path.read_bytes()
        for key, path in found.items()
        if path.is_file() and not key.startswith(".meta")
    }


def variants_of(stem: str) -> set[str]:
    """The keys of the usual variants."""
    return {f"{stem}.thumb.webp", f"{stem}.card.webp"}


def test_in_both(site: Site, second: Path) -> None:
    """A picture, its variants and its original are in both storages, and deleted from both."""
    site.ask(keep_original=True)
    site.media.make_variants(KEY, {"wide": 200})
    assert set(objects(second)) == keys("thumb.webp", "card.webp", "wide.webp")
    assert objects(second) == objects(site.folder)
    site.media.copy(KEY, "copy.png")
    site.media.delete(KEY)
    assert set(objects(second)) == set(objects(site.folder))
    assert set(objects(second)) == keys("thumb.webp", "card.webp", "wide.webp", stem="copy")


def test_in_memory(make_site: MakeSite) -> None:
    """The second storage may be another kind."""
    site = make_site(MEDIA_STORAGE_MIRROR="memory")
    site.ask()
    storage = site.media.storage
    assert isinstance(storage, MirroredStorage)
    for key, data in objects(site.folder).items():
        with storage.mirror.open(key) as file:
            assert file.read() == data
    assert site.media.gc().copied == 0


def test_the_main_storage_is_away(site: Site) -> None:
    """While the main storage is out of reach the mirror shows pictures and variants."""
    result = site.ask()
    before = {url: site.get(url).data for url in (result.url, result.variants["thumb"].url)}
    with away(site.folder):
        for url, data in before.items():
            response = site.get(url)
            assert (response.status_code, response.data) == (200, data)


def test_the_mirror_is_away(site: Site, second: Path) -> None:
    """Five pictures are stored while the mirror is away; gc copies them and their variants once it
    is back, and nothing again."""
    with away(second):
        for key in FIVE:
            result = site.ask(f"A house, {key}", key)
            assert site.get(result.url).status_code == 200
        assert site.media.gc().copied == 0
    assert objects(second) == {}
    assert site.media.gc().copied == 15
    assert len(objects(second)) == 15
    assert objects(second) == objects(site.folder)
    assert site.media.gc().copied == 0


def test_deleted_while_the_mirror_is_away(site: Site, second: Path) -> None:
    """A delete that the mirror missed raises, and gc completes it."""
    for key in FIVE[:2]:
        site.ask(f"A house, {key}", key)
    with away(second):
        with pytest.raises(StorageError, match="mirror"):
            site.media.delete(FIVE[0])
        with pytest.raises(NotFound):
            site.media.info(FIVE[0])
        assert site.media.gc().deleted == 0
    assert site.media.gc().deleted == 1
    rest = {FIVE[1], *variants_of("pictures/1")}
    assert set(objects(second)) == set(objects(site.folder)) == rest
    assert site.media.gc() == site.media.gc()


def test_replaced_while_the_mirror_is_away(site: Site, second: Path) -> None:
    """A picture that replaced another one while the mirror was away replaces it there too."""
    site.ask()
    with away(second):
        site.ask("A red barn")
    assert objects(second) != objects(site.folder)
    assert site.media.gc().copied == 3
    assert objects(second) == objects(site.folder)


@pytest.mark.parametrize("lost", [KEY, "goals/7/house.thumb.webp"])
def test_the_main_storage_lost_an_object(site: Site, lost: str) -> None:
    """What the main storage lost gc brings back; nothing of it is taken for an orphan."""
    site.ask()
    before = objects(site.folder)
    (site.folder / lost).unlink()
    collected = site.media.gc()
    assert (collected.copied, collected.deleted) == (1, 0)
    assert objects(site.folder) == before


def test_lost_while_the_mirror_is_away(site: Site, second: Path) -> None:
    """What the main storage lost is no orphan while the mirror can't be asked for it: it is brought
    back later."""
    site.ask()
    before = objects(site.folder)
    (site.folder / KEY).unlink()
    with away(second):
        collected = site.media.gc()
        assert (collected.copied, collected.deleted) == (0, 0)
    assert site.media.gc().copied == 1
    assert objects(site.folder) == objects(second) == before


def test_gone_from_both(site: Site, second: Path) -> None:
    """What was made of a picture that neither storage has is deleted from both."""
    site.ask()
    for folder in (site.folder, second):
        (folder / KEY).unlink()
    assert site.media.gc().deleted == 1
    assert objects(site.folder) == objects(second) == {}
