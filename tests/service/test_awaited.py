"""Calls that are awaited: the same as ever, while the event loop goes on."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import time
from collections.abc import AsyncIterator
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from asgiref.wsgi import WsgiToAsgi
from flask import Flask
from flask import current_app
from flask import request

from flask_media import ContentBlocked
from flask_media import ImageGenerationConfig
from flask_media import MediaJob
from flask_media import MediaResult
from flask_media import MediaService
from flask_media import current_media
from flask_media import signals
from flask_media.emulator import GeminiEmulator
from flask_media.testing import fake
from flask_media.testing.pictures import draw_picture

from .conftest import MakeApp

SMALL = ImageGenerationConfig(size=(64, 64), enhance_prompt=False)

TWINS = [
    (owner, name)
    for owner, names in (
        (
            MediaService,
            "generate_and_upload generate upload generate_many generate_later resume",
        ),
        (MediaJob, "result"),
    )
    for name in names.split()
]


@contextlib.asynccontextmanager
async def heartbeat() -> AsyncIterator[list[float]]:
    """When the loop came round, every 5 ms."""
    beats: list[float] = []

    async def beat() -> None:
        while True:
            beats.append(time.perf_counter())
            await asyncio.sleep(0.005)

    task = asyncio.create_task(beat())
    yield beats
    task.cancel()


def asked(number: int, **values: Any) -> dict[str, Any]:
    """The arguments of a small picture of that number."""
    return {
        "prompt": f"House {number}",
        "object_key": f"houses/{number}.png",
        "config": SMALL,
    } | values


def threads() -> set[threading.Thread]:
    """The threads that calls are awaited in, of all services."""
    found = threading.enumerate()
    return {thread for thread in found if thread.name.startswith("flask-media-await")}


async def until(met: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(20):
        while not met():  # noqa: ASYNC110 - of threads and servers
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("owner", "name"), TWINS)
def test_signatures(owner: type, name: str) -> None:
    """Each takes what its namesake takes, is a coroutine function, and is documented."""
    twin = getattr(owner, f"a{name}")
    assert inspect.iscoroutinefunction(twin)
    parameters = inspect.signature(getattr(owner, name)).parameters
    assert inspect.signature(twin).parameters == parameters
    assert twin.__name__ == f"a{name}"
    assert name in twin.__doc__


def test_twenty_at_once(app: Flask, emulator: GeminiEmulator) -> None:
    """Twenty pictures are asked for at once, and the event loop comes round all the while."""
    emulator.latency = 0.5

    async def gather() -> list[MediaResult]:
        async with heartbeat() as beats:
            calls = [current_media.agenerate_and_upload(**asked(number)) for number in range(20)]
            task = asyncio.gather(*calls)
            await until(lambda: len(emulator.requests) > 0)
            before = len(beats)
            results = await task
            assert len(beats) - before > 20, "a call in the loop would hold it for half a second"
            return results

    results = asyncio.run(gather())
    assert [result.object_key for result in results] == [f"houses/{n}.png" for n in range(20)]
    assert len({result.job_id for result in results}) == 20
    assert emulator.max_inflight > 10, "one after the other it is one"


def test_each_of_them(app: Flask) -> None:
    """Generating, storing, going on with a job and the background give what their namesakes do."""

    async def work() -> None:
        image = await current_media.agenerate("A house", SMALL)
        assert (image.width, image.height) == (64, 64)
        stored = await current_media.aupload(image.data, "copies/1.png", {"of": "house"})
        assert current_media.stat(stored.object_key).metadata == {"of": "house"}
        job = await current_media.agenerate_later(**asked(1))
        result = await job.aresult(timeout=20)
        assert (await current_media.aresume(job.id)).job_id == result.job_id == job.id
        assert job.status == "done"
        (one, other) = await current_media.agenerate_many([asked(2), asked(3)])
        assert isinstance(one, MediaResult)
        assert isinstance(other, MediaResult)

    asyncio.run(work())


def test_a_result_within_a_time(make_app: MakeApp, emulator: GeminiEmulator) -> None:
    """A job that is not done in time goes on; who waits for one takes no thread from others, and
    needs none of theirs."""
    emulator.latency = 0.5

    async def work() -> None:
        job = current_media.generate_later(**asked(1))
        busy = asyncio.create_task(current_media.agenerate_and_upload(**asked(2)))
        await until(lambda: len(emulator.requests) == 2)
        with pytest.raises(TimeoutError, match=r"after 0\.05 s"):
            await job.aresult(timeout=0.05)
        assert not busy.done()
        await busy
        job = current_media.generate_later(**asked(3))
        waits = asyncio.create_task(job.aresult())
        await current_media.aupload(draw_picture(32, 32, "boat"), "boats/1.png")
        assert not waits.done()
        assert (await waits).object_key == "houses/3.png"

    with make_app(MEDIA_ASYNC_THREADS=1).app_context():
        asyncio.run(work())


def test_errors(app: Flask, emulator: GeminiEmulator) -> None:
    """What fails raises the same error, with the job's id, and a job's error is raised too."""
    emulator.script("safety", "safety")

    async def work() -> None:
        with pytest.raises(ContentBlocked) as caught:
            await current_media.agenerate_and_upload(**asked(1))
        assert caught.value.job_id
        job = await current_media.agenerate_later(**asked(2))
        with pytest.raises(ContentBlocked):
            await job.aresult(timeout=20)

    asyncio.run(work())


def test_cancelled(app: Flask, emulator: GeminiEmulator) -> None:
    """Who no longer waits loses nothing: the picture that is being paid for is stored, once."""
    emulator.latency = 0.3
    stored: list[str] = []

    def store(sender: object, result: MediaResult, **_: object) -> None:
        stored.append(result.object_key)

    async def work() -> None:
        task = asyncio.create_task(current_media.agenerate_and_upload(**asked(1)))
        await until(lambda: len(emulator.requests) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        joined = await current_media.agenerate_and_upload(**asked(1))  # the same, under way
        assert joined.cached
        await until(lambda: bool(stored))

    with signals.upload_finished.connected_to(store, app):
        asyncio.run(work())
    assert stored == ["houses/1.png"]
    assert len(emulator.requests) == 1
    assert current_media.exists("houses/1.png")


def test_cancelled_while_it_waits_for_a_thread(make_app: MakeApp, emulator: GeminiEmulator) -> None:
    """A call that no thread has begun costs nothing when it is cancelled."""
    emulator.latency = 0.3

    async def work() -> None:
        first = asyncio.create_task(current_media.agenerate_and_upload(**asked(1)))
        await until(lambda: len(emulator.requests) == 1)
        second = asyncio.create_task(current_media.agenerate_and_upload(**asked(2)))
        await asyncio.sleep(0.05)
        second.cancel()
        await first
        with pytest.raises(asyncio.CancelledError):
            await second

    with make_app(MEDIA_ASYNC_THREADS=1).app_context():
        asyncio.run(work())
        assert not current_media.exists("houses/2.png")
        assert current_media.usage().pictures == 1
    assert len(emulator.requests) == 1


def add_view(app: Flask, seen: list[str]) -> None:
    """An async view that makes two pictures at once."""

    def hear(sender: object, **_: object) -> None:
        seen.append(f"{current_app.name} {request.path}")

    signals.upload_finished.connect(hear, app, weak=False)

    @app.get("/draw")
    async def draw() -> dict[str, Any]:
        calls = [current_media.agenerate_and_upload(**asked(number)) for number in (1, 2)]
        results = await asyncio.gather(*calls)
        return {"keys": [result.object_key for result in results]}


def test_an_async_view(make_app: MakeApp) -> None:
    """In Flask's async views, receivers of the signals have app and request as ever."""
    app = make_app()
    seen: list[str] = []
    add_view(app, seen)
    for _ in range(2):  # each request has an event loop of its own
        answer = app.test_client().get("/draw")
        assert answer.json == {"keys": ["houses/1.png", "houses/2.png"]}
    assert seen == ["shop /draw"] * 4


def test_behind_asgi(make_app: MakeApp) -> None:
    """The same behind asgiref's WsgiToAsgi, as on an ASGI server."""
    app = make_app()
    seen: list[str] = []
    add_view(app, seen)

    async def get() -> dict[str, Any]:
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": "/draw",
            "query_string": b"",
            "headers": [],
        }
        server = ApplicationCommunicator(WsgiToAsgi(app), scope)
        await server.send_input({"type": "http.request", "body": b""})
        started: dict[str, Any] = await server.receive_output(timeout=20)
        assert started["status"] == 200
        body: dict[str, Any] = await server.receive_output(timeout=20)
        return body

    assert b"houses/2.png" in asyncio.run(get())["body"]
    assert seen == ["shop /draw"] * 2


def test_under_the_fake(app: Flask) -> None:
    """The fake answers awaited calls as it does others."""

    async def work() -> None:
        result = await current_media.agenerate_and_upload("A boat", "boats/1.png")
        assert result.size_bytes
        job = await current_media.agenerate_later("A boat", "boats/2.png")
        await job.aresult(timeout=20)
        data = draw_picture(32, 32, "boat")
        await current_media.aupload(data, "boats/3.png")

    with fake(app) as it:
        asyncio.run(work())
        it.assert_generated("A boat", times=2)
        it.assert_uploaded("boats/3.png")


def test_closed(app: Flask) -> None:
    """The service waits for its threads when it is closed, and opens anew."""
    before = threads()
    assert asyncio.run(current_media.agenerate("A house", SMALL)).data
    assert threads() - before
    current_media.close()
    assert not threads() - before
    assert asyncio.run(current_media.agenerate("A house", SMALL)).data
