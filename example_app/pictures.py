"""All that the app does with Flask-Media: ordering pictures, following them, telling of errors."""

from __future__ import annotations

from collections.abc import Iterable

from flask import current_app

from flask_media import BudgetExceeded
from flask_media import ContentBlocked
from flask_media import ImageGenerationConfig
from flask_media import ImageSize
from flask_media import ImageTheme
from flask_media import InvalidRequest
from flask_media import MediaError
from flask_media import NotConfigured
from flask_media import NotFound
from flask_media import ProviderRefused
from flask_media import RateLimited
from flask_media import UploadFailed
from flask_media import current_media

from .models import Goal
from .models import Picture
from .models import db
from .texts import slugify

THEMES = [theme.value for theme in ImageTheme]
SHAPES = {
    "landscape": ImageSize.LANDSCAPE,
    "square": ImageSize.SQUARE,
    "portrait": ImageSize.PORTRAIT,
}

WORDS: dict[type[MediaError], str] = {
    ContentBlocked: "The picture service declines to draw this. Other words may help.",
    RateLimited: "Too many pictures are wanted just now. Please try again in a few minutes.",
    NotConfigured: "Pictures are not set up on this server yet. Its owner has to do that.",
    ProviderRefused: (
        "The picture service refuses this site. Trying again changes nothing before the site's "
        "owner has mended that."
    ),
    InvalidRequest: "This can't be drawn. Please choose other words.",
    UploadFailed: "The picture is drawn but could not be stored yet. It is kept: please try again.",
}


def add_picture(goal: Goal, *, scene: str, theme: str, shape: str) -> Picture:
    """Have a new version of the goal's picture drawn. The earlier ones stay."""
    picture = Picture(scene=scene, theme=theme, shape=shape)
    goal.pictures.insert(0, picture)
    db.session.flush()  # gives it its id, which makes the key its own
    name = f"{picture.id}-{slugify(scene)}.png"
    picture.object_key = f"users/{goal.user_id}/goals/{goal.id}/{name}"
    order(picture)
    return picture


def order(picture: Picture) -> None:
    """Have the picture drawn in the background, and commit what became of the order.

    For one that failed it is the same request again: it goes on where it stood, and what is paid
    for is stored and not bought again.
    """
    db.session.commit()  # no transaction stays open while the journal is written
    goal = picture.goal
    try:
        job = current_media.generate_later(
            f"Visual representation of financial goal: {picture.scene}",
            picture.object_key,
            {"goal_id": goal.id, "goal_name": goal.name},
            ImageGenerationConfig(theme=ImageTheme(picture.theme), size=SHAPES[picture.shape]),
            spender=str(goal.user_id),
        )
    except MediaError as error:
        _note(picture, error)
    else:
        picture.state, picture.job_id = "drawing", job.id
    db.session.commit()


def follow(pictures: Iterable[Picture]) -> None:
    """Note what became of those that were being drawn, and how far the others are.

    The journal knows it. Here it is read when somebody looks, so it does not matter which process
    draws; an app that has to act on it at once has signals and webhooks for that.
    """
    for picture in pictures:
        if picture.state == "drawing":
            _look_at(picture)
    db.session.commit()


def remove(goal: Goal) -> bool:
    """Delete a goal, and its pictures from the storage.

    :returns: False if a picture is being drawn that can't be stopped; nothing is deleted then.
    """
    follow(goal.pictures)
    for picture in goal.pictures:
        if picture.state == "drawing" and not current_media.job(picture.job_id or "").cancel():
            return False
    for picture in goal.pictures:
        current_media.delete(picture.object_key)
    db.session.delete(goal)
    db.session.commit()
    return True


def explain(error: MediaError) -> str:
    """What to tell the user. The error's own message is for the log: it names config keys."""
    if isinstance(error, BudgetExceeded):
        whose = "Your budget" if error.spender else "This site's budget"
        when = f" It starts anew {error.resets_at:%A at %H:%M} UTC." if error.resets_at else ""
        return f"{whose} for pictures is used up for today.{when} Nothing was charged."
    for kind, words in WORDS.items():
        if isinstance(error, kind):
            return words
    if error.retryable:
        return "The picture did not come this time. Please try again."
    return "The picture could not be made. We will look into it."


def _look_at(picture: Picture) -> None:
    try:
        job = current_media.job(picture.job_id or "")
    except NotFound:  # nobody came for long, and the journal has forgotten a job of the past
        is_there = current_media.exists(picture.object_key)
        picture.state = "stored" if is_there else "failed"
        return
    picture.progress = job.progress
    if job.stored:
        picture.state, picture.problem = "stored", None
    elif job.error:
        _note(picture, job.error)


def _note(picture: Picture, error: MediaError) -> None:
    current_app.logger.warning("Picture %d: %s", picture.id, error)
    picture.state = "refused" if isinstance(error, ContentBlocked | InvalidRequest) else "failed"
    picture.problem = explain(error)
