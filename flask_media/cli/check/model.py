"""The key and the models: asked for their description, which is free."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...errors import MediaError
from ...errors import NotConfigured
from ...errors import ProviderRefused
from ...errors import RateLimited
from ...generators.models import find_model
from ..refusals import is_about_key
from .finding import Finding
from .finding import fail
from .finding import ok
from .finding import warn

if TYPE_CHECKING:
    from ...service import MediaService

SECONDS = 15.0
"""How long to wait for the API to describe a model."""


def examine(service: MediaService) -> Iterator[Finding]:
    """The key, GEMINI_MODEL and each of GEMINI_FALLBACK_MODELS."""
    config = service.config
    if config.generator == "placeholder":
        yield warn(
            "model",
            "MEDIA_GENERATOR is 'placeholder': pictures are drawn here and say so.",
            "Set GEMINI_API_KEY, and MEDIA_GENERATOR to 'gemini', for generated ones.",
        )
        return
    if config.generator != "gemini":
        yield from _own(service)
        return
    names = [config.gemini_model, *config.gemini_fallback_models]
    for number, name in enumerate(names):
        found = [*_one(service, name)]
        if number == 0 and all(finding.name == "model" for finding in found):
            yield ok("key", f"{_api(service)} takes it")
        yield from found
        if any(finding.name != "model" for finding in found):
            return  # with the next one it would be the same


def _own(service: MediaService) -> Iterator[Finding]:
    try:
        service.generator.probe(timeout=SECONDS)
    except MediaError as error:
        yield fail("model", error)
    else:
        yield ok("model", f"{service.config.generator} is ready")


def _one(service: MediaService, name: str) -> Iterator[Finding]:
    try:
        service.generator.probe(name, timeout=SECONDS)
    except NotConfigured as error:
        yield fail("key", error)
    except ProviderRefused as error:
        yield fail("key" if is_about_key(error) else "model", error)
    except RateLimited as error:
        yield fail("key", error)
    except MediaError as error:
        yield fail("api", error)
    else:
        yield _described(service, name)


def _described(service: MediaService, name: str) -> Finding:
    model = find_model(name)
    if model is not None:
        return ok("model", f"{name} answers")
    has_budget = (
        service.config.budget_per_day is not None
        or service.config.budget_per_user_per_day is not None
    )
    if has_budget:
        return fail(
            "model",
            f"{name} answers, but is not in the table of models: no price is known, so the budget "
            "refuses every picture.",
            "Choose a model of the table with GEMINI_MODEL, or unset the budgets.",
        )
    return warn(
        "model",
        f"{name} answers, but is not in the table of models: no price is known, and it is asked "
        "for its own default size.",
        "Check GEMINI_MODEL, if that is not meant.",
    )


def _api(service: MediaService) -> str:
    config = service.config
    if config.gemini_vertexai:
        return f"Vertex AI ({config.gemini_project}, {config.gemini_location})"
    return config.gemini_base_url or "the Gemini API"
