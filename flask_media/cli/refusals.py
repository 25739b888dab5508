"""What a provider's refusal says of the key and the model: both can be put right."""

from __future__ import annotations

from ..errors import MediaError
from ..errors import ProviderRefused


def is_about_key(error: MediaError) -> bool:
    """Whether the provider refuses the key, and so every request."""
    return isinstance(error, ProviderRefused) and (
        error.status in (401, 403) or error.reason == "API_KEY_INVALID"
    )


def is_about_model(error: MediaError) -> bool:
    """Whether the provider has no such model."""
    return isinstance(error, ProviderRefused) and error.status == 404


def can_be_put_right(error: MediaError) -> bool:
    """Whether the same request can succeed with another key or model in the config; nothing was
    charged for it."""
    return is_about_key(error) or is_about_model(error)
