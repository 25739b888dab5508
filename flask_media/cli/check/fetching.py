"""An object fetched as a browser would."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request

SECONDS = 15.0
"""How long to wait for it."""


def fetch(url: str, expected: bytes) -> str | None:
    """What is wrong with what the URL gives, as the end of a sentence; None if nothing is."""
    request = urllib.request.Request(url, headers={"User-Agent": "flask-media check"})  # noqa: S310 - the config's own
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            is_same = answer.read(len(expected) + 1) == expected
    except urllib.error.HTTPError as error:
        with error:
            return f"answers {error.code}"
    except urllib.error.URLError as error:
        reason = error.reason
        words = reason.strerror if isinstance(reason, OSError) and reason.strerror else reason
        return f"can't be fetched ({words})"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"can't be fetched ({type(error).__name__})"
    return None if is_same else "serves something else than was stored"
