"""Where pictures are kept: one module a storage, all alike to the service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import MediaConfig

if TYPE_CHECKING:
    from .base import Storage


def make_storage(
    config: MediaConfig,
    *,
    folder: Path,
    files_url: Callable[[str], str | None] | None,
    sign_url: Callable[[str, float], str] | None = None,
) -> Storage:
    """The storage that MEDIA_STORAGE names.

    :param folder: root of the filesystem storage.
    :param files_url: gives the URL of a key that the app itself serves, or None.
    :param sign_url: gives such a URL that lets anybody in, for so many seconds.
    """
    match config.storage_name:
        case "filesystem":
            from .filesystem import FilesystemStorage

            return FilesystemStorage(folder, base_url=files_url, sign_url=sign_url)
        case "memory":
            from .memory import MemoryStorage

            return MemoryStorage(base_url=files_url, sign_url=sign_url)
        case _:
            from .s3 import S3Storage

            return S3Storage(
                provider=config.spaces_provider,
                bucket=config.spaces_bucket,
                region=config.spaces_region,
                key=config.spaces_key,
                secret=config.spaces_secret,
                endpoint_url=config.spaces_endpoint_url,
                addressing_style=config.spaces_addressing_style,
                cdn_url=config.spaces_cdn_url,
                acl=config.spaces_acl,
            )
