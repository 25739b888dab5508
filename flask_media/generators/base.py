"""What every generator can do."""

from __future__ import annotations

import abc
from decimal import Decimal
from typing import ClassVar

from ..values import GenerationAnswer
from ..values import GenerationRequest


class Generator(abc.ABC):
    """Something that draws a picture for a request, one call at a time.

    It never retries and never re-encodes: the service does the one, ``imaging`` the other. It is
    used by many threads at once and may be made before a fork and used after it.
    """

    is_trained: ClassVar[bool] = True
    """Whether a trained model draws: files that are made of its pictures say so (XMP)."""

    @property
    def provider(self) -> str:
        """Who draws, as OpenTelemetry's conventions name them (``gen_ai.provider.name``)."""
        return type(self).__name__

    @property
    def server(self) -> tuple[str, int] | None:
        """Host and port that are asked, for telemetry; None where there is none."""
        return None

    @abc.abstractmethod
    def check(self, request: GenerationRequest) -> None:
        """Fail before anything is paid if the request can't succeed. Makes no network call.

        :raises NotConfigured: a config key is missing; the message names it.
        :raises InvalidRequest: the model can't do what is asked; the message names the argument.
        """

    @abc.abstractmethod
    def generate(self, request: GenerationRequest) -> GenerationAnswer:
        """Make exactly one call.

        :raises ContentBlocked: a safety rule stopped it.
        :raises NoImageReturned: an answer without a picture.
        :raises InvalidImage: a picture part that can't be decoded.
        :raises RateLimited: 429.
        :raises ProviderUnavailable: 5xx but 504, or no connection: nothing was charged.
        :raises ProviderRefused: any other 4xx, or a redirect.
        :raises GenerationTimeout: no answer in time; it may have been charged.
        :raises OutcomeUnknown: cut off after sending; it may have been charged.
        """

    def probe(self, model: str | None = None, *, timeout: float = 15.0) -> None:  # noqa: B027
        """Ask the provider, free of charge, whether it would take a request now. One that asks
        nobody has nothing to find out.

        :param model: the model to ask for; None is the generator's own choice.
        :param timeout: seconds to wait at most.
        :raises NotConfigured: a config key is missing; the message names it.
        :raises MediaError: as :meth:`generate`; the message says what to do.
        """

    def close(self) -> None:  # noqa: B027 - one without connections has nothing to close
        """Close idle connections. A later call opens new ones."""

    def reference_side(self, request: GenerationRequest) -> int:  # noqa: ARG002
        """Longest useful side of a reference picture, in pixels; larger ones are scaled down."""
        return 2048

    def model_of(self, request: GenerationRequest) -> str:
        """The model that :meth:`generate` will ask."""
        return request.model or type(self).__name__

    def expected_cost(self, request: GenerationRequest) -> Decimal | None:  # noqa: ARG002
        """US dollars that one call is expected to cost, None when no price is known."""
        return None

    def max_references(self, request: GenerationRequest) -> int:  # noqa: ARG002
        """Most reference pictures that the request may have."""
        return 16
