"""What a row says of failures, and what asking again costs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from celery import Celery

from flask_media import ContentBlocked
from flask_media import ImageGenerationConfig
from flask_media import InProgress
from flask_media import InvalidRequest
from flask_media import NotConfigured
from flask_media import ProviderUnavailable
from flask_media import UploadFailed
from flask_media import signals
from flask_media.emulator import GeminiEmulator
from flask_media.request import in_celery_task

from .shop import SMALL
from .shop import Latch
from .shop import MakeShop
from .shop import Shop
from .shop import on_both


class Broken:
    """Lets storing fail, after all that is checked before a call is checked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        signals.upload_started.connect(self._break)

    def _break(self, sender: object, **values: object) -> None:
        if self._folder.is_dir():
            self._folder.rmdir()
        self._folder.write_text("not a folder")

    def __exit__(self, *_: object) -> None:
        signals.upload_started.disconnect(self._break)
        self._folder.unlink()


@on_both
def test_a_retry_does_not_pay_again(shop: Shop, emulator: GeminiEmulator, tmp_path: Path) -> None:
    """A picture that could not be stored is stored by the next asking, under the same key."""
    with shop.session() as session:
        goal = shop.add(session)
        with Broken(tmp_path / "media"), pytest.raises(UploadFailed) as caught:
            goal.generate_image("A house", config=SMALL)
        assert goal.image_generation_status == "failed"
        assert (goal.image_error, goal.image_url) == ("UploadFailed", None)
        assert goal.image_retryable == caught.value.retryable
        assert goal.image_job_id == caught.value.job_id
        key = goal.image_object_key
        goal.generate_image_later(config=SMALL)
        session.commit()
        goal.image_job.result(10)
        session.refresh(goal)
        assert goal.image_generation_status == "completed"
        assert (goal.image_error, goal.image_retryable) == (None, None)
        assert goal.image.object_key == key
        assert goal.image.job_id == caught.value.job_id
    assert emulator.calls == 1


def test_a_failure_in_the_background(shop: Shop, emulator: GeminiEmulator) -> None:
    """The row says why, what can be done, and keeps the picture it had."""
    with shop.session() as session:
        goal = shop.add(session)
        result = goal.generate_image("A house", config=SMALL)
        emulator.script("image-safety")
        goal.generate_image_later("A boat", config=SMALL)
        session.commit()
        with pytest.raises(ContentBlocked):
            goal.image_job.result(10)
        session.refresh(goal)
        assert goal.image_generation_status == "failed"
        assert (goal.image_error, goal.image_retryable) == ("ContentBlocked", False)
        assert goal.image == result
        assert goal.image_job.error.job_id == goal.image_job_id
        assert goal.refresh_image() == "failed"


def test_an_outage_can_be_tried_again(shop: Shop, emulator: GeminiEmulator) -> None:
    """A provider that is down makes the row failed, and the next asking makes the picture."""
    with shop.session() as session:
        goal = shop.add(session)
        emulator.script("503")
        with pytest.raises(ProviderUnavailable):
            goal.generate_image("A house", config=SMALL)
        assert goal.image_retryable is True
        goal.generate_image(config=SMALL)
        assert goal.image_generation_status == "completed"


def test_what_fails_at_the_commit_does_not_fail_the_commit(
    make_shop: MakeShop, emulator: GeminiEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    """A budget that is used up makes the row failed; it is stored all the same."""
    shop = make_shop(MEDIA_BUDGET_USD_PER_DAY="0.001")
    with shop.session() as session, caplog.at_level(logging.WARNING):
        goal = shop.goal(name="House")
        session.add(goal)
        goal.generate_image_later("A house", config=SMALL)
        session.commit()
        assert goal.image_generation_status == "failed"
        assert goal.image_error == "BudgetExceeded"
    assert "is not ordered" in caplog.text
    assert emulator.calls == 0


def test_what_can_be_known_before_the_commit(make_shop: MakeShop, emulator: GeminiEmulator) -> None:
    """A key or a spender that is none, a price that is not known, a queue that is not set up."""
    shop = make_shop(MEDIA_BUDGET_USD_PER_DAY="1", MEDIA_QUEUE="celery")
    unknown = ImageGenerationConfig(model="gemini-unpriced-image")
    with shop.session() as session:
        goal = shop.add(session)
        for ask in (goal.generate_image, goal.generate_image_later):
            with pytest.raises(InvalidRequest, match="idempotency_key"):
                ask("A house", idempotency_key="k" * 300)
            with pytest.raises(InvalidRequest, match="spender"):
                ask("A house", spender="")
            with pytest.raises(NotConfigured, match="GEMINI_MODEL"):
                ask("A house", config=unknown)
        with pytest.raises(NotConfigured, match="celery"):
            goal.generate_image_later("A house", config=SMALL)
        session.commit()
        assert (goal.image_generation_status, goal.image_object_key) == ("pending", None)
    assert emulator.calls == 0


def test_a_job_under_way_is_nobodys_failure(shop: Shop, emulator: GeminiEmulator) -> None:
    """Who will not wait is told so, and the row goes on to the picture."""
    latch = Latch(emulator)
    with shop.session() as session:
        goal = shop.add(session)
        goal.generate_image_later("A house", config=SMALL)
        session.commit()
        assert latch.asked.wait(10)
        job = goal.image_job
        with pytest.raises(InProgress):
            goal.generate_image("A house", config=SMALL, wait=False)
        assert (goal.image_generation_status, goal.image_job_id) == ("generating", job.id)
        goal.generate_image_later("A house", config=SMALL, wait=False)
        session.commit()
        assert (goal.image_generation_status, goal.image_job_id) == ("generating", job.id)
        latch.open()
        job.result(10)
        session.refresh(goal)
        assert goal.image_generation_status == "completed"
    assert emulator.calls == 1


def test_a_task_that_is_delivered_again(shop: Shop, emulator: GeminiEmulator) -> None:
    """In one Celery task it is the same picture, finished or not; outside it is a new one."""
    with shop.session() as session:
        goal = shop.add(session)
        with in_celery_task("task-1"):
            result = goal.generate_image("A house", config=SMALL)
        with in_celery_task("task-1"):
            again = goal.generate_image("A house", config=SMALL)
            goal.generate_image_later("A house", config=SMALL)
            session.commit()
        assert (again.job_id, again.cached) == (result.job_id, True)
        assert goal.image_generation_status == "completed"
        assert goal.image_job_id == result.job_id
    assert emulator.calls == 1


def test_a_job_on_celery(make_shop: MakeShop) -> None:
    """On Celery's queue, here at once, the row is in step as well."""
    celery_app = Celery("shop", set_as_current=False)
    celery_app.conf.update(task_always_eager=True)
    shop = make_shop(MEDIA_QUEUE="celery")
    shop.app.extensions["celery"] = celery_app
    with shop.session() as session:
        goal = shop.add(session)
        goal.generate_image_later("A house", config=SMALL)
        session.commit()
        assert goal.image_generation_status == "completed"
        assert goal.image_url == goal.image_job.result(10).url
    celery_app.close()
