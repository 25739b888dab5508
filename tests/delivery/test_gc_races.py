"""What gc and delete must never take: pictures that are stored anew while they are at it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_media import NotFound
from flask_media import StorageError

from ..journal.support import png as painted
from .conftest import MakeSite
from .moments import HOUR
from .moments import KEY
from .moments import THUMB
from .moments import age
from .moments import agrees
from .moments import failing
from .moments import meanwhile
from .moments import stored
from .site import SMALL
from .site import Site
from .site import keys
from .site import on_both

ONE = {"thumb": 16}


@pytest.fixture
def hosts(make_site: MakeSite) -> tuple[Site, Site]:
    """Two hosts of an app."""
    return make_site(), make_site()


def half_deleted(site: Site, *names: str) -> None:
    """Store pictures, and have their deletion fail."""
    for name in names:
        site.media.upload(painted("red"), name, variants=ONE)
    with failing(site.media.storage, "_delete"):
        for name in names:
            with pytest.raises(StorageError):
                site.media.delete(name)


@on_both
def test_stored_anew_while_gc_is_at_its_neighbour(hosts: tuple[Site, Site]) -> None:
    """A paid picture under a key whose deletion had failed stays, though gc has the key on its
    list already."""
    here, there = hosts
    half_deleted(here, "a.png", KEY)
    with meanwhile(here.media.storage, "_delete", lambda: there.ask(key=KEY), before=True):
        here.media.gc()
    agrees(here)
    assert here.files == keys("thumb.webp", "card.webp", stem="barn")


@on_both
def test_stored_anew_in_the_moment_that_gc_deletes(hosts: tuple[Site, Site]) -> None:
    """A paid picture that is stored just when gc deletes the earlier one waits for that, and
    stays."""
    here, there = hosts
    half_deleted(here, KEY)
    with ThreadPoolExecutor(1) as threads:
        begun = threading.Event()

        def ask() -> None:
            begun.set()
            there.ask(key=KEY)

        def begin() -> None:
            running.append(threads.submit(ask))
            begun.wait(10)
            threading.Event().wait(0.5)  # it would be stored by now

        running: list[object] = []
        with meanwhile(here.media.storage, "_delete", begin, key=KEY, before=True):
            here.media.gc()
    agrees(here)
    assert there.emulator.calls == 1


@on_both
@pytest.mark.parametrize("key", [KEY, THUMB])
def test_gc_between_putting_and_recording(hosts: tuple[Site, Site], key: str) -> None:
    """A paid picture and its variants stay, though gc comes before they are recorded."""
    here, there = hosts
    half_deleted(here, KEY)
    with meanwhile(here.media.storage, "_put", there.media.gc, key=key):
        here.ask(key=KEY, variants=ONE)
    agrees(here)
    assert here.files == {KEY, THUMB}
    assert here.media.gc().deleted == 0


@on_both
def test_deleted_and_stored_at_once(hosts: tuple[Site, Site]) -> None:
    """What is stored before a deletion is recorded as done stays listed, to be deleted some day."""
    here, there = hosts
    here.media.upload(painted("red"), KEY, variants=ONE)
    catalog = here.media.delivery._catalog

    def ask() -> None:
        age(there, 10)  # whoever stores waits for whoever deletes, if that one is not dead
        there.media.upload(painted("blue"), KEY, variants=ONE)

    with meanwhile(catalog, "forget", ask, before=True):
        here.media.delete(KEY)
    agrees(here)
    assert stored(here) == "blue"
    here.media.gc()
    assert here.files == {KEY, THUMB}
    here.media.delete(KEY)
    assert here.files == set()


@on_both
def test_moved_while_it_is_replaced(hosts: tuple[Site, Site]) -> None:
    """A picture that replaced one just when that was moved stays where it is."""
    here, there = hosts
    here.media.upload(painted("red"), KEY, variants=ONE)
    catalog = here.media.delivery._catalog

    def replace() -> None:
        there.media.upload(painted("blue"), KEY, variants=ONE)

    with meanwhile(catalog, "doom", replace, before=True):
        here.media.move(KEY, "moved.png")
    assert (stored(here), stored(here, "moved.png")) == ("blue", "red")
    for key in (KEY, "moved.png"):
        agrees(here, key)


@on_both
def test_half_deleted_ones_stay_deleted(make_site: MakeSite) -> None:
    """The queue does not bring back a picture whose deletion failed, by making its variants."""
    site = make_site(MEDIA_VARIANTS_WHEN="later", MEDIA_LEASE=1)
    site.media.queue.close()  # nobody makes any
    half_deleted(site, KEY)
    age(site)
    assert site.media.delivery.take_left(1) == []
    with pytest.raises(NotFound):
        site.media.delivery.make_left(KEY)
    site.media.gc()
    assert site.files == set()


@on_both
def test_an_unmounted_folder(site: Site) -> None:
    """While an empty folder is in place of the pictures' own, gc forgets nothing."""
    site.media.upload(painted("red"), KEY, variants=SMALL)
    site.media.publish(KEY)
    before = site.media.info(KEY)
    away = site.folder.with_name("away")
    site.folder.rename(away)
    site.folder.mkdir()
    age(site)
    assert site.media.gc().deleted == 0
    site.folder.rmdir()
    assert site.media.gc().deleted == 0
    away.rename(site.folder)
    assert site.media.info(KEY) == before
    assert site.media.gc().deleted == 0
    site.media.delete(KEY)
    assert site.files == set()


@on_both
def test_one_bad_object(site: Site) -> None:
    """An object that can't be deleted keeps gc from nothing else."""
    names = [f"{letter}.png" for letter in "abcdef"]
    half_deleted(site, *names)
    with failing(site.media.storage, "_delete", key="a.png"):
        assert site.media.gc().deleted == 5
        assert site.files == {"a.png", "a.thumb.webp"}
    assert site.media.gc().deleted == 1
    assert site.files == set()


@on_both
def test_the_picture_goes_first(site: Site) -> None:
    """A variant that can't be deleted keeps nobody from deleting its picture; the rest is gc's."""
    site.media.upload(painted("red"), KEY, variants=ONE)
    site.media.publish(KEY)
    with (
        failing(site.media.storage, "_delete", key=THUMB),
        pytest.raises(StorageError),
    ):
        site.media.delete(KEY)
    assert site.files == {THUMB}
    with pytest.raises(NotFound):
        site.media.info(KEY)
    assert site.get(f"/media/files/{THUMB}", None).status_code == 403
    assert site.media.gc().deleted == 1
    assert site.files == set()


@on_both
def test_a_variant_deleted_alone(site: Site) -> None:
    """A variant that is deleted by its own key is listed no more; its picture stays."""
    site.media.upload(painted("red"), KEY, variants=ONE | {"wide": 32})
    site.media.delete(THUMB)
    assert set(site.media.info(KEY).variants) == {"wide"}
    assert site.get(f"/media/files/{THUMB}").status_code == 404
    assert site.files == {KEY, "barn.wide.webp"}


@on_both
def test_an_upload_that_is_not_recorded(site: Site) -> None:
    """Where the journal fails once a picture is stored, gc lists that one an hour later: what is
    said of the earlier one is not taken for settled."""
    from flask_media import JournalError

    site.media.upload(painted("red"), KEY, variants=ONE)
    site.media.publish(KEY)
    catalog = site.media.journal.catalog
    with (
        failing(catalog, "save", error=JournalError("The disk is full.")),
        pytest.raises(JournalError),
    ):
        site.media.upload(painted("blue"), KEY, variants={})
    assert not site.media.info(KEY).is_public
    assert site.get(f"/media/files/{KEY}", None).status_code == 403
    site.media.gc()
    age(site, HOUR)
    site.media.gc()
    agrees(site)
    assert stored(site) == "blue"
    assert not site.media.info(KEY).is_public
