"""Commits that the database made and whose answer never came, as when a connection breaks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.engine.default import DefaultDialect

from flask_media import ImageGenerationConfig
from flask_media import JournalError
from flask_media import MediaError
from flask_media import UploadFailed
from flask_media import signals
from flask_media.emulator import GeminiEmulator
from flask_media.journal.database import Database

from .conftest import MakeMedia
from .support import ask
from .support import record

Lose = Callable[[int], Callable[[], bool]]

SMALL = ImageGenerationConfig(size=(64, 64))


@pytest.fixture
def lose(monkeypatch: pytest.MonkeyPatch) -> Lose:
    """Loses the answer of the commit of that number from now on; what it returns says whether it
    came to that."""
    commit: Any = DefaultDialect.do_commit
    left = 0

    def committing(dialect: Any, connection: Any) -> None:
        nonlocal left
        commit(dialect, connection)
        left -= 1
        if left == 0:
            raise dialect.loaded_dbapi.OperationalError("the connection broke")

    def from_now(number: int) -> Callable[[], bool]:
        nonlocal left
        left = number
        return lambda: left <= 0

    monkeypatch.setattr(DefaultDialect, "do_commit", committing)
    return from_now


@pytest.mark.parametrize(
    ("has_receivers", "number"),
    [*((True, number) for number in range(1, 5)), *((False, number) for number in range(1, 4))],
)
def test_each_commit_of_a_picture(
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    lose: Lose,
    request: pytest.FixtureRequest,
    *,
    has_receivers: bool,
    number: int,
) -> None:
    """Whichever answer is lost: the picture is bought once, stored, and its job is done."""
    media = make_media(MEDIA_LEASE=1)
    media.resume_all()  # the tables are there
    heard: list[str] = []
    if has_receivers:

        def receive(_: object, job_id: str, **__: object) -> None:
            heard.append(job_id)

        signals.upload_finished.connect(receive)
        request.addfinalizer(lambda: signals.upload_finished.disconnect(receive))
    has_come = lose(number)
    with contextlib.suppress(JournalError):
        ask(media, idempotency_key="k", config=SMALL)
    assert has_come()
    media.close()
    other = make_media(MEDIA_LEASE=1)
    assert not [one for one in other.resume_all() if isinstance(one, MediaError)]
    result = ask(other, idempotency_key="k", config=SMALL)
    assert emulator.calls == 1
    assert other.exists(result.object_key)
    assert record(other, result.job_id).state.value == "done"
    assert other.journal.picture(result.job_id) is None
    assert set(heard) == ({result.job_id} if has_receivers else set())
    assert other.usage().pictures == 1


def test_of_a_picture_that_can_not_be_stored(
    make_media: MakeMedia, emulator: GeminiEmulator, lose: Lose, blocked_storage: Callable[..., Any]
) -> None:
    """Neither the journal's answer nor the storage is there: the picture is in the journal."""
    media = make_media()
    media.resume_all()
    lose(2)
    with blocked_storage(), pytest.raises(UploadFailed) as caught:
        ask(media, idempotency_key="k", config=SMALL)
    assert media.journal.picture(caught.value.job_id or "") is not None
    assert ask(make_media(), idempotency_key="k", config=SMALL).job_id == caught.value.job_id
    assert emulator.calls == 1


def test_while_the_journal_is_away(
    make_media: MakeMedia,
    emulator: GeminiEmulator,
    lose: Lose,
    blocked_storage: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor can the row be looked at before the picture can't be stored: it is in the journal."""
    media = make_media()
    media.resume_all()
    has_come = lose(2)
    read, was_away = Database.read, False

    def unreachable(database: Database) -> Any:
        nonlocal was_away
        if has_come() and not was_away:
            was_away = True
            raise JournalError("It is away.", retryable=True)
        return read(database)

    monkeypatch.setattr(Database, "read", unreachable)
    with blocked_storage(), pytest.raises(UploadFailed) as caught:
        ask(media, idempotency_key="k", config=SMALL)
    assert was_away
    assert media.journal.picture(caught.value.job_id or "") is not None
    assert ask(make_media(), idempotency_key="k", config=SMALL).job_id == caught.value.job_id
    assert emulator.calls == 1
