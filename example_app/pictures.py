"""All that the app does with Flask-Media: ordering pictures, following them, telling of errors."""

from __future__ import annotations

from collections.abc import Iterable

from flask import current_app

from flask_media import ImageGenerationConfig
from flask_media import ImageSize
from flask_media import ImageTheme
from flask_media import InvalidRequest
from flask_media import NotConfigured

from .models import Goal
from .models import Picture
from .models import db

THEMES = [theme.value for theme in ImageTheme]
SHAPES = {
    "landscape": ImageSize.LANDSCAPE,
    "square": ImageSize.SQUARE,
    "portrait": ImageSize.PORTRAIT,
}

WORDS = {
    None: "Drawing was cut off. Nothing is lost: please try again.",
    "BudgetExceeded": (
        "The budget for pictures is used up. There is a new one each day from 00:00 UTC: please "
        "try again then. Nothing was charged."
    ),
    "ContentBlocked": "The picture service declines to draw this. Other words may help.",
    "InvalidRequest": "This can't be drawn. Please choose other words.",
    "NotConfigured": "Pictures are not set up on this server yet. Its owner has to do that.",
    "ProviderRefused": (
        "The picture service refuses this site. Trying again changes nothing before the site's "
        "owner has mended that."
    ),
    "RateLimited": "Too many pictures are wanted just now. Please try again in a few minutes.",
    "UploadFailed": (
        "The picture is drawn but could not be stored yet. It is kept: please try again."
    ),
}
"""What to tell whoever asked, by the error's name. Its own message is for the log: it names config
keys."""


def add_picture(goal: Goal, *, scene: str, theme: str, shape: str) -> None:
    """Have a new version of the goal's picture drawn. The earlier ones stay."""
    picture = Picture(scene=scene, theme=theme, shape=shape)
    goal.pictures.insert(0, picture)
    order(picture)


def order(picture: Picture) -> None:
    """Have the picture drawn in the background, and commit.

    For one that failed it is the same request again: it goes on where it stood, and what is paid
    for is stored and not bought again.
    """
    try:
        picture.generate_image_later(
            f"Visual representation of financial goal: {picture.scene}",
            config=ImageGenerationConfig(
                theme=ImageTheme(picture.theme), size=SHAPES[picture.shape]
            ),
            spender=str(picture.goal.user_id),
        )
    except (InvalidRequest, NotConfigured) as error:  # other errors are in the row by themselves
        current_app.logger.warning("%s", error)
        picture.image_generation_status = "failed"
        picture.image_error = type(error).__name__
    db.session.commit()


def follow(pictures: Iterable[Picture]) -> None:
    """Bring those up to date that are being drawn, should a process have died over one."""
    for picture in pictures:
        if picture.state == "drawing":
            picture.refresh_image()


def explain(picture: Picture) -> str:
    """Why there is no picture, and what helps."""
    if picture.image_error in WORDS:
        return WORDS[picture.image_error]
    if picture.image_retryable:
        return "The picture did not come this time. Please try again."
    return "The picture could not be made. Other words, or another style, may help."
