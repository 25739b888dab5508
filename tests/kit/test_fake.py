"""Within a fake the app's service is the real one, and nothing real is touched."""

from __future__ import annotations

import io
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from PIL import Image

from flask_media import BudgetExceeded
from flask_media import FlaskMedia
from flask_media import ImageGenerationConfig
from flask_media import ImageSize
from flask_media import MediaResult
from flask_media import MediaService
from flask_media import NotFound
from flask_media import ProviderUnavailable
from flask_media import StorageProvider
from flask_media import current_media
from flask_media import get_image_generation_service
from flask_media import signals
from flask_media.emulator import GeminiEmulator
from flask_media.testing import Fake
from flask_media.testing import fake as make_fake
from flask_media.testing import fake_everywhere

from .conftest import MakeApp

media = FlaskMedia()


def test_pictures_are_real(fake: Fake) -> None:
    """What is stored is a whole picture of just the pixels and the format asked for."""
    for size, key in ((ImageSize.BANNER, "a.png"), ((64, 48), "b.webp"), ((33, 7), "c.jpg")):
        config = ImageGenerationConfig(size=size)
        result = current_media.generate_and_upload("A boat", key, config=config)
        with current_media.open(key) as file, Image.open(file) as picture:
            picture.load()
            assert picture.size == config.pixels == (result.width, result.height)
            assert picture.get_format_mimetype() == result.content_type


def test_it_is_the_same_service(app: Flask) -> None:
    """The service stays the very object, so who holds it meets the fake too."""
    service = app.extensions["media"]
    with media.fake() as fake:
        assert app.extensions["media"] is service
        assert type(service) is MediaService
        service.generate("A boat")
        fake.assert_generated("A boat", times=1)


def test_nothing_real_is_touched(app: Flask, tmp_path: Path) -> None:
    """No file of the app's comes to be, and none of its parts is made."""
    with media.fake():
        result = current_media.generate_and_upload("A boat", "boat.png")
        assert result.url.startswith("memory://")
        assert current_media.exists("boat.png")
    assert not list(tmp_path.rglob("*"))
    parts = app.extensions["media"]._parts
    assert (parts._journal, parts._storage, parts._generator) == (None, None, None)


def test_afterwards_all_is_as_before(make_app: MakeApp) -> None:
    """The app's own pictures, journal and config are back, also after an exception."""
    app = make_app(MEDIA_GENERATOR="placeholder", MEDIA_STORAGE="memory")
    with app.app_context():
        current_media.generate_and_upload("Mine", "mine.png")
        before = current_media.config
        folders = []

        def work() -> None:
            with media.fake() as fake:
                assert not current_media.exists("mine.png")
                current_media.generate_and_upload("Fake", "fake.png")
                current_media.configure_gemini("another")
                folders.append(fake.folder)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            work()
        assert current_media.config is before
        assert current_media.exists("mine.png")
        assert not current_media.exists("fake.png")
        assert current_media.usage(by="model").keys() == {"placeholder"}
        assert not folders[0].exists()


def test_nested(app: Flask) -> None:
    """The innermost fake counts, and knows nothing of the outer one."""
    with media.fake() as outer:
        current_media.generate_and_upload("Outer", "a.png")
        with media.fake() as inner:
            assert not current_media.exists("a.png")
            current_media.generate_and_upload("Inner", "b.png")
        assert current_media.exists("a.png")
        current_media.generate_and_upload("Outer again", "c.png")
    assert [call.prompt for call in inner.generated] == ["Inner"]
    assert [call.prompt for call in outer.generated] == ["Outer", "Outer again"]


def test_several_apps(make_app: MakeApp) -> None:
    """A fake is of one app; the next one's fake has pictures of its own."""
    one, two = make_app("one"), make_app("two", MEDIA_GENERATOR="placeholder")
    with make_fake(one) as first, make_fake(two) as second:
        for app in (one, two):
            with app.app_context():
                current_media.generate_and_upload(app.name, "a.png")
    assert [call.prompt for call in first.generated] == ["one"]
    assert [call.prompt for call in second.generated] == ["two"]


def test_blocks_may_end_in_any_order(app: Flask) -> None:
    """A fake that begins later and ends first or last leaves the app as it was."""
    own = app.extensions["media"]._parts
    one, two = make_fake(app), make_fake(app)
    with one:
        two.__enter__()
    with two_left(two):
        current_media.generate("A boat")
    assert app.extensions["media"]._parts is own


class two_left:  # noqa: N801 - reads as a statement
    """Ends a block that was begun before."""

    def __init__(self, block: Any) -> None:
        self._block = block

    def __enter__(self) -> None: ...

    def __exit__(self, *error: Any) -> None:
        self._block.__exit__(*error)


def test_threads_meet_it(app: Flask, fake: Fake) -> None:
    """Threads of the app, generate_many and generate_later all meet the fake."""
    results: list[MediaResult] = []

    def work() -> None:
        with app.app_context():
            results.append(current_media.generate_and_upload("Thread", "thread.png"))

    thread = threading.Thread(target=work)
    thread.start()
    many = current_media.generate_many(
        [{"prompt": f"Many {number}", "object_key": f"{number}.png"} for number in range(5)]
    )
    later = current_media.generate_later("Later", "later.png").result(10)
    thread.join()
    assert (
        len({*(one.url for one in [*results, *many, later] if isinstance(one, MediaResult))}) == 7
    )
    fake.assert_generated(times=7)


def test_cost_and_usage(fake: Fake) -> None:
    """A picture costs what the table says, and is counted as spent."""
    result = current_media.generate_and_upload("A boat", "boat.png", spender="7")
    assert result.cost_usd == fake.spent_usd == Decimal("0.034")
    assert result.usage is not None
    assert (result.usage.image_tokens, result.model) == (1120, "gemini-nano-banana-2.1")
    assert current_media.usage(by="spender")["7"].cost_usd == Decimal("0.034")


def test_an_unknown_model_has_no_price(make_app: MakeApp) -> None:
    """A model that is not in the table costs nobody knows what, as a real one."""
    app = make_app(GEMINI_MODEL="of-tomorrow")
    with app.app_context(), media.fake() as fake:
        assert current_media.generate("A boat").cost_usd is None
        fake.assert_generated(model="of-tomorrow")


def test_budget(make_app: MakeApp) -> None:
    """A budget of the day is kept by the fake's prices, and each fake starts it anew."""
    app = make_app(MEDIA_BUDGET_USD_PER_USER_PER_DAY="0.05")
    for _ in range(2):
        with app.app_context(), media.fake() as fake:
            current_media.generate_and_upload("One", "1.png", spender="7")
            with pytest.raises(BudgetExceeded):
                current_media.generate_and_upload("Two", "2.png", spender="7")
            current_media.generate_and_upload("Two", "2.png", spender="8")
            fake.assert_generated(times=2)


def test_the_pipeline_is_the_real_one(fake: Fake) -> None:
    """Keys stand for their pictures, references and input are checked, variants are made."""
    first = current_media.generate_and_upload("A boat", "a.png", idempotency_key="k")
    again = current_media.generate_and_upload("A boat", "a.png", idempotency_key="k")
    assert again.cached
    assert again.sha256 == first.sha256
    with pytest.raises(NotFound):
        current_media.generate("A boat", reference_images=["missing.png"])
    result = current_media.generate_and_upload(
        "A boat", "b.png", reference_images=["a.png"], variants={"small": 64}
    )
    assert result.variants["small"].width == 64
    fake.assert_generated(references=1, times=1)
    fake.assert_uploaded(result.variants["small"].object_key, times=1)
    with pytest.raises(ValueError, match="prompt"):
        current_media.generate("")
    fake.assert_generated(times=2)


def test_each_picture_is_another(fake: Fake) -> None:
    """The same prompt gives another picture each time, as a model does; the same in each run."""
    shas = [current_media.generate("A boat").sha256 for _ in range(3)]
    assert len(set(shas)) == 3
    with media.fake():
        assert current_media.generate("A boat").sha256 == shas[0]


def test_signals(app: Flask, fake: Fake) -> None:
    """Receivers hear of the fake's pictures, from the app itself."""
    heard = []

    def receive(sender: object, **values: Any) -> None:
        heard.append((sender, values["result"].object_key))

    with signals.upload_finished.connected_to(receive, app):
        current_media.generate_and_upload("A boat", "a.png")
    assert heard == [(app, "a.png")]


def test_own_upload_and_delete(fake: Fake) -> None:
    """What the app uploads and deletes is seen; nothing is generated."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    current_media.upload(file.getvalue(), "own.png", {"goal": 7})
    current_media.delete("own.png")
    fake.assert_uploaded("own.png", content_type="image/png", metadata={"goal": 7})
    fake.assert_deleted("own.png")
    fake.assert_nothing_generated()


def test_base_url(app: Flask) -> None:
    """The URLs begin as the test says."""
    with media.fake(base_url="https://cdn.example/") as fake:
        result = current_media.generate_and_upload("A boat", "my boats/1.png")
    assert result.url == "https://cdn.example/my%20boats/1.png"
    fake.assert_uploaded("my boats/1.png")


def test_blueprint_serves_the_fakes_pictures(make_app: MakeApp) -> None:
    """A view's picture is at the URL that the view gives."""
    app = make_app()
    app.register_blueprint(media.create_blueprint(authorize=lambda _: "7"), url_prefix="/media")
    with make_fake(app) as fake:
        client = app.test_client()
        made = client.post("/media/generate", json={"prompt": "A boat"}, headers={"Prefer": "wait"})
        assert made.status_code == 201
        assert made.json is not None
        served = client.get(made.json["url"], buffered=True)
    assert Image.open(io.BytesIO(served.data)).size == (1024, 1024)
    fake.assert_generated("A boat", spender="7")


def test_command(app: Flask, fake: Fake) -> None:
    """A command of the app meets the fake."""

    @app.cli.command("draw")
    def draw() -> None:
        current_media.generate_and_upload("A boat", "a.png")

    assert app.test_cli_runner().invoke(args=["draw"]).exit_code == 0
    fake.assert_uploaded("a.png")


def test_configure_stays_inside(fake: Fake) -> None:
    """The guide's two configure calls work within a fake, and lead nowhere."""
    service = get_image_generation_service()
    service.configure_gemini("key")
    service.configure_storage(
        provider=StorageProvider.AWS_S3, region="eu-central-1", bucket="real", access_key="a"
    )
    service.generate_and_upload("A boat", "a.png")
    fake.assert_uploaded("a.png")


def test_everywhere(make_app: MakeApp) -> None:
    """Apps made before and meanwhile share one fake, and are themselves again afterwards."""
    before = make_app("one")
    with fake_everywhere() as fake:
        with before.app_context():
            current_media.generate_and_upload("One", "1.png")
        for _ in range(2):  # as a task that makes its app each time
            meanwhile = make_app("two")
            with meanwhile.app_context():
                assert current_media.exists("1.png")
                assert current_media.generate_and_upload(
                    "Two", "2.png", idempotency_key="k"
                ).object_key
        get_image_generation_service().exists("1.png")
    assert [call.prompt for call in fake.generated] == ["One", "Two"]
    for app in (before, meanwhile):
        assert len(app.extensions["media"]._stack) == 1


def test_no_app(app: Flask) -> None:
    """Outside a context, or without Flask-Media, the error says what to do."""
    with pytest.raises(RuntimeError, match="not initialised"), make_fake(Flask("bare")):
        pass


def test_no_context(make_app: MakeApp) -> None:
    """Outside an app context the app has to be named."""
    app = make_app()
    with pytest.raises(RuntimeError, match=r"fake\(app\)"), media.fake():
        pass
    with media.fake(app), app.app_context():
        current_media.generate("A boat")


def test_webhooks_and_mirror_stay_inside(make_app: MakeApp) -> None:
    """Neither a webhook nor a mirror gets anything."""
    app = make_app(
        MEDIA_WEBHOOK_URL="http://hooks.invalid/",
        MEDIA_WEBHOOK_SECRET="0123456789abcdef",
        MEDIA_STORAGE_MIRROR={"MEDIA_STORAGE": "filesystem", "MEDIA_FOLDER": "mirror"},
    )
    with app.app_context(), media.fake() as fake:
        current_media.generate_later("A boat", "a.png").result(10)
        assert current_media.gc().copied == 0
    fake.assert_uploaded("a.png", times=1)


def test_it_starts_no_thread_before_it_is_needed(app: Flask) -> None:
    """A request within a fake starts no queue of its own or of the app's."""
    before = threading.enumerate()  # other tests' may be among them
    with media.fake():
        current_media.generate_and_upload("A boat", "a.png")
        app.test_client().get("/")
        assert not {"flask-media-start", "flask-media-sweeper"} & {
            thread.name for thread in threading.enumerate() if thread not in before
        }


def test_nothing_stays_behind(app: Flask) -> None:
    """Its threads end with it: a suite may have thousands of fakes."""
    before = set(threading.enumerate())
    with media.fake():
        current_media.generate_later("A boat", "a.png").result(10)
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert set(threading.enumerate()) <= before


def test_the_real_one_is_asked_again_afterwards(make_app: MakeApp) -> None:
    """After the block the app asks its own model."""
    with GeminiEmulator() as emulator:
        app = make_app(GEMINI_BASE_URL=emulator.url, MEDIA_STORAGE="memory")
        with app.app_context():
            with media.fake():
                current_media.generate("Fake")
            assert emulator.calls == 0
            current_media.generate("Real")
            assert emulator.calls == 1


def test_a_failure_that_passes_is_tried_again(fake: Fake) -> None:
    """The service's own retries are at work, without waiting for them."""
    fake.fail_generation(ProviderUnavailable, times=2)
    result = current_media.generate_and_upload("A boat", "a.png")
    assert result.attempts == 3
    assert len(fake.calls) == 3
    assert fake.elapsed > 1
    fake.assert_generated(times=1)
