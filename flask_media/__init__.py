"""Generated pictures behind a URL, for Flask.

``FlaskMedia(app)`` once, then ``current_media.generate_and_upload(prompt, object_key)``.
"""

from typing import TYPE_CHECKING

from .errors import BudgetExceeded
from .errors import ContentBlocked
from .errors import GenerationTimeout
from .errors import IdempotencyConflict
from .errors import InProgress
from .errors import InvalidConfig
from .errors import InvalidImage
from .errors import InvalidRequest
from .errors import JobCancelled
from .errors import JournalError
from .errors import MediaError
from .errors import NoImageReturned
from .errors import NotConfigured
from .errors import NotFound
from .errors import ObjectExists
from .errors import OutcomeUnknown
from .errors import ProviderRefused
from .errors import ProviderUnavailable
from .errors import QueueUnavailable
from .errors import RateLimited
from .errors import StorageError
from .errors import UploadFailed
from .extension import FlaskMedia
from .globals import current_media
from .jobs.handle import MediaJob
from .options import ImageFormat
from .options import ImageGenerationConfig
from .options import ImageQuality
from .options import ImageSize
from .options import ImageTheme
from .options import StorageProvider
from .service import MediaService
from .standalone import get_image_generation_service
from .variants import Variant
from .variants import VariantFit
from .variants import responsive

if TYPE_CHECKING:
    from .types import Attempt
    from .types import Collected
    from .types import GeneratedImage
    from .types import Health
    from .types import HealthCheck
    from .types import MediaResult
    from .types import ObjectStat
    from .types import PictureInfo
    from .types import Provenance
    from .types import StoredVariant
    from .types import Usage

__all__ = [
    "Attempt",
    "BudgetExceeded",
    "Collected",
    "ContentBlocked",
    "FlaskMedia",
    "GeneratedImage",
    "GenerationTimeout",
    "Health",
    "HealthCheck",
    "IdempotencyConflict",
    "ImageFormat",
    "ImageGenerationConfig",
    "ImageQuality",
    "ImageSize",
    "ImageTheme",
    "InProgress",
    "InvalidConfig",
    "InvalidImage",
    "InvalidRequest",
    "JobCancelled",
    "JournalError",
    "MediaError",
    "MediaJob",
    "MediaResult",
    "MediaService",
    "NoImageReturned",
    "NotConfigured",
    "NotFound",
    "ObjectExists",
    "ObjectStat",
    "OutcomeUnknown",
    "PictureInfo",
    "Provenance",
    "ProviderRefused",
    "ProviderUnavailable",
    "QueueUnavailable",
    "RateLimited",
    "StorageError",
    "StorageProvider",
    "StoredVariant",
    "UploadFailed",
    "Usage",
    "Variant",
    "VariantFit",
    "current_media",
    "get_image_generation_service",
    "responsive",
]

if not TYPE_CHECKING:  # which would take it for a module that has any name

    def __getattr__(name: str) -> object:
        """What calls return: made when one is first named, not where an app starts."""
        if name in __all__:
            from . import types

            return getattr(types, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
