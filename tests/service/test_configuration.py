"""What is configured, when it is noticed, and that threads and forks agree on it."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from flask_media import FlaskMedia
from flask_media import InvalidConfig
from flask_media import InvalidImage
from flask_media import InvalidRequest
from flask_media import NotConfigured
from flask_media import NotFound
from flask_media import StorageProvider
from flask_media import current_media
from flask_media.config import MediaConfig
from flask_media.emulator import GeminiEmulator

from .conftest import Heard
from .conftest import MakeApp


def test_url_that_cannot_be_built_costs_nothing(
    make_app: MakeApp, emulator: GeminiEmulator
) -> None:
    """A files route that needs more than the key is noticed before the picture is paid."""
    app = make_app()
    blueprint = FlaskMedia().create_blueprint(authorize=lambda _request: "me")
    app.register_blueprint(blueprint, url_prefix="/<tenant>/media")
    with app.app_context(), pytest.raises(NotConfigured, match="MEDIA_FILES_URL"):
        current_media.generate_and_upload("A house", "house.png")
    assert emulator.calls == 0


@pytest.mark.parametrize("references", [None, 5])
def test_references_that_are_no_list(app: Flask, references: object) -> None:
    """What can't be gone through is refused by name."""
    with pytest.raises(InvalidRequest, match="reference_images"):
        current_media.generate("A house", reference_images=references)  # type: ignore[arg-type]


def test_references_are_counted_before_they_are_read(app: Flask, emulator: GeminiEmulator) -> None:
    """Of an endless stream of pictures no more are taken than show that it is too long."""
    taken = []

    def endless() -> Iterator[bytes]:
        for number in itertools.count():
            taken.append(number)
            yield b"not even a picture"

    with pytest.raises(InvalidRequest, match="more than 14"):
        current_media.generate("A house", reference_images=endless())
    assert len(taken) == 15
    assert emulator.calls == 0


def test_missing_reference_is_named(app: Flask, emulator: GeminiEmulator) -> None:
    """A reference key that nothing is stored under says which of the references it is."""
    with pytest.raises(NotFound, match=r"reference_images\[0\]"):
        current_media.generate("A house", reference_images=["gone.png"])
    assert emulator.calls == 0


def test_answer_that_is_no_picture_says_whose_it_is(app: Flask, emulator: GeminiEmulator) -> None:
    """Bytes that the model sent are not mistaken for the user's own."""
    emulator.default_mode = "half-image"
    with pytest.raises(InvalidImage, match=r"gemini-nano-banana-2\.1 sent no usable picture"):
        current_media.generate("A house")


def test_any_failure_is_told(app: Flask, heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even an exception that is none of ours ends with its signal."""
    from PIL import Image

    save = Image.Image.save

    def exhausted(image: Image.Image, file: Any, name: str, **options: Any) -> None:
        if name.upper() == "WEBP":  # the emulator draws PNGs in this process
            raise MemoryError
        save(image, file, name, **options)

    monkeypatch.setattr(Image.Image, "save", exhausted)
    with pytest.raises(MemoryError):
        current_media.generate_and_upload("A house", "house.webp")
    assert heard.names == ["generation_started", "generation_failed"]
    assert isinstance(heard.values("generation_failed")["error"], MemoryError)


def test_configure_storage_keeps_what_is_not_given(make_app: MakeApp) -> None:
    """Without a provider the configured one stays; another one drops the endpoint of the first."""
    spaces = {
        "MEDIA_STORAGE": "spaces",
        "SPACES_PROVIDER": "cloudflare_r2",
        "SPACES_ENDPOINT_URL": "https://account.r2.cloudflarestorage.com",
        "SPACES_BUCKET": "one",
        "SPACES_CDN_URL": "https://cdn.example.com",
    }
    with make_app(**spaces).app_context():
        current_media.configure_storage(bucket="two")
        assert current_media.config.spaces_provider is StorageProvider.CLOUDFLARE_R2
        assert current_media.config.spaces_bucket == "two"
        assert current_media.config.spaces_endpoint_url
        current_media.configure_storage("digitalocean_spaces", "fra1", "three", "key", "secret")
        assert current_media.config.spaces_endpoint_url is None
        assert current_media.config.spaces_cdn_url is None


def test_configure_storage_needs_a_bucket(app: Flask) -> None:
    """Nothing to configure is an error, not silence."""
    with pytest.raises(InvalidConfig, match="bucket"):
        current_media.configure_storage()


def test_key_without_bucket_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """Credentials without a bucket, and the names of the guide's old config, are pointed out."""
    MediaConfig.from_mapping({"SPACES_KEY": "k", "DIGITALOCEAN_SPACES_BUCKET": "media"})
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "DIGITALOCEAN_SPACES_BUCKET" in warnings[0]
    assert "SPACES_BUCKET is not" in warnings[1]


def test_config_is_checked_however_it_is_made() -> None:
    """The class itself takes no wrong value and shows no key."""
    with pytest.raises(InvalidConfig, match="GEMINI_TIMEOUT"):
        MediaConfig(gemini_timeout=-1)
    shown = repr(MediaConfig(gemini_api_key="plain-key"))  # type: ignore[arg-type]
    assert "plain-key" not in shown


def test_reconfigured_under_load(app: Flask) -> None:
    """Whatever threads ask meanwhile, a new storage is the one that is written to from then on."""
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            app.extensions["media"]._pipeline  # noqa: B018 - makes it anew

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            current_media.configure_storage(StorageProvider.MEMORY)
            assert current_media._pipeline._storage is current_media.storage
    finally:
        done.set()
        for thread in threads:
            thread.join()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_fork_while_another_thread_holds_the_lock(app: Flask) -> None:
    """A forked child does not wait for a lock that its parent's thread held."""
    with current_media._parts._lock:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            try:
                thread = threading.Thread(target=lambda: app.extensions["media"].url("a.png"))
                thread.start()
                thread.join()
            finally:
                os._exit(0)  # whatever happens, this copy of the test run ends here
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
