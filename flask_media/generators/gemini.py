"""Pictures by Google's Gemini models, through the google-genai SDK."""

from __future__ import annotations

import logging
import os
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..config_checks import Secret
from ..errors import AnswerError
from ..errors import InvalidRequest
from ..errors import MediaError
from ..errors import NotConfigured
from ..errors import OutcomeUnknown
from ..errors import ProviderRefused
from ..errors import ProviderUnavailable
from ..fields import fields
from ..forks import reset_after_fork
from ..stray import announce
from ..transport import Exchange
from ..values import GenerationAnswer
from ..values import GenerationRequest
from .base import Generator
from .gemini_errors import cleaner
from .gemini_errors import fault_error
from .gemini_errors import makes_content
from .gemini_errors import status_error
from .models import MOST_REFERENCES
from .models import ImageModel
from .models import find_model
from .models import passed_through

if TYPE_CHECKING:
    from .gemini_client import GeminiClient

logger = logging.getLogger(__name__)


class GeminiGenerator(Generator):
    """Gemini over the Developer API or Vertex AI.

    One request a call and no retry. Environment variables of the SDK (GOOGLE_API_KEY,
    GOOGLE_GEMINI_BASE_URL, GOOGLE_GENAI_USE_VERTEXAI ...) change nothing; HTTPS_PROXY, HTTP_PROXY,
    NO_PROXY, SSL_CERT_FILE and, for Vertex AI, Google's application default credentials are the
    deployment's and are honoured. Threads share it; it may be made and used before a fork.

    :param api_key: GEMINI_API_KEY; None makes every call raise ``NotConfigured``.
    :param model: GEMINI_MODEL, for requests that name none.
    :param base_url: GEMINI_BASE_URL of a gateway or an emulator; None is Google's.
    :param api_version: GEMINI_API_VERSION, the version in the path.
    :param timeout: GEMINI_TIMEOUT, seconds for one call in all: the credentials of Vertex AI, name
        resolution, connecting, sending, and the answer to its last byte. The first call of a
        process imports the SDK before that, which takes about a second.
    :param vertexai: GEMINI_VERTEXAI, use Vertex AI and the machine's credentials, not the key.
    :param project: GEMINI_PROJECT, for Vertex AI.
    :param location: GEMINI_LOCATION, for Vertex AI.
    """

    def __init__(
        self,
        *,
        api_key: Secret | None,
        model: str,
        base_url: str | None,
        api_version: str,
        timeout: float,
        vertexai: bool = False,
        project: str | None = None,
        location: str | None = None,
    ) -> None:
        self._api_key = api_key
        self._model = model
        self._base_url = base_url
        self._api_version = api_version
        self._timeout = timeout
        self._vertexai = vertexai
        self._project, self._location = project, location
        self._clean = cleaner(api_key.reveal() if api_key else None)
        self._warned: set[str] = set()
        self._lock = threading.Lock()
        self._client: GeminiClient | None = None
        self._client_pid = 0
        reset_after_fork(self)

    @property
    def provider(self) -> str:
        """``gcp.gemini`` or ``gcp.vertex_ai``."""
        return "gcp.vertex_ai" if self._vertexai else "gcp.gemini"

    @property
    def server(self) -> tuple[str, int] | None:
        """That of GEMINI_BASE_URL, else Google's."""
        from .gemini_client import api_url

        url = urlsplit(api_url(self._base_url, self._location if self._vertexai else None))
        return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)

    def check(self, request: GenerationRequest) -> None:
        """Fail before anything is paid. Makes no network call.

        A model that is not in the table of models passes with a warning, one for each.

        :raises NotConfigured: GEMINI_API_KEY is missing; for Vertex AI, GEMINI_PROJECT or
            GEMINI_LOCATION.
        :raises InvalidRequest: there are more references than the model takes.
        """
        self._check_credentials()
        model = self._find(request)
        limit, count = model.max_references, len(request.references)
        if limit is not None and count > limit:
            raise InvalidRequest(
                f"reference_images has {count} pictures; {model.name} takes at most {limit}."
            )

    def generate(self, request: GenerationRequest) -> GenerationAnswer:
        """Make exactly one HTTP request.

        :raises NotConfigured: as :meth:`check`, or Vertex AI without credentials.
        :raises InvalidRequest: as :meth:`check`, or the SDK can't send the request.
        :raises ContentBlocked: a rule of the provider stopped prompt or picture.
        :raises NoImageReturned: an answer without a picture; the message is what it said.
        :raises InvalidImage: a picture in base64 that can't be decoded.
        :raises RateLimited: 429. ``retryable`` is False where the quota is none at all.
        :raises ProviderUnavailable: 5xx but 504, or the request did not get through whole.
        :raises ProviderRefused: any other 4xx, or a redirect.
        :raises GenerationTimeout: no whole answer in time, or 504.
        :raises OutcomeUnknown: the connection broke, or the answer can't be understood.
        """
        self.check(request)
        announce("Gemini is asked for a picture", self._base_url or "https://googleapis.com")
        outcome = self._outcome(request)
        # Raised here, where no exception of the SDK is around to become its context.
        if isinstance(outcome, MediaError):
            raise outcome
        return outcome

    def probe(self, model: str | None = None, *, timeout: float = 15.0) -> None:
        """Have the API describe the model, which is free.

        :raises NotConfigured: as :meth:`check`, or Vertex AI without credentials.
        :raises ProviderRefused: the key or the model is wrong, or the model makes no content.
        :raises MediaError: as :meth:`generate`.
        """
        self._check_credentials()
        failure = self._described(model or self._model, min(timeout, self._timeout))
        if failure is not None:
            raise failure

    def reference_side(self, request: GenerationRequest) -> int:
        """Longest useful side of a reference picture, in pixels."""
        return self._find(request).reference_side

    def model_of(self, request: GenerationRequest) -> str:
        """The model that is asked: the request's, else GEMINI_MODEL."""
        return request.model or self._model

    def expected_cost(self, request: GenerationRequest) -> Decimal | None:
        """US dollars of the picture itself by the table of models; the prompt adds little."""
        model = self._find(request)
        ratio = model.nearest_ratio(request.width, request.height)
        return model.usd(model.step(ratio, request.width, request.height, request.quality))

    def max_references(self, request: GenerationRequest) -> int:
        """Most reference pictures: the model's limit, the largest of all for an unknown one."""
        return self._find(request).max_references or MOST_REFERENCES

    def close(self) -> None:
        """Close idle connections. A later call opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.road.close()

    def _check_credentials(self) -> None:
        if self._vertexai:
            for key, value in (
                ("GEMINI_PROJECT", self._project),
                ("GEMINI_LOCATION", self._location),
            ):
                if not value:
                    raise NotConfigured(f"{key} is not set; GEMINI_VERTEXAI needs it.")
        elif self._api_key is None:
            is_bare = "GEMINI_API_KEY" in os.environ
            bare = " (GEMINI_API_KEY is there, without FLASK_)" if is_bare else ""
            raise NotConfigured(
                "GEMINI_API_KEY is not set. Get a key at https://aistudio.google.com/apikey and "
                "set it in the app's config, or as FLASK_GEMINI_API_KEY in the environment where "
                f"the app calls config.from_prefixed_env(){bare}. Or set "
                "MEDIA_GENERATOR to 'placeholder' for pictures that are drawn offline."
            )

    def _find(self, request: GenerationRequest) -> ImageModel:
        name = request.model or self._model
        model = find_model(name)
        if model is not None:
            return model
        if name not in self._warned:
            self._warned.add(name)
            logger.warning(
                "%s is not in the table of models; it is asked as it is, for a common ratio and "
                "its own default size.",
                name,
                extra=fields(model=name),
            )
        return passed_through(name)

    def _outcome(self, request: GenerationRequest) -> GenerationAnswer | MediaError:
        model = self._find(request)
        ratio = model.nearest_ratio(request.width, request.height)
        step = model.step(ratio, request.width, request.height, request.quality)
        client = self._live_client()
        if isinstance(client, MediaError):
            return client
        # Not before: the first call of a process imports the SDK for longer than some time limits.
        exchange, failure = Exchange(time.monotonic() + self._timeout), None
        try:
            client.run(
                exchange,
                model=model.name,
                prompt=request.prompt,
                references=request.references,
                ratio=ratio,
                step=step,
            )
        except Exception as error:  # noqa: BLE001 (the SDK raises much, all of it with the key)
            failure = None if exchange.started else self._unsent(error)
        failure = failure or self._failure(exchange, model.name, self._timeout)
        return failure or self._answer(model.name, exchange)

    def _failure(self, exchange: Exchange, model: str, timeout: float) -> MediaError | None:
        """The error of an exchange that brought no answer to read."""
        if exchange.fault:
            return fault_error(exchange, model=model, timeout=timeout, clean=self._clean)
        if not 200 <= exchange.status < 300:
            return status_error(exchange, model=model, vertex=self._vertexai, clean=self._clean)
        return None

    def _described(self, model: str, timeout: float) -> MediaError | None:
        """Why the API does not say of a model that it makes content; None if it says so."""
        client = self._live_client()
        if isinstance(client, MediaError):
            return client
        exchange, failure = Exchange(time.monotonic() + timeout), None
        try:
            client.describe(exchange, model=model)
        except Exception as error:  # noqa: BLE001 (as above)
            failure = None if exchange.started else self._unsent(error)
        failure = failure or self._failure(exchange, model, timeout)
        if failure is not None and not isinstance(failure, OutcomeUnknown):
            return failure
        if failure is not None:  # no picture was asked for
            return ProviderUnavailable(
                f"{model} could not be asked about: no whole answer within {timeout:g} seconds. "
                "Nothing was charged. Check the network and GEMINI_BASE_URL.",
                model=model,
            )
        if not makes_content(exchange.body):
            return ProviderRefused(
                f"What answered for {model} does not say that it makes content. Check GEMINI_MODEL "
                "and GEMINI_BASE_URL.",
                model=model,
            )
        return None

    def _answer(self, model: str, exchange: Exchange) -> GenerationAnswer | MediaError:
        from .gemini_answer import read_answer
        from .pricing import cost_of
        from .pricing import refusal_cost

        outcome = read_answer(exchange.body, model, self._clean)
        if isinstance(outcome, MediaError):
            if isinstance(outcome, AnswerError):
                outcome.cost_usd = refusal_cost(model, outcome.usage)
            return outcome
        data, usage = outcome
        return GenerationAnswer(data=data, model=model, usage=usage, cost_usd=cost_of(model, usage))

    def _unsent(self, error: Exception) -> MediaError:
        """What an exception becomes that came before the request was handed over."""
        words = self._clean(f"{type(error).__name__}: {error}").rstrip(".")
        if type(error).__module__.startswith(("google.auth", "google.oauth2")):
            from google.auth.exceptions import TransportError

            if isinstance(error, TransportError) or getattr(error, "retryable", False):
                return ProviderUnavailable(
                    f"Google's credentials could not be fetched ({words}). Nothing was charged."
                )
            return NotConfigured(
                f"GEMINI_VERTEXAI needs Google's application default credentials ({words})."
            )
        return InvalidRequest(f"The SDK can't send the request: {words}.")

    def _live_client(self) -> GeminiClient | NotConfigured:
        """The client of this process, made at its first call with all that is slow to import.

        Connections made before a fork would give one process the other's answers.
        """
        with self._lock:
            if self._client is None or self._client_pid != os.getpid():
                self._client = None
                try:
                    self._client = self._make_client()
                except Exception as error:  # noqa: BLE001 (the SDK raises much)
                    words = self._clean(f"{type(error).__name__}: {error}").rstrip(".")
                    return NotConfigured(f"The Gemini client can't be made: {words}.")
                self._client_pid = os.getpid()
            return self._client

    def _make_client(self) -> GeminiClient:
        from . import gemini_answer  # noqa: F401 (loaded here, so that no paid answer waits for it)
        from .gemini_client import GeminiClient
        from .pricing import load_prices

        load_prices()
        return GeminiClient(
            api_key=None if self._vertexai or not self._api_key else self._api_key.reveal(),
            base_url=self._base_url,
            api_version=self._api_version,
            timeout=self._timeout,
            vertex=(self._project or "", self._location or "") if self._vertexai else None,
        )

    def _after_fork(self) -> None:
        self._lock = threading.Lock()  # another thread may have held it when the fork came
        self._client = None
