"""Keeps SPACES_KEY out of what botocore logs of each request at DEBUG."""

from __future__ import annotations

import logging
from urllib.parse import quote

MASK = "***"

SHORTEST_MASKED = 8
"""Shorter key ids are left alone where they may be a word of the text."""

_LOGGERS = ("botocore.auth", "botocore.endpoint", "botocore.parsers")
"""Those that log requests with their signature, or what a server says of it.

A filter is asked for the records of its own logger alone, and only of a level that is logged.
"""


def mask(text: str, key_id: str) -> str:
    """The text without the key id."""
    text = text.replace(f"Credential={key_id}", f"Credential={MASK}") if key_id else text
    return text.replace(key_id, MASK) if len(key_id) >= SHORTEST_MASKED else text


class _KeyFilter(logging.Filter):
    """Masks the key ids of this process's storages; other records pass as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.key_ids: frozenset[str] = frozenset()

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - the handlers report it, and no request shall fail
            return True
        masked = text
        for key_id in self.key_ids:
            masked = mask(masked, key_id)
        if masked != text:
            record.msg, record.args = masked, ()
        return True


_filter = _KeyFilter()


def hide_in_logs(key_id: str) -> None:
    """Mask this key id in botocore's log from now on; an app's own keys show as ever."""
    _filter.key_ids |= {key_id, repr(key_id)[1:-1], quote(key_id, safe="")}
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_filter)
