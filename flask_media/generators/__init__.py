"""What draws pictures: one module a generator, all alike to the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config import MediaConfig
from ..own import is_path
from ..own import make_own

if TYPE_CHECKING:
    from .base import Generator


def make_generator(config: MediaConfig, *, app: object = None) -> Generator:
    """The generator that MEDIA_GENERATOR names.

    :param app: what one of the app's own is made with.
    :raises NotConfigured: there is none of that path, or no app.
    """
    if is_path(config.generator):
        from .base import Generator

        # mypy: an abstract class is a type too
        return make_own("MEDIA_GENERATOR", config.generator, Generator, app)  # type: ignore[type-abstract]
    if config.generator == "placeholder":
        from .placeholder import PlaceholderGenerator

        return PlaceholderGenerator()
    from .gemini import GeminiGenerator

    return GeminiGenerator(
        api_key=config.gemini_api_key,
        model=config.gemini_model,
        base_url=config.gemini_base_url,
        api_version=config.gemini_api_version,
        timeout=config.gemini_timeout,
        vertexai=config.gemini_vertexai,
        project=config.gemini_project,
        location=config.gemini_location,
    )
