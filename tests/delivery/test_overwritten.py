"""Pictures that are generated anew under their key, where variants are made afterwards."""

from __future__ import annotations

import base64
import io
import itertools
import threading
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from flask_media import ImageGenerationConfig
from flask_media import MediaResult
from flask_media import StorageError
from flask_media.emulator import Ask
from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply
from flask_media.emulator.messages import answer
from flask_media.emulator.messages import data_part
from flask_media.service import MediaService

from ..journal.support import png
from .conftest import MakeSite
from .moments import meanwhile
from .site import KEY
from .site import SMALL
from .site import Site

COLORS = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255)}

PLAIN = ImageGenerationConfig(size=(64, 64), enhance_prompt=False)


@pytest.fixture(autouse=True)
def one_colour(emulator: GeminiEmulator) -> None:
    """The model sends a picture of the colour that is asked for."""

    def send(ask: Ask) -> Reply:
        return answer(ask, [data_part(base64.b64encode(png(ask.prompt)).decode())])

    emulator.handler(send)


@pytest.fixture(params=["lazy", "later"])
def site(request: pytest.FixtureRequest, make_site: MakeSite) -> Iterator[Site]:
    """An app whose variants are made when asked for, or by the queue."""
    site = make_site(MEDIA_VARIANTS_WHEN=request.param, MEDIA_LEASE=1)
    with site.app.app_context():
        yield site


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variants are made anew for as long as it takes on a machine that is busy."""
    monkeypatch.setattr("flask_media.delivery.variants.STORING_SECONDS", 25)


def color(data: bytes) -> str:
    """The name of a picture's colour."""
    with Image.open(io.BytesIO(data)) as image:
        found: Any = image.convert("RGB").getpixel((8, 8))
    return min(
        COLORS,
        key=lambda name: sum(abs(a - b) for a, b in zip(COLORS[name], found, strict=True)),
    )


def shown(site: Site, result: MediaResult) -> set[str]:
    """The colours of a picture and its variants, as a browser gets them."""
    urls = [f"/media/files/{KEY}", *(one.url for one in result.variants.values())]
    responses = [site.get(url) for url in urls]
    assert {response.status_code for response in responses} == {200}
    return {color(response.data) for response in responses}


def test_no_thumbnail_of_the_old_one(site: Site) -> None:
    """From the moment that the new picture's result is there, its variants are its own."""
    for name in [*COLORS] * 4:
        result = site.ask(name, config=PLAIN)
        assert shown(site, result) == {name}
        assert shown(site, result) == {name}


def test_with_other_variants(site: Site) -> None:
    """A variant that the new picture has otherwise, or not at all, is not shown as it was."""
    old = site.ask("red", config=PLAIN, variants=SMALL)
    assert shown(site, old) == {"red"}
    new = site.ask("blue", config=PLAIN, variants={"thumb": {"width": 20, "format": "png"}})
    assert shown(site, new) == {"blue"}
    for one in old.variants.values():
        assert site.get(one.url).status_code == 404
    assert site.files == {KEY, new.variants["thumb"].object_key}


@pytest.mark.usefixtures("patience")
def test_seen_all_the_time(site: Site) -> None:
    """While somebody looks at a thumbnail all the time, one of the old picture is never shown once
    the new result is there."""
    url = site.ask("red", config=PLAIN).variants["thumb"].url
    names = ["red", *["lime", "blue", "red"] * 4]
    begun = done = 0
    ended = threading.Event()
    looked = threading.Event()
    wrong: list[tuple[str, list[str]]] = []

    def look() -> None:
        while not ended.is_set():
            first = done
            response = site.get(url)
            assert response.status_code == 200
            seen = color(response.data)
            looked.set()
            if seen not in (right := names[first : begun + 1]):
                wrong.append((seen, right))

    with ThreadPoolExecutor(2) as threads:
        looking = [threads.submit(look) for _ in range(2)]
        try:
            for number, name in enumerate(names):
                begun = number
                site.ask(name, config=PLAIN)
                done = number
                looked.clear()
                assert looked.wait(30)
        finally:
            ended.set()
        for one in looking:
            one.result(30)
    assert wrong == []


@pytest.mark.usefixtures("patience")
def test_replaced_faster_than_it_is_made(make_site: MakeSite) -> None:
    """A variant whose picture is replaced each time it was just read is there when that ends."""
    site = make_site(MEDIA_VARIANTS_WHEN="lazy")
    url = site.ask("red", config=PLAIN).variants["thumb"].url
    colors = itertools.cycle(["blue", "lime"])

    def replace() -> None:
        site.media.upload(png(next(colors)), KEY, variants=SMALL)

    with site.app.app_context(), meanwhile(site.media.storage, "open", replace, key=KEY, times=12):
        response = site.get(url)
    assert response.status_code == 200
    assert color(response.data) == "lime"


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("open", lambda media: media.make_variants(KEY, SMALL)),
        ("copy", lambda media: media.copy(KEY, "other.png")),
    ],
)
def test_replaced_all_the_time(
    make_site: MakeSite,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    ask: Callable[[MediaService], object],
) -> None:
    """Who reads or copies a picture that never stays as it is is told so; that can pass."""
    monkeypatch.setattr("flask_media.delivery.variants.STORING_SECONDS", 0.2)
    site = make_site()
    site.ask("red", config=PLAIN)
    colors = itertools.cycle(["blue", "lime"])
    do = getattr(site.media.storage, name)

    def replacing(key: str, *rest: Any) -> Any:
        if key == KEY:
            site.media.upload(png(next(colors)), KEY, variants=SMALL)
        return do(key, *rest)

    with site.app.app_context(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(site.media.storage, name, replacing)
        with pytest.raises(StorageError, match="is replaced all the time") as caught:
            ask(site.media)
    assert caught.value.retryable
