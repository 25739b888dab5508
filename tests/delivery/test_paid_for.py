"""What is paid for is stored, whatever becomes of what belongs to it."""

from __future__ import annotations

import base64
import io
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from flask import Flask
from PIL import Image

from flask_media import FlaskMedia
from flask_media import ImageGenerationConfig
from flask_media import InvalidImage
from flask_media import InvalidRequest
from flask_media import NotConfigured
from flask_media.emulator import Ask
from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply
from flask_media.emulator.messages import answer
from flask_media.emulator.messages import data_part
from flask_media.jobs.threads import ThreadQueue
from flask_media.pages import media_picture

from ..journal.support import png as painted
from .conftest import MakeSite
from .conftest import let_in
from .moments import KEY
from .moments import THUMB
from .moments import failing
from .site import SMALL
from .site import Site
from .site import shape

ONE = {"thumb": 16}

AS_IT_COMES = ImageGenerationConfig(size=(80, 40), enhance_prompt=False)

BOGUS = b'<?xml version="1.0" encoding="nope"?><x/>'


def jpeg(**values: Any) -> bytes:
    """A photograph of 80 x 40 pixels."""
    file = io.BytesIO()
    Image.new("RGB", (80, 40), "blue").save(file, "JPEG", **values)
    return file.getvalue()


def test_bogus_provenance(site: Site, emulator: GeminiEmulator) -> None:
    """A picture whose XMP is in no encoding that exists is stored, generated or uploaded."""
    data = jpeg(xmp=BOGUS)

    def send(ask: Ask) -> Reply:
        return answer(ask, [data_part(base64.b64encode(data).decode())])

    emulator.handler(send)
    result = site.ask(key="k.jpg", variants=ONE, config=AS_IT_COMES)
    assert result.variants["thumb"].is_made
    assert emulator.calls == 1
    uploaded = site.media.upload(data, "up.jpg", variants=ONE)
    assert site.media.exists(uploaded.object_key)


@pytest.mark.parametrize("error", [MemoryError("It is full."), InvalidImage("It is none.")])
@pytest.mark.parametrize("when", ["eager", "later"])
def test_an_encoder_that_fails(make_site: MakeSite, error: Exception, when: str) -> None:
    """A picture is stored though its variants can't be encoded; they are made later."""
    site = make_site(MEDIA_VARIANTS_WHEN=when, MEDIA_LEASE=0.5)
    from flask_media.imaging import variants as encoders

    with failing(encoders, "encode", error=error):
        result = site.ask(key=KEY, variants=ONE)
        assert site.media.exists(KEY)
        assert not result.variants["thumb"].is_made
        assert KEY in site.files
    assert site.get(result.variants["thumb"].url).status_code == 200
    assert site.media.info(KEY).variants["thumb"].is_made
    assert site.emulator.calls == 1


@pytest.mark.parametrize("url", [None, "https://cdn.example"])
@pytest.mark.parametrize("when", ["eager", "later", "lazy"])
def test_a_prefix_with_a_variable(
    config: dict[str, Any], tmp_path: Path, emulator: GeminiEmulator, when: str, url: str | None
) -> None:
    """Where the files route needs more than the key, a call is refused before anything is paid, or
    the picture is stored."""
    app = Flask("shop", instance_path=str(tmp_path / "instance"))
    app.config.update(config, MEDIA_VARIANTS_WHEN=when, MEDIA_FILES_URL=url)
    media = FlaskMedia(app)
    blueprint = media.create_blueprint(authorize=let_in)
    app.register_blueprint(blueprint, url_prefix="/<tenant>/media")
    service = app.extensions["media"]
    with app.app_context():
        try:
            service.generate_and_upload("A sea house", KEY, variants=ONE)
        except NotConfigured:
            assert emulator.calls == 0
            assert service.resume_all() == []
        else:
            assert (emulator.calls, service.exists(KEY)) == (1, True)
            assert set(service.info(KEY).variants) == {*ONE}
    service.close()


def test_a_broker_that_raises(tmp_path: Path) -> None:
    """What a broker raises when it is to have variants made costs the picture nothing."""
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.update(
        MEDIA_GENERATOR="placeholder",
        MEDIA_STORAGE="memory",
        MEDIA_QUEUE="celery",
        MEDIA_VARIANTS_WHEN="later",
    )
    celery = Celery("shop", broker="memory://", set_as_current=False)
    celery.conf.update(task_always_eager=True, task_eager_propagates=True)
    app.extensions["celery"] = celery
    media = FlaskMedia(app)
    app.register_blueprint(media.create_blueprint(authorize=let_in), url_prefix="/media")
    with app.app_context():
        service = app.extensions["media"]
        with failing(service.storage, "_put", key=THUMB):
            result = service.generate_and_upload("A sea house", KEY, variants=ONE)
        with failing(service.queue, "make_variants", error=OSError("The broker is away.")):
            other = service.generate_and_upload("A sea house", "other.png", variants=ONE)
        for one in (result, other):
            assert service.exists(one.object_key)
            assert not one.variants["thumb"].is_made
            assert service.make_variants(one.object_key)["thumb"].is_made


def test_the_sweeper_is_not_starved(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many variants are to be made, jobs of dead processes are looked for."""
    site = make_site(MEDIA_VARIANTS_WHEN="later", MEDIA_LEASE=0.2)
    queue = site.media.queue
    assert isinstance(queue, ThreadQueue)
    sweeps: list[float] = []
    monkeypatch.setattr(queue, "_adopt_dropped", lambda: sweeps.append(time.monotonic()))

    def make(key: str) -> None:
        threading.Event().wait(0.05)
        queue._wanted.put(key)  # as many come as are made

    monkeypatch.setattr(queue, "_make_left", make)
    queue.make_variants(KEY)
    for _ in range(200):
        if len(sweeps) > 3:
            break
        threading.Event().wait(0.05)
    assert len(sweeps) > 3


def test_a_turned_picture(site: Site) -> None:
    """A photograph that lies on its side and is stored so is said to be as it is shown, and a page
    chooses among its variants."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = jpeg(exif=exif)
    with site.app.app_context():
        result = site.media.upload(data, "turned.jpg", variants={"small": 10, "half": 20})
        info = site.media.info("turned.jpg")
        html = str(media_picture("turned.jpg", alt="A house"))
    assert (info.width, info.height) == (40, 80)
    assert [(one.width, one.height) for one in info.variants.values()] == [(10, 20), (20, 40)]
    assert (site.folder / "turned.jpg").read_bytes() == data
    for one in result.variants.values():
        assert one.object_key in html
    assert 'width="40" height="80"' in html


def test_too_many_in_all(site: Site) -> None:
    """Variants that would be over 32 with those that the picture has are refused, and none of them
    is made; those that it has can be made still."""
    names = {f"a{number}": number + 1 for number in range(20)}
    site.media.upload(painted("red"), KEY, variants=names)
    before = site.files
    with pytest.raises(InvalidRequest, match="32"):
        site.media.make_variants(KEY, {f"b{number}": number + 1 for number in range(13)})
    assert site.files == before
    assert set(site.media.make_variants(KEY)) == {*names}
    assert len(site.media.make_variants(KEY, {"b": 5})) == 21


def test_none_to_make(site: Site) -> None:
    """No variants make none, and change none."""
    before = site.media.upload(painted("red"), KEY, variants=ONE).variants
    written = (site.folder / THUMB).stat().st_mtime_ns
    assert site.media.make_variants(KEY, {}) == before
    assert (site.folder / THUMB).stat().st_mtime_ns == written


@pytest.mark.parametrize("when", ["eager", "lazy", "later"])
def test_the_order_of_variants(make_site: MakeSite, when: str) -> None:
    """The order of variants is that of the call, everywhere."""
    site = make_site(MEDIA_VARIANTS_WHEN=when, MEDIA_LEASE=1)
    order = ["wide", "a", "thumb", "c"]
    variants = {name: 10 * number + 10 for number, name in enumerate(order)}
    with site.app.app_context():
        result = site.media.generate_and_upload("A house", KEY, variants=variants)
        assert [*result.variants] == [*site.media.info(KEY).variants] == order
        again = site.media.generate_and_upload("A house", KEY, variants=variants, reuse=True)
        assert [*again.variants] == order
        assert [*site.media.make_variants(KEY)] == order
        assert [*site.media.make_variants(KEY, {"b": 5, "a": 7})] == [*order, "b"]
        site.media.copy(KEY, "copy.png")
        assert [*site.media.info("copy.png").variants] == [*order, "b"]
        job = site.media.generate_later("A barn", "later.png", variants=variants)
        assert [*job.result(30).variants] == order


def test_they_are_made_without_a_route(make_site: MakeSite) -> None:
    """make_variants makes them at once, and needs no route whenever the config makes them."""
    site = make_site()
    site.media.upload(painted("red"), KEY, variants={})
    app = Flask("shop", instance_path=str(site.folder.parent / "instance"))
    app.config.update(site.app.config, MEDIA_VARIANTS_WHEN="lazy")
    FlaskMedia(app)
    with app.app_context():
        made = app.extensions["media"].make_variants(KEY, SMALL)
    assert all(one.is_made for one in made.values())
    assert shape((site.folder / THUMB).read_bytes()) == ("WEBP", (64, 64))
