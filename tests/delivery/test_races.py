"""Pictures that are replaced or published while their variants are made, step by step."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from PIL import Image

from flask_media import FlaskMedia
from flask_media import NotFound
from flask_media.service import MediaService

from ..faults import FaultServer
from ..faults import Request
from ..faults import fault_server
from ..faults import forward
from ..journal.support import Gate
from ..journal.support import png as painted
from ..servers import S3Server
from ..web.serving import gunicorn
from .conftest import MakeSite
from .site import Site

KEY = "barn.png"

ROUNDS = 50

RED, BLUE = (255, 0, 0), (0, 0, 255)


def color(data: bytes) -> tuple[int, ...]:
    """The colour in the middle, of which the pictures of these tests have one alone."""
    with Image.open(io.BytesIO(data)) as image:
        found = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
    assert isinstance(found, tuple)
    return tuple(255 if part > 127 else 0 for part in found)


def check(site: Site) -> None:
    """What is listed is what is stored, and of the picture that is stored."""
    site.media.gc()
    with site.media.open(KEY) as file:
        stored = color(file.read())
    info = site.media.info(KEY)
    for one in info.variants.values():
        if one.is_made:
            with site.media.open(one.object_key) as file:
                data = file.read()
            assert color(data) == stored
            assert hashlib.sha256(data).hexdigest() == one.sha256


@dataclasses.dataclass
class Way:
    """The way to a bucket, where the requests of some name can be held."""

    server: FaultServer
    upstream: str
    gates: dict[str, list[Gate]] = dataclasses.field(default_factory=dict)

    def hold(self, name: str, *, times: int) -> list[Gate]:
        """Hold the next PUTs of objects whose keys end so; a gate for each."""
        gates = [Gate() for _ in range(times)]
        self.gates[f"{name} "] = [*gates]
        return gates

    def play(self) -> None:
        """Hand on what comes."""
        hand_on = forward(self.upstream)

        def ask(request: Request) -> bytes | None:
            line = request.head.partition(b" HTTP/")[0].partition(b"?")[0].decode() + " "
            for name, gates in [*self.gates.items()]:
                if request.method == "PUT" and line.endswith(name) and gates:
                    gates.pop(0).hold()
            return hand_on(request)

        self.server.play(ask)


@pytest.fixture
def way(moto: S3Server) -> Iterator[Way]:
    """The way to a store that has ACLs."""
    with fault_server() as server:
        yield Way(server, moto.endpoint_url)


@pytest.fixture
def bucket(make_site: MakeSite, way: Way, moto: S3Server) -> Site:
    """An app whose pictures go that way, to a bucket of its own."""
    own = dataclasses.replace(moto, bucket=f"races-{uuid.uuid4().hex}")
    own.make_bucket()
    way.play()
    return make_site(
        MEDIA_STORAGE="spaces",
        SPACES_PROVIDER="digitalocean_spaces",
        SPACES_ENDPOINT_URL=way.server.url,
        SPACES_ADDRESSING_STYLE="path",
        SPACES_REGION="us-east-1",
        SPACES_BUCKET=own.bucket,
        SPACES_KEY=own.key,
        SPACES_SECRET=own.secret,
        SPACES_ACL="private",
    )


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Two threads."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.mark.parametrize("door", ["upload", "copy"])
def test_made_of_a_picture_that_is_replaced(
    bucket: Site, way: Way, threads: ThreadPoolExecutor, door: str
) -> None:
    """A variant of the old picture, written over one of the new, is made anew."""
    variants = {"thumb": 16, "wide": 32}
    media = bucket.media
    media.upload(painted("red"), KEY, variants=variants)
    media.upload(painted("blue"), "new.png", variants=variants)
    (old,) = way.hold("barn.thumb.webp", times=1)
    making = threads.submit(media.make_variants, KEY, {"thumb": 20})
    old.arrived()
    (last,) = way.hold("barn.wide.webp", times=1)
    if door == "upload":
        replacing: Any = threads.submit(media.upload, painted("blue"), KEY, variants=variants)
    else:
        replacing = threads.submit(media.copy, "new.png", KEY)
    last.arrived()
    old.open()
    wait([making], timeout=1)  # it is to wait for the other
    last.open()
    replacing.result(30)
    assert making.result(30)["thumb"].width == 20
    with media.open(KEY) as file:
        assert color(file.read()) == BLUE
    check(bucket)


def test_made_while_the_picture_is_published(
    bucket: Site, way: Way, threads: ThreadPoolExecutor
) -> None:
    """A variant that is made while its picture is published is public too."""
    media = bucket.media
    media.upload(painted("red"), KEY, variants={})
    (gate,) = way.hold("barn.thumb.webp", times=1)
    making = threads.submit(media.make_variants, KEY, {"thumb": 16})
    gate.arrived()
    media.publish(KEY)
    gate.open()
    url = making.result(30)["thumb"].url
    assert url
    with urllib.request.urlopen(url, timeout=10) as response:
        assert color(response.read()) == RED


@pytest.mark.parametrize("when", ["eager", "lazy"])
def test_replaced_again_and_again(
    make_site: MakeSite, journal_url: str, when: str, threads: ThreadPoolExecutor
) -> None:
    """Fifty times a picture is replaced while its variants are made: each time they are of the
    picture that is stored, and nothing is left over."""
    site = make_site(MEDIA_JOURNAL_URL=journal_url, MEDIA_VARIANTS_WHEN=when)
    with site.app.app_context():
        site.media.upload(painted("red"), KEY, variants={"thumb": 16, "wide": 32})
    barrier = threading.Barrier(2)

    def replace(number: int) -> None:
        barrier.wait(30)
        name = "extra" if number % 3 else "wide"
        with site.app.app_context():
            data = painted("red" if number % 2 else "blue")
            site.media.upload(data, KEY, variants={"thumb": 16, name: 32})

    def make(_: int) -> None:
        barrier.wait(30)
        with contextlib.suppress(NotFound):  # it was replaced all the time
            site.media.make_variants(KEY)

    for number in range(ROUNDS):
        for done in [threads.submit(replace, number), threads.submit(make, number)]:
            done.result(30)
        check(site)
        listed = site.media.info(KEY).variants.values()
        assert site.files >= {one.object_key for one in listed if one.is_made}
    made = {one.object_key for one in site.media.make_variants(KEY).values()}
    site.media.gc()
    assert site.files == {KEY, *made}


def test_many_processes_ask_for_one(tmp_path: Path, config: Any, journal_url: str) -> None:
    """Twenty requests for a lazy variant at once, to four processes, all get the same bytes; and
    what is listed afterwards is what is stored."""
    values = config | {"MEDIA_JOURNAL_URL": journal_url, "MEDIA_VARIANTS_WHEN": "lazy"}
    with gunicorn(tmp_path, "--workers=4", "--threads=5", **values) as url:
        ask = urllib.request.Request(
            f"{url}/generate",
            data=json.dumps({"prompt": "A sea house", "variants": {"thumb": 64}}).encode(),
            headers={"X-User": "ann", "Content-Type": "application/json", "Prefer": "wait"},
        )
        with urllib.request.urlopen(ask, timeout=60) as response:
            result = json.load(response)
        variant = result["variants"]["thumb"]
        assert variant["sha256"] is None
        place = url.removesuffix("/media") + variant["url"]
        barrier = threading.Barrier(20)

        def get(_: int) -> bytes:
            barrier.wait(30)
            request = urllib.request.Request(place, headers={"X-User": "ann"})
            with urllib.request.urlopen(request, timeout=60) as response:
                data: bytes = response.read()
                return data

        with ThreadPoolExecutor(20) as clients:
            (data,) = set(clients.map(get, range(20)))
    media = _service(values, tmp_path)
    stored = media.info(result["object_key"]).variants["thumb"]
    with media.open(stored.object_key) as file:
        assert file.read() == data
    assert (stored.sha256, stored.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    media.gc()
    assert media.exists(stored.object_key)
    media.close()


def _service(config: dict[str, Any], folder: Path) -> MediaService:
    app = Flask("served", instance_path=str(folder / "instance"))
    app.config.update(config)
    FlaskMedia(app)
    service: MediaService = app.extensions["media"]
    return service
