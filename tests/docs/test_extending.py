"""The generator, the storage and the queue of the page on extending do what it says."""

from __future__ import annotations

import io
import json
import logging
import sqlite3
import sys
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from PIL import Image

from flask_media import FlaskMedia
from flask_media import GenerationTimeout
from flask_media import MediaError
from flask_media import OutcomeUnknown
from flask_media import ProviderRefused
from flask_media import ProviderUnavailable
from flask_media import QueueUnavailable
from flask_media import current_media
from flask_media.generators.base import Generator
from flask_media.jobs import messages
from flask_media.jobs.base import Runner
from flask_media.storage.base import Storage
from flask_media.testing import draw_picture
from flask_media.testing.generator_contract import REQUEST
from flask_media.testing.generator_contract import GeneratorContract
from flask_media.testing.storage_contract import StorageContract

from ..faults import FaultServer
from ..faults import answer
from ..faults import fault_server
from ..faults import hang_up
from ..servers import wait_for

pytestmark = pytest.mark.usefixtures("own_parts")

MakeApp = Callable[..., Flask]
PAINTED = answer("200 OK", draw_picture(64, 48, "painted"))


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[MakeApp]:
    """Makes apps with parts of their own, and closes them."""
    made: list[Flask] = []

    def make(**config: object) -> Flask:
        app = Flask("shop", instance_path=str(tmp_path / "instance"))
        app.config.from_mapping(
            {"MEDIA_GENERATOR": "placeholder", "SECRET_KEY": "secret", **config}
        )
        media = FlaskMedia(app)
        app.register_blueprint(
            media.create_blueprint(authorize=lambda _: "ada"), url_prefix="/media"
        )
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions["media"].close()


@pytest.fixture
def painter_server() -> Iterator[FaultServer]:
    """The painter: a server that answers as it is told to."""
    with fault_server() as server:
        server.play(PAINTED)
        yield server


class TestPainter(GeneratorContract):
    """The generator passes the contract of all generators, over a socket."""

    @pytest.fixture
    def generator(self, make_app: MakeApp, painter_server: FaultServer) -> Generator:
        app = make_app(MEDIA_GENERATOR="painter:Painter", PAINTER_URL=painter_server.url)
        return app.extensions["media"].generator  # type: ignore[no-any-return]


class TestDatabaseStorage(StorageContract):
    """The storage passes the contract of all storages."""

    @pytest.fixture
    def storage(self, make_app: MakeApp) -> Storage:
        app = make_app(MEDIA_STORAGE="database_storage:DatabaseStorage")
        return app.extensions["media"].storage  # type: ignore[no-any-return]


def test_a_picture_of_the_painter(make_app: MakeApp, painter_server: FaultServer) -> None:
    """The service asks it, renders what it drew, and knows that it was free."""
    app = make_app(MEDIA_GENERATOR="painter:Painter", PAINTER_URL=painter_server.url)
    with app.app_context():
        result = current_media.generate_and_upload("A boat", "boats/1.png")
        with (
            current_media.open("boats/1.png") as file,
            Image.open(io.BytesIO(file.read())) as shown,
        ):
            assert shown.size == (1024, 1024)
    assert (result.model, result.cost_usd) == ("Painter", Decimal(0))
    assert json.loads(painter_server.requests[0].body)["size"] == [1024, 1024]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer("503 Busy"), ProviderUnavailable),
        (answer("400 No", b"no such size"), ProviderRefused),
        (hang_up, OutcomeUnknown),
    ],
)
def test_faults_of_the_painter(
    make_app: MakeApp, painter_server: FaultServer, reply: Any, error: type[MediaError]
) -> None:
    """Each fault is the error that says what may have been charged."""
    app = make_app(MEDIA_GENERATOR="painter:Painter", PAINTER_URL=painter_server.url)
    painter_server.play(reply)
    with pytest.raises(error):
        app.extensions["media"].generator.generate(REQUEST)


def test_a_painter_that_is_away(make_app: MakeApp, painter_server: FaultServer) -> None:
    """Nobody is there: nothing was charged."""
    app = make_app(MEDIA_GENERATOR="painter:Painter", PAINTER_URL=painter_server.url)
    painter_server.close()
    with pytest.raises(ProviderUnavailable):
        app.extensions["media"].generator.generate(REQUEST)


def test_a_slow_painter(
    make_app: MakeApp, painter_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer in time may have been charged."""
    import httpx2

    real = httpx2.post
    monkeypatch.setattr(httpx2, "post", lambda *given, **named: real(*given, **named | QUICK))
    app = make_app(MEDIA_GENERATOR="painter:Painter", PAINTER_URL=painter_server.url)
    painter_server.play(lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    with pytest.raises(GenerationTimeout):
        app.extensions["media"].generator.generate(REQUEST)


QUICK = {"timeout": 0.1}


def test_a_picture_in_the_database(make_app: MakeApp) -> None:
    """The blueprint shows it to whom it may, and to whoever has a signed link."""
    app = make_app(MEDIA_STORAGE="database_storage:DatabaseStorage")
    with app.app_context():
        result = current_media.generate_and_upload("A boat", "boats/1.png", {"name": "Être"})
        assert current_media.stat("boats/1.png").metadata == {"name": "Être"}
        link = current_media.signed_url("boats/1.png", expires_in=60)
    for url in (result.url, link):
        shown = app.test_client().get(url, buffered=True)
        assert (shown.status_code, shown.content_type) == (200, "image/png")


@pytest.fixture
def shop(make_app: MakeApp, tmp_path: Path) -> Iterator[tuple[Flask, Any]]:
    """An app with a Huey of its own, whose messages nobody takes yet."""
    from huey import SqliteHuey

    app = make_app(
        MEDIA_QUEUE="huey_queue:HueyQueue", MEDIA_QUEUE_RETRY_SECONDS=0.1, MEDIA_STORAGE="memory"
    )
    huey = SqliteHuey(filename=str(tmp_path / "huey.sqlite3"), timeout=1)
    import_module("huey_queue").init_huey(app, huey)
    yield app, huey
    huey.storage.close()


@pytest.fixture
def consume(shop: tuple[Flask, Any]) -> Iterator[Callable[[], None]]:
    """Starts the consumer; its level of logging is as it was, afterwards."""
    running: list[Any] = []

    def start() -> None:
        consumer = shop[1].create_consumer(
            workers=1, initial_delay=0.02, max_delay=0.05, scheduler_interval=1
        )
        running.append(consumer)
        consumer.start()

    level = logging.getLogger("huey").level
    yield start
    for consumer in running:
        consumer.stop(graceful=True)
        consumer.scheduler.join()
    logging.getLogger("huey").setLevel(level)


def queue_of(app: Flask) -> messages.MessageQueue:
    """The queue, known for what it is."""
    queue = app.extensions["media"].queue
    assert isinstance(queue, messages.MessageQueue)
    return queue


def test_a_picture_by_huey(shop: tuple[Flask, Any], consume: Callable[[], None]) -> None:
    """Its consumer makes the picture and its variants, not this process's own threads."""
    app, huey = shop
    with app.app_context():
        job = current_media.generate_later("A boat", "boats/1.png", variants={"thumb": 64})
        assert (len(huey), job.status) == (1, "requested")
        consume()
        result = job.result(timeout=30)
    assert result.variants["thumb"].width == 64


def test_later_variants_by_huey(
    make_app: MakeApp, shop: tuple[Flask, Any], consume: Callable[[], None]
) -> None:
    """The variants of a stored picture are a message too."""
    app, huey = shop
    with app.app_context():
        current_media._reconfigure(variants_when="later")
        current_media.generate_and_upload("A boat", "boats/1.png", variants={"thumb": 64})
        assert len(huey) == 1
        consume()
        wait_for(lambda: current_media.exists("boats/1.thumb.webp") or 1 / 0)


def test_a_fault_that_passes_by_huey(
    shop: tuple[Flask, Any], consume: Callable[[], None], painter_server: FaultServer
) -> None:
    """A job that failed with an error that can pass is sent again, until it is done."""
    app, _ = shop
    app.config["PAINTER_URL"] = painter_server.url
    painter_server.play(answer("503 Busy"), answer("503 Busy"), answer("503 Busy"), PAINTED)
    with app.app_context():
        current_media._reconfigure(generator="painter:Painter", gemini_max_attempts=1)
        job = current_media.generate_later("A boat", "boats/1.png")
        consume()
        assert job.result(timeout=30).model == "Painter"


def test_a_message_that_is_lost(
    shop: tuple[Flask, Any], consume: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job whose message is lost is sent anew when the queue has had it for long enough."""
    app, huey = shop
    monkeypatch.setattr(messages, "LOST_AFTER", 0.0)
    with app.app_context():
        job = current_media.generate_later("A boat", "boats/1.png")
        huey.flush()
        monkeypatch.undo()
        assert queue_of(app).resume() == {"sent": 1, "told": 0}
        assert queue_of(app).resume() == {"sent": 0, "told": 0}
        queue_of(app).check(1)
        consume()
        assert job.result(timeout=30).object_key == "boats/1.png"


def test_a_message_that_comes_twice(shop: tuple[Flask, Any]) -> None:
    """The second one does nothing."""
    app, _ = shop
    with app.app_context():
        job = current_media.generate_later("A boat", "boats/1.png")
        queue_of(app).work("generate", job.id)
        result = job.result(timeout=0)
        queue_of(app).work("generate", job.id)
        assert job.refresh().result(timeout=0) == result


def lock(huey: Any) -> sqlite3.Connection:
    """Nobody else can write Huey's messages while this is open."""
    connection = sqlite3.connect(huey.storage.filename, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


def test_a_message_that_is_not_taken(shop: tuple[Flask, Any]) -> None:
    """Whatever the queue's own error is, the job has failed, and the next asking makes it anew."""
    app, huey = shop
    with app.app_context():
        with closing(lock(huey)), pytest.raises(QueueUnavailable, match="locked"):
            current_media.generate_later("A boat", "boats/1.png")
        job = current_media.generate_later("A boat", "boats/1.png")
        assert len(huey) == 1
        queue_of(app).work("generate", job.id)
        assert job.result(timeout=0).object_key == "boats/1.png"


class Refusing(messages.MessageQueue):
    """Takes the first message, and refuses the others with an error of its own."""

    def __init__(self, app: Flask, runner: Runner) -> None:
        super().__init__(runner)
        self.sent: list[str] = []

    def send(self, kind: messages.Kind, subject: str, tries: int = 0, delay: float = 0.0) -> None:
        """Keep the first."""
        if self.sent:
            raise ZeroDivisionError("redis://:password@queue")
        self.sent.append(subject)


def test_an_error_that_nobody_caught(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """An own queue's own error turns the job away; what it says is in no message of ours."""
    monkeypatch.setitem(sys.modules, "refusing", SimpleNamespace(Refusing=Refusing))
    app = make_app(MEDIA_QUEUE="refusing:Refusing", MEDIA_STORAGE="memory")
    with app.app_context():
        current_media.generate_later("A boat", "boats/1.png")
        with pytest.raises(QueueUnavailable, match=r"no message: ZeroDivisionError\.$") as caught:
            current_media.generate_later("A boat", "boats/2.png")
        assert caught.value.job_id
        error = current_media.job(caught.value.job_id).error
        assert isinstance(error, QueueUnavailable)
        assert "password" not in str(error)


def test_a_second_try_that_is_not_taken(
    make_app: MakeApp, painter_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that can't be sent again is let go at once: the next resume sends it."""
    monkeypatch.setitem(sys.modules, "refusing", SimpleNamespace(Refusing=Refusing))
    app = make_app(
        MEDIA_QUEUE="refusing:Refusing",
        MEDIA_GENERATOR="painter:Painter",
        MEDIA_STORAGE="memory",
        GEMINI_MAX_ATTEMPTS=1,
        PAINTER_URL=painter_server.url,
    )
    painter_server.play(answer("503 Busy"), PAINTED)
    with app.app_context():
        job = current_media.generate_later("A boat", "boats/1.png")
        with pytest.raises(ZeroDivisionError):
            queue_of(app).work("generate", job.id)
        sent: list[str] = queue_of(app).sent  # type: ignore[attr-defined]
        sent.clear()
        assert queue_of(app).resume() == {"sent": 1, "told": 0}
        assert sent == [job.id]
        queue_of(app).work("generate", job.id)
        assert job.refresh().result(timeout=0).model == "Painter"
