"""Google's credentials for Vertex AI. Slow to import: only ``gemini_client`` does, when needed."""

from __future__ import annotations

import functools
import math
import threading
from concurrent.futures import Future

import google.auth
from google.auth.credentials import Credentials
from google.auth.exceptions import RefreshError
from google.auth.exceptions import TransportError
from google.auth.transport.requests import Request

from ..transport import in_background
from ..transport import remaining

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class VertexCredentials(Credentials):
    """The application default credentials, as a token that the SDK never has to fetch itself.

    google-auth keeps to no deadline: it looks for credentials, runs gcloud, tries again and waits
    120 s for each answer. So it works in a thread, which all calls wait for together, each until
    its own deadline. A thread that nobody waits for any more ends by itself.

    :param timeout: seconds for each HTTP request of google-auth, where it has no limit of its own.
    """

    def __init__(self, timeout: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._timeout = timeout
        self._lock = threading.Lock()
        self._source: Credentials | None = None
        self._fetching: Future[None] | None = None

    def fetch(self, deadline: float) -> None:
        """Have a fresh token.

        :param deadline: when to give up, on the monotonic clock, in seconds.
        :raises google.auth.exceptions.GoogleAuthError: there is none, or none in time.
        """
        with self._lock:
            if self._source and self._source.token and not self._source.expired:
                return
            if self._fetching is None or self._fetching.done():
                self._fetching = in_background(self._fetch)
            fetching = self._fetching
        try:
            fetching.result(remaining(deadline))
        except TimeoutError:
            with self._lock:
                if self._fetching is fetching:
                    self._fetching = None  # the next call tries afresh
            raise TransportError("no token came in time") from None  # type: ignore[no-untyped-call]

    def _fetch(self) -> None:
        source = self._source or google.auth.default(scopes=[SCOPE])[0]
        if source.expired or not source.token:
            request = functools.partial(Request(), timeout=math.ceil(self._timeout))
            source.refresh(request)  # type: ignore[no-untyped-call]
        self._quota_project_id = source.quota_project_id
        self.token = source.token
        self._source = source

    def refresh(self, request: object) -> None:  # noqa: ARG002
        """Refuse: the SDK asks for it where :meth:`fetch` brought nothing."""
        raise RefreshError("Google gave no token")  # type: ignore[no-untyped-call]
