"""Where pictures are kept: one module a storage, all alike to the service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import MediaConfig
from ..own import is_path
from ..own import make_own

if TYPE_CHECKING:
    from .base import Storage


def make_storage(
    config: MediaConfig,
    *,
    folder: Path,
    files_url: Callable[[str], str | None] | None,
    sign_url: Callable[[str, float], str] | None = None,
    route_url: Callable[[str], str | None] | None = None,
    home: Path | None = None,
    app: object = None,
) -> Storage:
    """The storage that MEDIA_STORAGE names, and MEDIA_STORAGE_MIRROR beside it.

    :param folder: root of the filesystem storage.
    :param files_url: gives the URL of a key that the app itself serves, or None.
    :param sign_url: gives such a URL that lets anybody in, for so many seconds.
    :param route_url: gives the URL of a key of a private bucket that the app serves, or None.
    :param home: where the second storage's own MEDIA_FOLDER is seen from; None is the parent of
        ``folder``.
    :param app: what one of the app's own is made with.
    :raises InvalidConfig: the second storage is the same place as the first.
    :raises NotConfigured: there is no storage of the path that a key has, or no app.
    """
    main = _make_one(config, folder, files_url, sign_url, route_url, app=app)
    second = config.mirror
    if second is None:
        return main
    if not isinstance(config.storage_mirror, str):
        folder = (home or folder.parent) / (second.folder or "media")
    from .mirror import MirroredStorage

    # The URLs are always those of the main storage.
    return MirroredStorage(main, _make_one(second, folder, app=app))


def _make_one(
    config: MediaConfig,
    folder: Path,
    files_url: Callable[[str], str | None] | None = None,
    sign_url: Callable[[str, float], str] | None = None,
    route_url: Callable[[str], str | None] | None = None,
    *,
    app: object,
) -> Storage:
    match config.storage_name:
        case path if is_path(path):
            from .base import Storage

            return make_own("MEDIA_STORAGE", path, Storage, app)  # type: ignore[type-abstract]
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
                route_url=route_url,
                cache_control=config.cache_control,
                content_disposition=config.content_disposition,
            )
