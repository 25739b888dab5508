"""Tests of ``flask_media.testing`` and its pytest plugin."""
