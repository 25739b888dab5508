"""Loads all that a picture needs, at import: programs are forked from a process that did this."""

from __future__ import annotations

import gc
import importlib.util
import tempfile
import threading

import sqlalchemy as sa
from flask import Flask

from flask_media import FlaskMedia
from flask_media import ImageGenerationConfig
from flask_media.emulator import GeminiEmulator

from . import statements


def warm_up() -> None:
    """Have one picture made, which loads modules, prices and the SDK's models."""
    with (
        tempfile.TemporaryDirectory() as folder,
        GeminiEmulator(width=64, height=64) as emulator,
    ):
        app = Flask("warm", instance_path=folder)
        app.config.update(GEMINI_API_KEY="key", GEMINI_BASE_URL=emulator.url)
        FlaskMedia(app)
        media = app.extensions["media"]
        media.generate_and_upload(
            "A house", "house.png", config=ImageGenerationConfig(size=(64, 64))
        )
        media.close()
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()  # a fork takes none along, nor what one holds
    if importlib.util.find_spec("psycopg"):
        sa.create_engine("postgresql+psycopg://")  # loads the driver, and connects to nothing
    gc.collect()
    gc.freeze()  # what is shared with those that are forked stays shared


statements.share()
warm_up()
