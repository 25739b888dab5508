"""From bytes to verified bytes: inspect, fit, encode; and to what pages show of them.

Importing this package imports Pillow (0.03 s): import it where a picture is first at hand.
"""

from .containers import MAX_AVIF_PIXELS
from .containers import MAX_BYTES
from .containers import MAX_PIXELS
from .inspect import inspect
from .marks import GENERATED
from .preview import Preview
from .preview import preview
from .provenance import provenance
from .render import clean
from .render import render
from .render import scale_down
from .variants import Derived
from .variants import derive
from .variants import make_variants

__all__ = [
    "GENERATED",
    "MAX_AVIF_PIXELS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "Derived",
    "Preview",
    "clean",
    "derive",
    "inspect",
    "make_variants",
    "preview",
    "provenance",
    "render",
    "scale_down",
]
