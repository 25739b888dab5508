"""Tasks meet the fake: eager ones, the app's own, and jobs of ``generate_later``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery import Task
from flask import Flask

from flask_media import NoImageReturned
from flask_media import RateLimited
from flask_media import current_media
from flask_media.testing import Fake
from flask_media.testing import fake as make_fake

from .conftest import MakeApp


@pytest.fixture
def celery() -> Iterator[Celery]:
    """A Celery app whose broker is out of reach; eager."""
    celery_app = Celery("shop", set_as_current=True)
    celery_app.conf.update(broker_url="redis://broker.invalid", task_always_eager=True)
    yield celery_app
    celery_app.close()


@pytest.fixture
def app(make_app: MakeApp, celery: Celery) -> Flask:
    """An app with MEDIA_QUEUE=celery, made as Flask's documentation makes it."""
    app = make_app(MEDIA_QUEUE="celery")

    class FlaskTask(Task):  # type: ignore[misc]  # Celery has no types
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery.Task = FlaskTask
    app.extensions["celery"] = celery
    return app


def test_own_task(celery: Celery, fake: Fake) -> None:
    """A task of the app's draws with the fake, and retries as its own code says."""

    @celery.task(bind=True, max_retries=1, default_retry_delay=300)
    def draw(self: Any) -> str:
        try:
            return current_media.generate_and_upload("A boat", "a.png").url
        except NoImageReturned as error:
            raise self.retry(exc=error) from error

    fake.fail_generation(NoImageReturned)
    assert draw.delay().get() == "memory://a.png"
    assert len(fake.calls) == 2


def test_eager_jobs(app: Flask, fake: Fake) -> None:
    """With ``task_always_eager`` a job is done, and tried again, within ``generate_later``."""
    fake.fail_generation(RateLimited("Later.", retry_after=3000))
    with app.app_context():
        job = current_media.generate_later("A boat", "a.png")
        assert job.refresh().status == "done"
    fake.assert_uploaded("a.png")


def test_no_message_leaves(app: Flask, celery: Celery) -> None:
    """Without it a job runs on threads of the fake: the broker is out of reach and not asked."""
    celery.conf.task_always_eager = False
    with app.app_context(), make_fake() as fake:
        assert current_media.generate_later("A boat", "a.png").result(10).object_key == "a.png"
        fake.assert_generated(times=1)
