"""What the app does with Flask-Media."""

from __future__ import annotations

import math
import re
import unicodedata

from flask_media import ContentBlocked
from flask_media import InvalidRequest
from flask_media import MediaError
from flask_media import NotConfigured
from flask_media import ProviderRefused
from flask_media import RateLimited
from flask_media import UploadFailed
from flask_media import current_media

from .models import UserGoal
from .models import db

WORDS: dict[type[MediaError], str] = {
    ContentBlocked: "The picture service declines to draw this. Other words may help.",
    RateLimited: "The limit for pictures is reached. Please try again later.",
    NotConfigured: "Pictures are not set up on this server yet. Its owner has to do that.",
    ProviderRefused: (
        "The picture service refuses this site. Trying again changes nothing before the site's "
        "owner has mended that."
    ),
    InvalidRequest: "This can't be drawn. Please choose another name.",
    UploadFailed: "The picture is drawn but could not be stored yet. It is kept: please try again.",
}


def draw_goal(goal: UserGoal) -> None:
    """Generate the goal's picture, store it and note both in the database.

    Called again for a goal that failed or was cut off, it goes on where it stood: a picture that
    is paid for is stored, and not bought again.

    :raises MediaError: no picture came of it; the goal is marked as failed.
    """
    prompt = f"Visual representation of financial goal: {goal.name}"
    object_key = f"goals/{goal.id}/{slugify(goal.name)}.png"
    metadata = {"goal_id": goal.id, "goal_name": goal.name}
    # Committed before the call: no transaction stays open for the seconds that it takes.
    goal.image_generation_status = "generating"
    db.session.commit()
    try:
        result = current_media.generate_and_upload(prompt, object_key, metadata)
    except MediaError:
        goal.image_generation_status = "failed"
        db.session.commit()
        raise
    goal.image_url = result.url
    goal.image_prompt = result.prompt
    goal.image_generation_status = "completed"
    db.session.commit()


def slugify(text: str) -> str:
    """The text as a part of an object key: at most 60 of ``a-z``, ``0-9`` and ``-``.

    Different texts can give the same slug, so an id belongs into the key too.
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text)[:60].strip("-") or "picture"


def explain(error: MediaError) -> str:
    """What to tell the user. The error's own message is for the log: it names config keys."""
    if isinstance(error, RateLimited) and error.retry_after and error.retry_after < 3600:
        seconds = math.ceil(error.retry_after)  # a second too early is refused again
        return f"Too many pictures at once. Please try again in {seconds} seconds."
    for kind, words in WORDS.items():
        if isinstance(error, kind):
            return words
    if error.retryable:
        return "The picture did not come this time. Please try again."
    return "The picture could not be made. We will look into it."
