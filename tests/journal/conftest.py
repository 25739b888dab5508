"""Apps whose journal is on SQLite, and on PostgreSQL."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_media import FlaskMedia
from flask_media import signals
from flask_media.emulator import MODES
from flask_media.emulator import Ask
from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply
from flask_media.journal.journal import Journal
from flask_media.journal.records import Busy
from flask_media.service import MediaService

from .halting import Halting
from .support import Gate

MakeMedia = Callable[..., MediaService]

MakeService = Callable[..., MediaService]


@pytest.fixture
def emulator() -> Iterator[GeminiEmulator]:
    """A Gemini emulator whose pictures differ from prompt to prompt."""
    with GeminiEmulator(vary=True) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The instance folder of the apps of ``make_service``."""
    return tmp_path / "instance"


@pytest.fixture
def make_service(emulator: GeminiEmulator, home: Path) -> Iterator[MakeService]:
    """Makes services with the defaults of journal and storage; keywords are config keys."""
    made: list[MediaService] = []

    def make(**config: Any) -> MediaService:
        app = Flask("shop", instance_path=str(home))
        app.config.update(GEMINI_API_KEY="key", GEMINI_BASE_URL=emulator.url)
        app.config.update(config)
        FlaskMedia(app)
        made.append(app.extensions["media"])
        return made[-1]

    yield make
    for service in made:
        service.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def journal_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new journal's SQLAlchemy URL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journal.sqlite3'}"
    make: Callable[[], str] = request.getfixturevalue("postgres")
    return make()


@pytest.fixture
def config(emulator: GeminiEmulator, journal_url: str, tmp_path: Path) -> dict[str, Any]:
    """The config of an app with a folder of its own for the pictures."""
    return {
        "GEMINI_API_KEY": "test-key",
        "GEMINI_BASE_URL": emulator.url,
        "MEDIA_STORAGE": "filesystem",
        "MEDIA_FOLDER": str(tmp_path / "media"),
        "MEDIA_FILES_URL": "https://pictures.example",
        "MEDIA_JOURNAL_URL": journal_url,
    }


@pytest.fixture
def make_media(config: dict[str, Any], tmp_path: Path) -> Iterator[MakeMedia]:
    """Makes services with one journal and one folder, as processes of an app have them."""
    made: list[MediaService] = []
    numbers = itertools.count()
    usual = config

    def make(**config: Any) -> MediaService:
        app = Flask("shop", instance_path=str(tmp_path / f"instance-{next(numbers)}"))
        app.config.update(usual)
        app.config.update(config)
        FlaskMedia(app)
        service: MediaService = app.extensions["media"]
        made.append(service)
        return service

    yield make
    for service in made:
        service.close()


@pytest.fixture
def media(make_media: MakeMedia) -> MediaService:
    """A service with the usual config."""
    return make_media()


@pytest.fixture
def halting(config: dict[str, Any], tmp_path: Path) -> Callable[..., Halting]:
    """Starts another process of the app of ``make_media``; keywords are config keys."""

    def start(
        call: str, arguments: dict[str, Any] | None = None, *, at: str | None, **changes: Any
    ) -> Halting:
        return Halting(
            {
                "instance": str(tmp_path / "instance-halting"),
                "config": config | changes,
                "call": call,
                "arguments": arguments or {},
                "at": at,
            }
        )

    return start


@pytest.fixture
def gate(emulator: GeminiEmulator) -> Iterator[Gate]:
    """Holds back the emulator's answers until it is opened."""
    gate = Gate()

    def hold(ask: Ask) -> Reply | None:
        gate.hold()
        return None

    emulator.handler(hold)
    yield gate
    gate.open()


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Waits until so many callers have found that another one is at what they ask for."""
    begin, callers = Journal.begin, set[int]()
    more = threading.Condition()

    def noted(*arguments: Any, **named: Any) -> Any:
        found = begin(*arguments, **named)
        if isinstance(found, Busy):
            with more:
                callers.add(threading.get_ident())
                more.notify_all()
        return found

    def wait(count: int) -> None:
        with more:
            assert more.wait_for(lambda: len(callers) >= count, 60)

    monkeypatch.setattr(Journal, "begin", noted)
    return wait


@pytest.fixture
def answer_by_model(emulator: GeminiEmulator) -> Callable[[dict[str, str]], None]:
    """Has each model answer in a mode of its own."""

    def answer(modes: dict[str, str]) -> None:
        def by_model(ask: Ask) -> Reply | None:
            name, *pairs = modes[ask.rec.model].split(",")
            ask.rec.mode = name
            ask.options |= dict(pair.split("=", 1) for pair in pairs)
            return MODES[name](ask)

        emulator.handler(by_model)

    return answer


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Threads for askings at the same time."""
    with ThreadPoolExecutor(200) as pool:
        yield pool


@pytest.fixture
def blocked_storage(tmp_path: Path) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """A context in which the storage goes down once a picture is paid for: its folder is away."""
    folder, away, lock = tmp_path / "media", tmp_path / "away", threading.Lock()

    def break_it(sender: object, **_: object) -> None:
        with lock:
            if folder.is_dir():
                folder.rename(away)
            folder.touch()

    @contextlib.contextmanager
    def block() -> Iterator[None]:
        with signals.upload_started.connected_to(break_it):
            yield
        folder.unlink()
        if away.exists():
            away.rename(folder)

    return block
