"""A generator: asks an image server of one's own, over HTTP."""

from decimal import Decimal

import httpx2

from flask_media import GenerationTimeout
from flask_media import OutcomeUnknown
from flask_media import ProviderRefused
from flask_media import ProviderUnavailable
from flask_media.generators.base import Generator
from flask_media.values import GenerationAnswer


class Painter(Generator):
    def __init__(self, app):
        self._url = app.config["PAINTER_URL"]

    def check(self, request):
        """This server draws whatever it is asked for."""

    def max_references(self, request):
        return 0

    def expected_cost(self, request):
        return Decimal(0)

    def generate(self, request):
        wish = {"prompt": request.prompt, "size": [request.width, request.height]}
        try:
            answer = httpx2.post(self._url, json=wish, timeout=120)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise ProviderUnavailable(f"The painter is away: {error}") from None
        except httpx2.TimeoutException:
            raise GenerationTimeout("The painter took more than two minutes.") from None
        except httpx2.TransportError as error:
            raise OutcomeUnknown(f"The painter hung up: {error}") from None
        if answer.status_code >= 500:
            raise ProviderUnavailable(f"The painter says {answer.status_code}.")
        if answer.status_code != 200:
            raise ProviderRefused(f"The painter says {answer.status_code}: {answer.text:.80}")
        return GenerationAnswer(
            data=answer.content, model=self.model_of(request), cost_usd=Decimal(0)
        )
