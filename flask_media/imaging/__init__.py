"""From bytes to verified bytes: inspect, fit, encode.

Importing this package imports Pillow (0.03 s): import it where a picture is first at hand.
"""

from .containers import MAX_AVIF_PIXELS
from .containers import MAX_BYTES
from .containers import MAX_PIXELS
from .inspect import inspect
from .render import render
from .render import scale_down

__all__ = ["MAX_AVIF_PIXELS", "MAX_BYTES", "MAX_PIXELS", "inspect", "render", "scale_down"]
