"""The doors to the journal: their signatures, whose jobs they take, and what they sum."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_media import InvalidRequest
from flask_media import MediaError
from flask_media import MediaService
from flask_media import NotFound
from flask_media import UploadFailed
from flask_media import current_media
from flask_media import signals
from flask_media.emulator import GeminiEmulator

from .conftest import MakeApp

NEED = inspect.Parameter.empty
SIGNATURES: dict[Callable[..., object], tuple[dict[str, Any], dict[str, Any]]] = {
    MediaService.generate_and_upload: (
        {"prompt": NEED, "object_key": NEED, "metadata": None, "config": None},
        {
            "reference_images": (),
            "variants": None,
            "keep_original": None,
            "idempotency_key": None,
            "reuse": False,
            "spender": None,
            "wait": True,
        },
    ),
    MediaService.generate: (
        {"prompt": NEED, "config": None},
        {"reference_images": (), "spender": None},
    ),
    MediaService.upload: (
        {"data": NEED, "object_key": NEED, "metadata": None},
        {"variants": None, "keep_original": None, "reencode": None},
    ),
    MediaService.resume: ({"job_id": NEED}, {"buy": False}),
    MediaService.resume_all: ({}, {}),
    MediaService.usage: ({"since": None, "by": None}, {"spender": None}),
    MediaService.gc: ({"older_than": None}, {}),
}


@pytest.mark.parametrize("method", SIGNATURES, ids=lambda method: method.__name__)
def test_signatures(method: Callable[..., object]) -> None:
    """Names, order, defaults and what must be named are as promised."""
    positional, named = SIGNATURES[method]
    parameters = list(inspect.signature(method).parameters.values())[1:]
    found = {p.name: p.default for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}
    assert (found, list(found)) == (positional, list(positional))
    assert {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY} == named
    assert len(parameters) == len(positional) + len(named)


@pytest.mark.parametrize(
    "wrong",
    [
        {"idempotency_key": ""},
        {"idempotency_key": "k" * 256},
        {"idempotency_key": 7},
        {"idempotency_key": "a\ud800"},
        {"spender": ""},
        {"spender": 7},
        {"spender": "x" * 256},
    ],
    ids=repr,
)
def test_wrong_names_cost_nothing(
    app: Flask, emulator: GeminiEmulator, wrong: dict[str, Any]
) -> None:
    """A key or a spender that can't be one is refused by name before anything is recorded."""
    with pytest.raises(InvalidRequest, match=next(iter(wrong))):
        current_media.generate_and_upload("A house", "house.png", **wrong)
    assert current_media.usage().jobs == 0
    assert emulator.calls == 0


def test_a_job_for_another_storage_is_left_to_it(
    make_app: MakeApp, emulator: GeminiEmulator, tmp_path: Path
) -> None:
    """Of two apps with one journal and two folders, each finishes what is for its own."""
    folders = {name: tmp_path / name for name in ("one", "two")}
    one, two = (
        make_app(MEDIA_STORAGE="filesystem", MEDIA_FOLDER=str(folder)).extensions["media"]
        for folder in folders.values()
    )

    def break_it(sender: object, **values: object) -> None:
        folders["one"].rmdir()
        folders["one"].write_text("no folder")

    with signals.upload_started.connected_to(break_it), pytest.raises(UploadFailed):
        one.generate_and_upload("A house", "house.png")
    folders["one"].unlink()
    assert two.resume_all() == []
    assert not two.exists("house.png")
    (result,) = one.resume_all()
    assert result.url == (folders["one"] / "house.png").as_uri()
    assert emulator.calls == 1


def test_resume_of_nothing(app: Flask) -> None:
    """An id that is no job's is NotFound, and the message has it."""
    with pytest.raises(NotFound, match="'7f'"):
        current_media.resume("7f")


def test_usage(app: Flask) -> None:
    """Sums are by what is asked for, from when is asked for; what is unknown is no 0."""
    first = current_media.generate_and_upload("A house", "a.png", spender="ada")
    current_media.generate("A boat", spender="bob")
    assert first.cost_usd is not None
    total = current_media.usage()
    assert (total.jobs, total.pictures, total.unpriced) == (2, 2, 0)
    assert total.cost_usd > first.cost_usd
    by_spender = current_media.usage(by="spender")
    assert {name: spend.jobs for name, spend in by_spender.items()} == {"ada": 1, "bob": 1}
    assert by_spender["ada"].cost_usd == first.cost_usd
    assert list(current_media.usage(by="model")) == ["gemini-nano-banana-2.1"]
    today = datetime.now(UTC).date()
    assert set(current_media.usage(by="day")) <= {str(today), str(today - timedelta(days=1))}


@pytest.mark.parametrize(
    ("since", "jobs"),
    [
        (lambda: datetime.now(UTC) - timedelta(minutes=5), 1),
        (lambda: datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=5), 1),
        (lambda: datetime.now(UTC) + timedelta(minutes=5), 0),
        (lambda: date(2026, 1, 1), 1),
        (lambda: date(2126, 1, 1), 0),
        (lambda: None, 1),
    ],
)
def test_usage_since(app: Flask, since: Callable[[], date | None], jobs: int) -> None:
    """A time counts from there, a day from its midnight, in UTC where no zone is named."""
    current_media.generate("A house")
    assert current_media.usage(since()).jobs == jobs


@pytest.mark.parametrize(
    ("wrong", "name"),
    [({"by": "user"}, "by"), ({"since": "2026"}, "since"), ({"since": 7}, "since")],
)
def test_wrong_usage(app: Flask, wrong: dict[str, Any], name: str) -> None:
    """What can't be summed by or from is refused by name."""
    with pytest.raises(InvalidRequest, match=f"^{name} "):
        current_media.usage(**wrong)


def test_one_job_that_no_stage_foresaw_stops_no_other(
    make_app: MakeApp, emulator: GeminiEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """resume_all gives an error for it, and finishes the others."""
    from PIL import Image

    service = make_app(MEDIA_STORAGE="filesystem", MEDIA_FOLDER=str(tmp_path)).extensions["media"]
    save = Image.Image.save

    def exhausted(image: Image.Image, file: object, name: str, **options: object) -> None:
        if name.upper() == "WEBP":  # the emulator draws PNGs in this process
            raise MemoryError
        save(image, file, name, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "save", exhausted)
    for key in ("a.webp", "b.webp"):
        with pytest.raises(MemoryError):
            service.generate_and_upload("A house", key)
    errors = service.resume_all()
    assert [type(error) for error in errors] == [MediaError, MediaError]
    assert all("MemoryError" in str(error) and error.job_id for error in errors)
    monkeypatch.setattr(Image.Image, "save", save)
    assert [result.object_key for result in service.resume_all()] == ["a.webp", "b.webp"]
    assert emulator.calls == 2
