"""Variants that are made with their picture."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_media import FlaskMedia
from flask_media import IdempotencyConflict
from flask_media import ImageGenerationConfig
from flask_media import InvalidConfig
from flask_media import InvalidRequest
from flask_media import MediaResult
from flask_media import NotConfigured
from flask_media import NotFound
from flask_media import UploadFailed
from flask_media import Variant
from flask_media import signals

from . import dying
from .conftest import MakeSite
from .site import KEY
from .site import SMALL
from .site import Site
from .site import keys
from .site import on_both
from .site import shape


@on_both
def test_one_call(site: Site) -> None:
    """One call makes the picture and its variants: stored, in the result, and in the journal."""
    result = site.ask()
    assert site.files == keys("thumb.webp", "card.webp")
    for name, pixels in (("thumb", (64, 64)), ("card", (100, 50))):
        variant = result.variants[name]
        data = (site.folder / variant.object_key).read_bytes()
        assert shape(data) == ("WEBP", pixels) == ("WEBP", (variant.width, variant.height))
        assert (variant.content_type, variant.size_bytes) == ("image/webp", len(data))
        assert site.get(variant.url).data == data
    assert site.media.info(KEY).variants == result.variants
    assert MediaResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    assert site.emulator.calls == 1


def test_of_the_config(make_site: MakeSite) -> None:
    """MEDIA_VARIANTS is for calls that name none; a call that does has the word."""
    site = make_site(MEDIA_VARIANTS={"tiny": {"width": 16, "format": "png"}})
    assert set(site.ask(variants=None).variants) == {"tiny"}
    assert set(site.ask(key="b.png").variants) == {*SMALL}
    assert site.ask(key="c.png", variants={}).variants == {}


@pytest.mark.parametrize(
    ("variants", "named"),
    [
        ({"thumb": 0}, "thumb"),
        ({"Thumb": 64}, "Thumb"),
        ({"original": 64}, "original"),
        ({"thumb": {"width": 64, "fit": "stretch"}}, "stretch"),
        ([64], "variants"),
    ],
)
def test_wrong_ones(make_site: MakeSite, variants: Any, named: str) -> None:
    """Wrong variants are refused by name before anything is paid, in the config when it is read."""
    site = make_site()
    with pytest.raises(InvalidRequest, match=named):
        site.ask(variants=variants)
    assert site.emulator.calls == 0
    with pytest.raises(InvalidConfig, match=f"MEDIA_VARIANTS.*{named}"):
        make_site(MEDIA_VARIANTS=variants)


def test_a_key_that_no_folder_can_have(site: Site) -> None:
    """Where a variant would have to be a file in place of a folder, nothing is paid."""
    (site.folder / "goals/7/house.thumb.webp/x").mkdir(parents=True)
    (site.folder / "goals/7/house.thumb.webp/x/y").touch()
    with pytest.raises(InvalidRequest, match="thumb"):
        site.ask()
    assert site.emulator.calls == 0


def test_a_variant_that_cannot_be_stored(site: Site) -> None:
    """A variant that can't be stored costs the picture nothing; it is made when that is mended."""
    obstacle = site.folder / "goals/7/house.thumb.webp/x"

    def obstruct(sender: object, **_: object) -> None:
        obstacle.mkdir(parents=True)
        (obstacle / "y").touch()

    with signals.upload_started.connected_to(obstruct):
        result = site.ask()
    assert {name: one.is_made for name, one in result.variants.items()} == {
        "thumb": False,
        "card": True,
    }
    (obstacle / "y").unlink()
    obstacle.rmdir()
    obstacle.parent.rmdir()
    assert site.get(result.variants["thumb"].url).status_code == 200
    assert site.files == keys("thumb.webp", "card.webp")
    assert site.emulator.calls == 1


@on_both
@pytest.mark.parametrize("name", ["house.png", "house.thumb.webp", "house.card.webp"])
def test_killed_between(site: Site, config: dict[str, Any], tmp_path: Path, name: str) -> None:
    """A process that is killed while it stores a picture leaves the rest to another."""
    task = {
        "instance": str(tmp_path / "instance"),
        "config": config,
        "call": "generate_and_upload",
        "arguments": {
            "prompt": "A sea house",
            "object_key": KEY,
            "variants": {"thumb": 64, "card": 32},
        },
        "event": "os.rename",
        "name": name,
    }
    assert dying.run(task) == -9
    (result,) = site.media.resume_all()
    assert isinstance(result, MediaResult)
    assert set(result.variants) == {*SMALL}
    assert {one.object_key for one in result.variants.values()} < site.files
    assert site.emulator.calls == 1


@on_both
def test_other_variants_of_the_same_work(
    site: Site, blocked_storage: Callable[[], contextlib.AbstractContextManager[None]]
) -> None:
    """The same picture asked for with other variants, while it is unfinished, gets them too, from
    one call."""
    with blocked_storage(), pytest.raises(UploadFailed):
        site.ask(variants={"thumb": 64})
    result = site.ask(variants={"card": 32})
    assert set(result.variants) == {"thumb", "card"}
    assert site.emulator.calls == 1


@on_both
def test_a_key_stands_for_its_variants(site: Site) -> None:
    """An idempotency key stands for a request with its variants: with others it is a conflict."""
    first = site.ask(idempotency_key="k")
    again = site.ask(idempotency_key="k")
    assert (again.cached, again.variants) == (True, first.variants)
    with pytest.raises(IdempotencyConflict):
        site.ask(idempotency_key="k", variants={"thumb": 32})
    assert site.emulator.calls == 1


@on_both
def test_reused_with_variants(site: Site) -> None:
    """A stored picture that is reused gets the variants that it does not have."""
    site.ask(variants={})
    result = site.ask(key="other.png", reuse=True)
    assert (result.cached, result.object_key, set(result.variants)) == (True, KEY, {*SMALL})
    assert site.emulator.calls == 1


def test_in_the_background(site: Site) -> None:
    """A job of the queue makes them too."""
    with site.app.app_context():
        job = site.media.generate_later("A sea house", KEY, variants=SMALL)
        result = job.result(30)
    assert set(result.variants) == {*SMALL}
    assert site.files == keys("thumb.webp", "card.webp")


@on_both
def test_the_picture_as_it_came(site: Site) -> None:
    """The untouched original is stored beside what was made of it, and deleted with it."""
    config = ImageGenerationConfig(size=(300, 200))
    result = site.ask(keep_original=True, config=config)
    assert result.original is not None
    original = (site.folder / result.original.object_key).read_bytes()
    assert shape(original) == ("PNG", (1024, 1024))
    assert (result.original.width, result.original.height) == (1024, 1024)
    assert site.files == keys("thumb.webp", "card.webp", "original.png")
    site.media.delete(KEY)
    assert site.files == set()


def test_no_second_copy_of_what_is_untouched(make_site: MakeSite) -> None:
    """A picture that is stored as it came is its own original."""
    site = make_site(MEDIA_KEEP_ORIGINAL=True)
    assert site.ask(variants={}).original is None
    assert site.files == keys()


@on_both
def test_placeholder_and_color(make_site: MakeSite) -> None:
    """A picture for pages has a tiny preview under 1 kB and its colour; others where the config
    asks for it."""
    site = make_site()
    result = site.ask()
    assert result.placeholder is not None
    assert result.placeholder.startswith("data:image/webp;base64,")
    assert len(result.placeholder) < 1000
    assert re.fullmatch("#[0-9a-f]{6}", result.color or "")
    info = site.media.info(KEY)
    assert (info.placeholder, info.color) == (result.placeholder, result.color)
    assert site.ask(key="b.png", variants={}).placeholder is None
    assert make_site(MEDIA_PLACEHOLDER=True).ask(key="c.png", variants={}).placeholder


def test_lazy_needs_a_route(make_site: MakeSite) -> None:
    """Variants that are made when asked for need a blueprint; without one nothing is paid."""
    site = make_site(MEDIA_VARIANTS_WHEN="lazy")
    app = Flask("bare", instance_path=str(site.folder.parent / "bare"))
    app.config.update(site.app.config)
    FlaskMedia(app)
    with (
        app.app_context(),
        pytest.raises(NotConfigured, match="MEDIA_VARIANTS_WHEN") as caught,
    ):
        app.extensions["media"].generate_and_upload("x", KEY, variants=SMALL)
    assert "create_blueprint" in str(caught.value)
    assert site.emulator.calls == 0


@on_both
def test_unknown_pictures(site: Site) -> None:
    """What nobody stored is not found, with or without a journal."""
    with pytest.raises(NotFound, match=KEY):
        site.media.info(KEY)
    site.ask(key="other.png")
    with pytest.raises(NotFound, match=KEY):
        site.media.info(KEY)


def test_a_variant_object(site: Site) -> None:
    """A Variant says all that can be said of one."""
    variant = Variant(width=40, height=40, fit="contain", format="jpeg")  # type: ignore[arg-type]
    result = site.ask(variants={"box": variant}, config=ImageGenerationConfig(size=(200, 100)))
    data = (site.folder / result.variants["box"].object_key).read_bytes()
    assert shape(data) == ("JPEG", (40, 20))
