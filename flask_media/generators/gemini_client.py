"""The google-genai client over our own road. Slow to import: only ``gemini`` does, at first use."""

from __future__ import annotations

import functools
import math
import ssl
import threading
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import Any

import httpx2  # noqa: TID253 (this module is imported at the first call)
from google import genai  # noqa: TID253 (as above)
from google.genai import client as genai_client  # noqa: TID253 (as above)
from google.genai import types  # noqa: TID253 (as above)

from ..transport import Exchange
from ..transport import Road
from ..values import Picture

if TYPE_CHECKING:
    from .gemini_token import VertexCredentials

DEVELOPER_URL = "https://generativelanguage.googleapis.com"

SHORTEST_SERVER_TIMEOUT = 10
"""Seconds; Google refuses a request that asks for a shorter deadline."""

MULTI_REGIONS = ("us", "eu")
"""Vertex AI locations of several regions, which have hosts of another form."""


def api_url(base_url: str | None, location: str | None) -> str:
    """What requests go to.

    :param base_url: GEMINI_BASE_URL.
    :param location: of Vertex AI; None for the Developer API.
    """
    return base_url or (DEVELOPER_URL if location is None else vertex_url(location))


def vertex_url(location: str) -> str:
    """The host of a Vertex AI location."""
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in MULTI_REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


class _Transport(httpx2.BaseTransport):
    """Carries the SDK's request over the road and keeps the answer for ourselves.

    The SDK gets the status alone: it would decode the body to text, parse it and, for an error,
    raise an exception that holds the request with the key.
    """

    def __init__(self, road: Road) -> None:
        self.road = road
        self.calls = threading.local()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange: Exchange = self.calls.exchange
        if exchange.started:
            raise httpx2.RequestError("one call makes one request")
        exchange.started = True
        target = request.url.raw_path.decode("ascii")
        self.road.run(request.method, target, request.headers.raw, request.read(), exchange)
        if exchange.fault:
            raise httpx2.NetworkError(exchange.fault.value)
        return httpx2.Response(exchange.status, content=b"{}")


class _NoAsync(httpx2.AsyncBaseTransport):
    """Stands where the SDK would make an asynchronous client, with a TLS context of its own."""


class GeminiClient:
    """The SDK's client for one generator in one process.

    Every argument is explicit, so that no environment variable takes its place.

    :param api_key: the key, None for Vertex AI.
    :param base_url: without the version; None is Google's.
    :param api_version: the version in the path.
    :param timeout: seconds that the server is asked to keep to, and each request for a token.
    :param vertex: project and location for Vertex AI, None for the Developer API.
    :raises ValueError: the environment names an unusable proxy or HTTP library.
    """

    def __init__(
        self,
        *,
        api_key: str | None,
        base_url: str | None,
        api_version: str,
        timeout: float,
        vertex: tuple[str, str] | None,
    ) -> None:
        url = api_url(base_url, vertex[1] if vertex else None)
        self.road = Road(url, httpx2.create_ssl_context)
        self._transport = _Transport(self.road)
        self._credentials: VertexCredentials | None = None
        if vertex:
            from .gemini_token import VertexCredentials

            self._credentials = VertexCredentials(timeout)
        options = types.HttpOptions(
            base_url=url,
            api_version=api_version,
            headers={"X-Server-Timeout": str(max(SHORTEST_SERVER_TIMEOUT, math.ceil(timeout)))},
            httpx_client=httpx2.Client(
                transport=self._transport,
                headers={"Accept-Encoding": "identity"},
                follow_redirects=False,
                timeout=None,  # the road keeps the deadline
                trust_env=False,
            ),
            httpx_async_client=httpx2.AsyncClient(transport=_NoAsync(), trust_env=False),
            # The TLS context of WebSockets, which nobody opens: the SDK would load all authorities.
            async_client_args={"ssl": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)},
        )
        self._client = genai.Client(
            vertexai=vertex is not None,
            api_key=api_key,
            credentials=self._credentials,
            project=vertex[0] if vertex else None,
            location=vertex[1] if vertex else None,
            debug_config=genai_client.DebugConfig(
                client_mode="", replays_directory="", replay_id=""
            ),
            http_options=options,
        )

    def run(
        self,
        exchange: Exchange,
        *,
        model: str,
        prompt: str,
        references: Sequence[Picture],
        ratio: str,
        step: str | None,
    ) -> None:
        """Make one request; what came of it is in the exchange, whatever the SDK raises.

        :raises google.auth.exceptions.GoogleAuthError: there is no token for Vertex AI.
        """
        if self._credentials is not None:
            self._credentials.fetch(exchange.deadline)
        parts: list[Any] = [types.Part.from_text(text=prompt)]
        parts += [
            types.Part.from_bytes(data=picture.data, mime_type=picture.content_type)
            for picture in references
        ]
        with self._written_to(exchange):
            self._client.models.generate_content(
                model=model, contents=parts, config=_config(ratio, step)
            )

    def describe(self, exchange: Exchange, *, model: str) -> None:
        """Have the API describe a model, as :meth:`run` makes its request.

        :raises google.auth.exceptions.GoogleAuthError: there is no token for Vertex AI.
        """
        if self._credentials is not None:
            self._credentials.fetch(exchange.deadline)
        with self._written_to(exchange):
            self._client.models.get(model=model)

    @contextmanager
    def _written_to(self, exchange: Exchange) -> Iterator[None]:
        """What the SDK asks in here is that exchange."""
        self._transport.calls.exchange = exchange
        try:
            yield
        finally:
            del self._transport.calls.exchange


@functools.lru_cache(maxsize=128)
def _config(ratio: str, step: str | None) -> types.GenerateContentConfig:
    """The request's options; shared, since the SDK only reads them."""
    return types.GenerateContentConfig(
        # With text allowed, a model that draws nothing says why.
        response_modalities=["TEXT", "IMAGE"],
        image_config=types.ImageConfig(aspect_ratio=ratio, image_size=step),
        should_return_http_response=True,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,
    )
