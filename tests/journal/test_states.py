"""The drawing of the states is the truth: nothing else happens, and all of it can."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy import exc

from flask_media import MediaError
from flask_media import MediaService
from flask_media import UploadFailed
from flask_media import signals
from flask_media.emulator import GeminiEmulator
from flask_media.journal import states
from flask_media.journal.states import NEXT
from flask_media.journal.states import UNFINISHED
from flask_media.journal.states import State

from .conftest import MakeMedia
from .support import record
from .support import sql

SPY_ON_SQLITE = (
    "CREATE TABLE spy (number INTEGER PRIMARY KEY, old TEXT, new TEXT)",
    """CREATE TRIGGER spy_insert AFTER INSERT ON media_jobs BEGIN
        INSERT INTO spy (old, new) VALUES (NULL, NEW.state);
    END""",
    """CREATE TRIGGER spy_update AFTER UPDATE OF state ON media_jobs WHEN OLD.state <> NEW.state
    BEGIN
        INSERT INTO spy (old, new) VALUES (OLD.state, NEW.state);
    END""",
)

SPY_ON_POSTGRESQL = (
    "CREATE TABLE spy (number BIGSERIAL PRIMARY KEY, old TEXT, new TEXT)",
    """CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO spy (old, new) VALUES (NULL, NEW.state);
        ELSIF OLD.state <> NEW.state THEN
            INSERT INTO spy (old, new) VALUES (OLD.state, NEW.state);
        END IF;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER spy AFTER INSERT OR UPDATE ON media_jobs
    FOR EACH ROW EXECUTE FUNCTION spy()""",
)

KILLED = """
import os, signal, sys
from flask import Flask
from flask_media import FlaskMedia, signals
app = Flask("shop", instance_path={instance!r})
app.config.update({config!r})
FlaskMedia(app)

@signals.{signal}.connect
def die(sender, **values):
    os.kill(os.getpid(), signal.SIGKILL)

app.extensions["media"].{call}
"""


class Spy:
    """What the database itself saw of the states."""

    def __init__(self, url: str) -> None:
        self._url = url
        is_sqlite = url.startswith("sqlite")
        for statement in SPY_ON_SQLITE if is_sqlite else SPY_ON_POSTGRESQL:
            with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
                connection.exec_driver_sql(statement)

    @property
    def steps(self) -> list[tuple[str | None, str]]:
        """Each change of a state, in order."""
        return sql(self._url, "SELECT old, new FROM spy ORDER BY number")

    @property
    def path(self) -> str:
        """The states of the one job, in order."""
        return " ".join(new for _, new in self.steps)


@pytest.fixture
def listener() -> Iterator[list[str]]:
    """Hears of what is stored: the ids of the jobs."""
    heard: list[str] = []

    def receive(_sender: object, *, job_id: str, **_: object) -> None:
        heard.append(job_id)

    with signals.upload_finished.connected_to(receive):
        yield heard


@pytest.fixture
def spy(media: MediaService, journal_url: str) -> Spy:
    """Watches the journal from its first job on."""
    assert media.resume_all() == []
    return Spy(journal_url)


def _try(call: Callable[[], object]) -> MediaError | None:
    try:
        call()
    except MediaError as error:
        return error
    return None


def _draw(service: MediaService, key: str = "house.png", **values: Any) -> MediaError | None:
    return _try(lambda: service.generate_and_upload("A house", key, **values))


class Stage:
    """What the scenes below have at hand."""

    def __init__(self, make: MakeMedia, emulator: GeminiEmulator, url: str, folder: Path) -> None:
        self.make = make
        self.emulator = emulator
        self.url = url
        self.folder = folder

    def killed(self, moment: str, call: str) -> None:
        """A process that is killed when the signal of that name is sent."""
        config = {
            "GEMINI_API_KEY": "key",
            "GEMINI_BASE_URL": self.emulator.url,
            "MEDIA_FOLDER": str(self.folder),
            "MEDIA_JOURNAL_URL": self.url,
        }
        instance = str(self.folder.parent / "killed")
        code = KILLED.format(instance=instance, config=config, signal=moment, call=call)
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
            timeout=60,
        )
        assert done.returncode == -signal.SIGKILL


STORE = "generate_and_upload('A house', 'house.png')"


def _stored(stage: Stage) -> None:
    assert _draw(stage.make()) is None


def _returned(stage: Stage) -> None:
    assert stage.make().generate("A house").data


def _refused_then_stored(stage: Stage) -> None:
    stage.emulator.script("503,after=0")
    assert _draw(stage.make()) is None


def _refused_for_good(stage: Stage) -> None:
    stage.emulator.script("403")
    for _ in range(2):
        assert _draw(stage.make(), idempotency_key="once")
    assert stage.emulator.calls == 1


def _blocked(stage: Stage) -> None:
    stage.emulator.script("image-safety")
    assert _draw(stage.make())


def _failed_then_stored(stage: Stage) -> None:
    stage.emulator.script("text-only")
    service = stage.make()
    error = _draw(service)
    assert error is not None
    assert error.job_id is not None
    assert service.resume(error.job_id)


def _cut_off_then_stored(stage: Stage) -> None:
    stage.emulator.script("reset")
    assert _draw(stage.make())
    assert _draw(stage.make()) is None


def _unreadable(stage: Stage) -> None:
    stage.emulator.script("bad-base64")
    assert _draw(stage.make())


def _no_picture(stage: Stage) -> None:
    stage.emulator.script("bad-image")
    assert _draw(stage.make())


def _storage_down(stage: Stage) -> None:
    folder, service = stage.folder, stage.make()

    def break_it(sender: object, **values: object) -> None:
        folder.rmdir()
        folder.write_text("no folder")

    with signals.upload_started.connected_to(break_it):
        error = _draw(service)
    assert isinstance(error, UploadFailed)
    folder.unlink()
    (result,) = stage.make().resume_all()
    assert result.job_id == error.job_id
    assert stage.emulator.calls == 1


def _killed_while_asking(stage: Stage) -> None:
    stage.killed("generation_started", STORE)
    assert len(stage.make().resume_all()) == 1


def _killed_while_storing(stage: Stage) -> None:
    stage.killed("upload_started", STORE)
    assert len(stage.make().resume_all()) == 1
    assert stage.emulator.calls == 1


def _killed_before_the_last_word(stage: Stage) -> None:
    stage.killed("upload_finished", STORE)
    assert len(stage.make().resume_all()) == 1
    assert stage.emulator.calls == 1


def _killed_with_nobody_waiting(stage: Stage) -> None:
    stage.killed("generation_started", "generate('A house')")
    (error,) = stage.make().resume_all()
    assert isinstance(error, MediaError)
    assert stage.emulator.calls == 0


SCENES: dict[Callable[[Stage], None], str] = {
    _stored: "generating generated uploaded done",
    _returned: "generating generated done",
    _refused_then_stored: "generating requested generating generated uploaded done",
    _refused_for_good: "generating requested failed",
    _blocked: "generating failed",
    _failed_then_stored: "generating failed requested generating generated uploaded done",
    _cut_off_then_stored: "generating unknown generating generated uploaded done",
    _unreadable: "generating quarantined",
    _no_picture: "generating generated quarantined",
    _storage_down: "generating generated uploaded done",
    _killed_while_asking: "generating unknown generating generated uploaded done",
    _killed_while_storing: "generating generated uploaded done",
    _killed_before_the_last_word: "generating generated uploaded done",
    _killed_with_nobody_waiting: "generating unknown failed",
}


@pytest.mark.usefixtures("listener")
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__.strip("_"))
def test_scene(
    *,
    scene: Callable[[Stage], None],
    spy: Spy,
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    journal_url: str,
    tmp_path: Path,
) -> None:
    """The job takes just these states, and each step is in the drawing."""
    scene(Stage(make_media, emulator, journal_url, tmp_path / "media"))
    assert spy.path == SCENES[scene]
    for old, new in spy.steps:
        if old is not None:
            assert State(new) in NEXT[State(old)]


UNRECORDED = {
    (State.GENERATING, State.UPLOADED),
    (State.GENERATING, State.DONE),
}
"""Where the journal could not be written between; the test after next sees to them."""


def test_the_scenes_show_all_of_it() -> None:
    """Every state is reached, and every step that is allowed is taken in one of the scenes."""
    seen = set()
    for path in SCENES.values():
        names = [State(name) for name in path.split()]
        seen |= set(itertools.pairwise(names))
    allowed = {(old, new) for old, after in NEXT.items() for new in after}
    assert allowed == seen | UNRECORDED
    assert set(State) == set(NEXT) == {state for pair in seen for state in pair}


def test_the_unfinished_are_those_that_go_on() -> None:
    """Unfinished are the states from which a job goes on by itself; ``failed`` must be asked."""
    assert set(UNFINISHED) == {state for state, after in NEXT.items() if after} - {State.FAILED}


def test_every_state_is_drawn() -> None:
    """The drawing has every state and no other word in its place."""
    drawing = (states.__doc__ or "").partition("A new job")[0]
    for state in State:
        assert re.search(rf"\b{state.value}\b", drawing), state


class DiskFullError(Exception):
    """What the database's driver says."""


@pytest.fixture
def full_disk(media: MediaService) -> Iterator[tuple[MediaService, set[str]]]:
    """A service whose journal can't be written when a job gets one of the states in the set."""
    service, refused = media, set[str]()
    service.resume_all()

    def before(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        values = parameters.values() if isinstance(parameters, dict) else parameters
        if statement.startswith("UPDATE media_jobs") and refused.intersection(values):
            raise exc.OperationalError(statement, {}, DiskFullError("disk full"))

    engine = service.journal._db._live_engine()
    event.listen(engine, "before_cursor_execute", before)
    yield service, refused
    event.remove(engine, "before_cursor_execute", before)


@pytest.mark.parametrize(
    ("has_receivers", "unwritten", "path", "left"),
    [
        (True, "generated", "generating uploaded done", 0),
        (True, "uploaded", "generating generated uploaded done", 1),
        (True, "done", "generating generated uploaded done", 1),
        (True, "generated uploaded", "generating unknown generating generated uploaded done", 1),
        (False, "generated", "generating done", 0),
        (False, "done", "generating generated done", 1),
        (False, "generated done", "generating unknown generating generated done", 1),
    ],
)
def test_what_is_done_is_done_though_it_can_not_be_recorded(
    *,
    full_disk: tuple[MediaService, set[str]],
    spy: Spy,
    emulator: GeminiEmulator,
    request: pytest.FixtureRequest,
    has_receivers: bool,
    unwritten: str,
    path: str,
    left: int,
) -> None:
    """A journal that fails after the call costs no picture, and the job is finished later."""
    if has_receivers:
        request.getfixturevalue("listener")
    service, refused = full_disk
    refused |= set(unwritten.split())
    result = service.generate_and_upload("A house", "house.png")
    assert service.stat("house.png").sha256 == result.sha256
    refused.clear()
    again = service.resume_all()
    assert len(again) == left
    assert spy.path == path
    assert emulator.calls == 1 + path.count("unknown")
    for old, new in spy.steps:
        assert old is None or State(new) in NEXT[State(old)]


def test_where_nobody_is_told_it_is_done_when_it_is_stored(
    make_media: MakeMedia, media: MediaService, spy: Spy, emulator: GeminiEmulator
) -> None:
    """Without a receiver of ``upload_finished`` the commit that lists the picture is the last."""
    result = media.generate_and_upload("A house", "house.png")
    assert spy.path == "generating generated done"
    assert record(media, result.job_id).result == result.to_dict()
    assert media.info("house.png").sha256 == result.sha256
    assert media.journal.picture(result.job_id) is None
    assert make_media().resume_all() == []
    assert emulator.calls == 1


def test_a_returned_picture_is_returned_though_it_can_not_be_recorded(
    full_disk: tuple[MediaService, set[str]], spy: Spy
) -> None:
    """``generate`` gives its picture, and what could not be recorded is left out."""
    service, refused = full_disk
    refused.add("generated")
    assert service.generate("A house").data
    assert spy.path == "generating done"
