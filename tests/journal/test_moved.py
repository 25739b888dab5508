"""Jobs for a folder are known by its path."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from flask_media import MediaResult
from flask_media import UploadFailed
from flask_media.emulator import GeminiEmulator

from .conftest import MakeMedia
from .support import ask

Block = Callable[[], contextlib.AbstractContextManager[None]]


def test_jobs_of_a_folder_that_moved(
    make_media: MakeMedia, emulator: GeminiEmulator, blocked_storage: Block, tmp_path: Path
) -> None:
    """Under its new path it is another storage; by the old one, as a link, they are finished."""
    with blocked_storage(), pytest.raises(UploadFailed) as caught:
        ask(make_media())
    moved = tmp_path / "moved"
    (tmp_path / "media").rename(moved)
    media = make_media(MEDIA_FOLDER=str(moved))
    assert media.resume_all() == []
    (tmp_path / "media").symlink_to(moved)
    (result,) = make_media().resume_all()
    assert isinstance(result, MediaResult)
    assert result.job_id == caught.value.job_id
    assert media.exists(result.object_key)
    assert emulator.calls == 1
