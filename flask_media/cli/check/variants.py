"""MEDIA_VARIANTS: whether this machine can make them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...errors import MediaError
from ...options import ImageFormat
from ...registered import registered_on
from ..output import plural
from .finding import Finding
from .finding import fail
from .finding import ok

if TYPE_CHECKING:
    from flask import Flask

    from ...service import MediaService

SIDE = 16
"""Pixels of the picture that is encoded to see whether that can be done."""


def examine(app: Flask, service: MediaService) -> Iterator[Finding]:
    """Whether each of their formats can be written here, and somebody makes lazy ones."""
    variants, when = service.config.variants, service.config.variants_when
    if not variants:
        return
    if when == "lazy" and not registered_on(app.extensions).names:
        yield fail(
            "variants",
            "MEDIA_VARIANTS_WHEN is 'lazy', and the app has no blueprint that makes a variant when "
            "it is asked for: no picture is taken.",
            "Register one: app.register_blueprint(media.create_blueprint(authorize=...), "
            "url_prefix='/media'); or set MEDIA_VARIANTS_WHEN to 'eager' or 'later'.",
        )
        return
    formats = sorted({one.format for one in variants.values() if one.format})
    lacking = [one for one in formats if not _can_write(one)]
    if lacking:
        yield fail(
            "variants",
            f"Pillow can't write {_names(lacking)} here, which MEDIA_VARIANTS asks for.",
            "Install Pillow's own wheel, as by 'pip install --force-reinstall pillow', or give "
            "those variants another format.",
        )
        return
    said = f", as {_names(formats)}" if formats else ""
    yield ok("variants", f"{plural(len(variants), 'variant')} of each picture{said}, {when}")


def _can_write(one: ImageFormat) -> bool:
    from PIL import Image

    from ...imaging.encode import encode

    try:
        encode(Image.new("RGB", (SIDE, SIDE)), one)
    except MediaError:
        return False
    return True


def _names(formats: list[ImageFormat]) -> str:
    return " and ".join(one.name for one in formats)
