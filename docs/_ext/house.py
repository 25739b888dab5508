"""The picture of README and index: what the placeholder draws for README's prompt.

``python docs/_ext/house.py`` draws it anew.
"""

from __future__ import annotations

import io
from pathlib import Path

from flask import Flask
from PIL import Image  # noqa: TID253 (a script)

from flask_media import FlaskMedia
from flask_media import current_media

PROMPT = "A house by the sea"
PICTURE = Path(__file__).parents[1] / "_static" / "house.webp"
SIDE = 768
"""Of the file, in pixels: twice as many as are shown."""


def draw() -> Image.Image:
    """The picture as an app gets it, scaled down."""
    app = Flask(__name__)
    app.config.from_mapping(MEDIA_GENERATOR="placeholder", MEDIA_STORAGE="memory")
    FlaskMedia(app)
    with app.app_context():
        data = current_media.generate(PROMPT).data
    return Image.open(io.BytesIO(data)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    draw().save(PICTURE, quality=85, method=6)
