"""What a request must be before a route reads it: let in, not forged, not too large."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from . import rates
from .problems import Refused

if TYPE_CHECKING:
    from .access import Doorkeeper
    from .settings import Settings

MAX_CALLER_CHARS = 255
"""Longest id of who asks, in characters: the journal keeps it as the spender."""

_NO_TEXT = re.compile("[\0\ud800-\udfff]")


class Gate:
    """Lets requests to the routes of jobs in, or refuses them.

    :param doorkeeper: knows who sends them.
    :param settings: says what is allowed.
    """

    def __init__(self, doorkeeper: Doorkeeper, settings: Settings) -> None:
        self._doorkeeper = doorkeeper
        self._settings = settings

    def caller(self) -> str:
        """Who sends the current request.

        :raises Refused: nobody who is let in.
        """
        who = self._doorkeeper.caller()
        if who is None:
            raise Refused(403, "forbidden", "You are not let in.")
        if len(who) > MAX_CALLER_CHARS or _NO_TEXT.search(who):
            raise ValueError(
                f"authorize returned {len(who)} characters for who asks; the journal keeps text of "
                f"at most {MAX_CALLER_CHARS}, without NUL and lone surrogates."
            )
        return who

    def poster(self, *, rate_limit: str | None = None) -> str:
        """Who sends the current request, which changes something.

        :param rate_limit: how often they may.
        :raises Refused: nobody who is let in, or a page of another site made them send it.
        :raises HTTPException: too often.
        """
        # Before anybody reads the body, and authorize may.
        most = request.max_content_length
        limit = self._settings.max_body
        # One byte more, to see that there is more: werkzeug cuts a chunked body off at its limit.
        request.max_content_length = 1 + (limit if most is None else min(most, limit))
        who = self.caller()
        if not self._is_from_here():
            raise Refused(403, "cross-site", "A page of another site can't send this.")
        self._check_type()
        if rate_limit is not None:
            rates.count(rate_limit, who)
        return who

    def body(self) -> bytes:
        """The body.

        :raises HTTPException: it is too large.
        """
        data = request.get_data()
        if request.max_content_length is not None and len(data) >= request.max_content_length:
            raise RequestEntityTooLarge
        return data

    def _is_from_here(self) -> bool:
        """Whether no page of another origin sent it; what is no browser may say nothing.

        As in Go's ``net/http.CrossOriginProtection``: browsers of today say ``Sec-Fetch-Site``,
        others ``Origin``, which a proxy before the app does not change.
        """
        origin = request.headers.get("Origin")
        if origin is not None and origin in self._settings.allowed_origins:
            return True
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None:
            return site in ("same-origin", "none")
        if origin is None:
            return True
        try:
            return urlsplit(origin).netloc == request.host
        except ValueError:
            return False

    def _check_type(self) -> None:
        charset = request.mimetype_params.get("charset", "utf-8")
        encoding = request.headers.get("Content-Encoding", "identity")
        if (
            request.mimetype != "application/json"
            or charset.lower() not in ("utf-8", "utf8")
            or encoding.lower() != "identity"
        ):
            raise Refused(
                415,
                "unsupported-media-type",
                "Send JSON in UTF-8, with Content-Type: application/json.",
                headers={"Accept-Post": "application/json"},
            )
