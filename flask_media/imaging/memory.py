"""What the C library keeps of freed pictures, given back."""

from __future__ import annotations

import functools
from collections.abc import Callable

LARGE_PIXELS = 4_000_000
"""From here on memory counts more than the time that bands cost (a tenth of the scaling)."""


def give_back(pixels: int) -> None:
    """Return freed memory to the system, where the C library can be told to (glibc).

    It keeps what lies between things that are still in use, and the threads of the encoders can't
    use that: they have heaps of their own. It takes a millisecond or two, which large pictures
    alone are worth.

    :param pixels: of the picture that is no longer needed.
    """
    trim = _malloc_trim() if pixels >= LARGE_PIXELS else None
    if trim is not None:
        trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    import ctypes

    try:
        trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    except (OSError, TypeError):  # no C library that can be asked
        return None
    return trim
