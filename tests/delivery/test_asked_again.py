"""Requests in the background that meet a job of the same picture with other variants."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from flask_media import UploadFailed
from flask_media.emulator import Ask
from flask_media.emulator import Reply
from flask_media.variants import VariantSpec

from ..journal.support import Gate
from .conftest import MakeSite
from .moments import age
from .moments import meanwhile
from .site import KEY
from .site import Site
from .site import keys
from .site import on_both
from .test_later import made

CARD = {"card": 40}


@pytest.fixture(params=["eager", "later", "lazy"])
def site(request: pytest.FixtureRequest, make_site: MakeSite) -> Site:
    """An app that makes variants with the picture, by the queue, or when asked for."""
    return make_site(MEDIA_VARIANTS_WHEN=request.param, MEDIA_LEASE=1)


def is_complete(site: Site, url: str | None) -> bool:
    """Whether the variant of a URL is there, made by now or when it is asked for."""
    if site.app.config["MEDIA_VARIANTS_WHEN"] != "lazy":
        made(site)
    return site.get(url).status_code == 200


@on_both
def test_of_a_finished_one(site: Site) -> None:
    """A stored picture that is reused gets the variants that it does not have."""
    site.ask(variants={"thumb": 64})
    with site.app.app_context():
        job = site.media.generate_later("A sea house", "b.png", variants=CARD, reuse=True)
        assert set(site.media.info(KEY).variants) == {"thumb", "card"}
        result = job.result(30)
    assert (result.cached, result.object_key) == (True, KEY)
    assert [*result.variants] == ["thumb", "card"]
    assert is_complete(site, result.variants["card"].url)
    assert site.emulator.calls == 1
    site.media.gc()
    assert keys("card.webp") <= site.files


@on_both
def test_in_place_of_another(site: Site) -> None:
    """A variant of the same name and another size is made anew; one that is the same stays."""
    site.ask(variants={"thumb": 64, "card": 80})
    before = site.media.info(KEY).variants["thumb"]
    with site.app.app_context():
        variants: dict[str, VariantSpec] = {
            "thumb": 64,
            "card": {"width": 40, "format": "png"},
        }
        job = site.media.generate_later("A sea house", "b.png", variants=variants, reuse=True)
        result = job.result(30)
    assert result.variants["card"].width == 40
    assert is_complete(site, result.variants["card"].url)
    assert site.media.info(KEY).variants["thumb"].object_key == before.object_key
    assert not site.media.exists("goals/7/house.card.webp")


@on_both
def test_of_a_running_one(site: Site) -> None:
    """A job that is under way makes its own variants; those of who joined it come after."""
    gate = Gate()

    def hold(ask: Ask) -> Reply | None:
        gate.hold()
        return None

    site.emulator.handler(hold)
    with site.app.app_context():
        first = site.media.generate_later("A sea house", KEY, variants={"thumb": 64})
        gate.arrived()
        second = site.media.generate_later("A sea house", KEY, variants=CARD)
        assert second.id == first.id
        gate.open()
        result = second.result(30)
    assert set(result.variants) == {"thumb", "card"}
    assert is_complete(site, result.variants["card"].url)
    assert site.emulator.calls == 1


@on_both
def test_of_an_unfinished_one(
    site: Site, blocked_storage: Callable[[], contextlib.AbstractContextManager[None]]
) -> None:
    """So it is with a job that another asking left unfinished."""
    with blocked_storage(), pytest.raises(UploadFailed):
        site.ask(variants={"thumb": 64})
    with site.app.app_context():
        result = site.media.generate_later("A sea house", KEY, variants=CARD).result(30)
    assert set(result.variants) == {"thumb", "card"}
    assert is_complete(site, result.variants["card"].url)
    assert site.emulator.calls == 1


def test_the_config_s_own(make_site: MakeSite) -> None:
    """A call that names none wants those of MEDIA_VARIANTS, and one that wants none gets what
    there is."""
    make_site().ask(variants={})
    site = make_site(MEDIA_VARIANTS=CARD)
    with site.app.app_context():
        job = site.media.generate_later("A sea house", "b.png", variants={}, reuse=True)
        assert job.result(30).variants == {}
        job = site.media.generate_later("A sea house", "b.png", reuse=True)
        assert set(job.result(30).variants) == {"card"}
    made(site)


@on_both
def test_while_the_first_ones_are_made(make_site: MakeSite) -> None:
    """Where others are listed in place of variants that another host makes just then, those are
    made, and gc takes what was made for nothing."""
    here, there = (make_site(MEDIA_VARIANTS_WHEN="lazy", MEDIA_LEASE=1) for _ in range(2))
    here.ask(variants={"card": 80})

    def ask() -> None:
        with there.app.app_context():
            variants = {"card": {"width": 40, "format": "png"}}
            there.media.generate_later("A sea house", "b.png", variants=variants, reuse=True)

    with meanwhile(here.media.storage, "_put", ask, key="goals/7/house.card.webp", before=True):
        here.media.make_variants(KEY)
    assert here.media.info(KEY).variants["card"].width == 40
    assert here.get("/media/files/goals/7/house.card.png").status_code == 200
    age(here)
    here.media.gc()
    assert here.files == keys("card.png")
