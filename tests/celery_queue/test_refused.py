"""What can't be put into the queue, and what needs no worker."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from flask import Flask

from flask_media import ContentBlocked
from flask_media import FlaskMedia
from flask_media import MediaError
from flask_media import NotConfigured
from flask_media import QueueUnavailable
from flask_media import UploadFailed
from flask_media import get_image_generation_service
from flask_media import signals
from flask_media.emulator import GeminiEmulator
from flask_media.jobs.celery import GENERATE
from flask_media.jobs.celery import RESUME
from flask_media.storage.memory import MemoryStorage

from ..journal.support import sql
from .conftest import MakeShop


@pytest.fixture(params=["closed", "mute"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """One that nobody listens at, or whose server takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
        if request.param == "closed":
            server.close()
        yield number


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_out_of_reach(
    scheme: str,
    port: int,
    make_shop: MakeShop,
    redis_settings: dict[str, Any],
    emulator: GeminiEmulator,
) -> None:
    """It is said soon, nothing is paid, no budget is kept, and it works when the broker is back."""
    url = f"{scheme}://user:secret-word@127.0.0.1:{port}/0"
    budget = {"MEDIA_BUDGET_USD_PER_DAY": "0.05"}  # of one picture
    away = make_shop({"broker_url": url, "result_backend": url.replace("amqp", "rpc")}, **budget)
    shop = make_shop(redis_settings, **budget)
    started = time.monotonic()
    with pytest.raises(QueueUnavailable, match="can't be reached") as caught:
        away.later(idempotency_key="order 7")
    took = time.monotonic() - started
    print(f"{took:.1f} s: {caught.value}")
    assert took < 25
    assert "secret-word" not in str(caught.value)
    assert away.media.usage().possible_usd == Decimal(0)
    assert caught.value.job_id
    refused = away.media.job(caught.value.job_id)
    assert refused.status == "failed"
    assert isinstance(refused.error, QueueUnavailable)
    job = shop.later(idempotency_key="order 7")
    assert (job.id, job.status) == (refused.id, "requested")
    assert emulator.calls == 0


@pytest.mark.parametrize(
    "url",
    [
        "redis://:secret/word@127.0.0.1:1/0",
        "amqp://user:secret#word@127.0.0.1:1//",
        "amqp://user:[secret-word@127.0.0.1:1//",
        "no-such://user:secret-word@127.0.0.1:1//",
    ],
)
def test_a_broker_url_that_is_none(url: str, make_shop: MakeShop, emulator: GeminiEmulator) -> None:
    """It is said before anything is recorded, and no part of the password is shown."""
    shop = make_shop({"broker_url": url})
    with pytest.raises(NotConfigured, match="broker_url") as caught:
        shop.later()
    assert caught.value.__context__ is None
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    assert not shop.media.journal.exists
    assert emulator.calls == 0


def test_a_paid_picture_outlives_its_queue(make_shop: MakeShop, emulator: GeminiEmulator) -> None:
    """A job that has its picture keeps it though no queue takes the rest of the work."""
    away = make_shop({"broker_url": "redis://127.0.0.1:1"})
    folder = Path(away.config["MEDIA_FOLDER"])

    def go_down(sender: object, **_: object) -> None:
        folder.rmdir()
        folder.touch()

    with (
        signals.upload_started.connected_to(go_down),
        away.app.app_context(),
        pytest.raises(UploadFailed),
    ):
        away.media.generate_and_upload("House", "house.png")
    folder.unlink()
    with away.app.app_context(), pytest.raises(QueueUnavailable) as caught:
        away.media.generate_later("House", "house.png")
    assert caught.value.job_id
    job = away.media.job(caught.value.job_id)
    assert (job.status, job.has_ended) == ("generated", True)
    assert away.media.resume(job.id).job_id == job.id
    assert emulator.calls == 1


def test_eager(make_shop: MakeShop, emulator: GeminiEmulator) -> None:
    """With ``task_always_eager`` the job is done, or tried again, before ``generate_later``
    returns."""
    shop = make_shop({"task_always_eager": True, "broker_url": "memory://"}, GEMINI_MAX_ATTEMPTS=1)
    emulator.script("503", "429,retry=30", "ok", "image-safety")
    assert shop.later(1).refresh().status == "done"
    assert emulator.calls == 3
    blocked = shop.later(2).refresh()
    assert isinstance(blocked.error, ContentBlocked)
    left = shop.later(3)
    assert left.refresh().status == "done"
    assert shop.send(RESUME).get() == {"sent": 0, "told": 0}
    assert emulator.calls == 5
    shop.celery.conf.task_eager_propagates = True
    emulator.script("image-safety")
    with pytest.raises(ContentBlocked):
        shop.later(4)


class Broken(MemoryStorage):
    """A storage of somebody's own that has a defect."""

    def _put(self, *_: Any, **_values: Any) -> None:
        raise TypeError("no such argument")


def test_what_no_stage_foresaw(make_shop: MakeShop, emulator: GeminiEmulator) -> None:
    """An error of a storage's own ends the job, and its message buys nothing again."""
    shop = make_shop({"task_always_eager": True, "broker_url": "memory://"})
    shop.media._parts._storage = Broken()
    job = shop.later()
    assert job.refresh().has_ended
    with pytest.raises(MediaError, match="no such argument") as caught:
        job.result(timeout=0)
    assert not caught.value.retryable
    with pytest.raises(MediaError, match="no such argument"):
        shop.send(GENERATE, job.id).get()
    assert shop.send(RESUME).get() == {"sent": 0, "told": 0}
    assert emulator.calls == 1
    shop.celery.conf.task_eager_propagates = True
    with pytest.raises(TypeError, match="no such argument"):
        shop.later(1)


def test_a_failure_that_a_dead_worker_did_not_tell(
    make_shop: MakeShop, emulator: GeminiEmulator
) -> None:
    """Who gets its message tells of it, without beat."""
    shop = make_shop({"task_always_eager": True, "broker_url": "memory://"})
    emulator.script("image-safety")
    job = shop.later()
    died = "UPDATE media_jobs SET owner = 'a worker', lease_until = 0 WHERE id = :id"
    sql(shop.config["MEDIA_JOURNAL_URL"], died, id=job.id)
    told: list[Any] = []

    def tell(sender: object, **values: object) -> None:
        told.append(values["error"])

    for _ in range(2):
        with signals.generation_failed.connected_to(tell), pytest.raises(ContentBlocked):
            shop.send(GENERATE, job.id).get()
    assert [type(error) for error in told] == [ContentBlocked]
    assert emulator.calls == 1


def test_without_an_app_context(make_shop: MakeShop) -> None:
    """A worker whose tasks have no app, or none with the extension, says what is missing."""
    bare = Celery("bare", broker="memory://", set_as_current=False)
    for name, arguments in ((GENERATE, ["0"]), (RESUME, [])):
        with pytest.raises(RuntimeError, match=r"app context.*FlaskTask"):
            bare.tasks[name].apply(arguments).get()
        with (
            Flask("bare").app_context(),
            pytest.raises(RuntimeError, match=r"not initialised.*FlaskMedia\(app\)"),
        ):
            bare.tasks[name].apply(arguments).get()
    app = Flask("threads")
    FlaskMedia(app)
    with app.app_context(), pytest.raises(NotConfigured, match="MEDIA_QUEUE"):
        bare.tasks[GENERATE].apply(["0"]).get()
    bare.close()


def test_without_a_celery_app(emulator: GeminiEmulator, tmp_path: Path) -> None:
    """It is said before anything is recorded; the rest of the extension works."""
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.update(MEDIA_QUEUE="celery", GEMINI_API_KEY="key", GEMINI_BASE_URL=emulator.url)
    FlaskMedia(app)
    with app.app_context():
        service = get_image_generation_service()
        with pytest.raises(NotConfigured, match=r'app\.extensions\["celery"\]'):
            service.generate_later("House", "house.png")
        assert service.generate_and_upload("House", "house.png").size_bytes
        assert service.usage().pictures == 1
    service.close()


NO_CELERY = """
import sys
from flask import Flask
from flask_media import FlaskMedia, NotConfigured, current_media

app = Flask("shop")
app.config["MEDIA_GENERATOR"] = "placeholder"
FlaskMedia(app)
assert "celery" not in sys.modules
sys.modules["celery"] = None
app = Flask("shop")
app.config["MEDIA_QUEUE"] = "celery"
FlaskMedia(app)
with app.app_context():
    try:
        current_media.generate_later("House", "house.png")
    except NotConfigured as error:
        print(error)
"""

NO_APP = """
from flask_media import NotConfigured, get_image_generation_service

service = get_image_generation_service()
service._reconfigure(queue="celery")
try:
    service.generate_later("House", "house.png")
except NotConfigured as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("code", "said"), [(NO_CELERY, "extra 'celery'"), (NO_APP, "this service has none")]
)
def test_without_celery_or_an_app(code: str, said: str, tmp_path: Path) -> None:
    """Celery is imported for those that use it alone, and what is missing is named."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"MEDIA_HOME": str(tmp_path), "PATH": "", "PYTHONPATH": ":".join(sys.path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert said in done.stdout
