"""The S3-compatible providers: one row each. Whatever goes stale about them is here.

Taken from the providers' public documentation in 2026. ``SPACES_ENDPOINT_URL``,
``SPACES_ADDRESSING_STYLE``, ``SPACES_ACL`` and ``SPACES_CDN_URL`` override a row that is out of
date.
"""

from __future__ import annotations

import dataclasses

from ..options import StorageProvider


@dataclasses.dataclass(frozen=True, kw_only=True)
class S3Provider:
    """What differs between one S3-compatible provider and the next."""

    name: str
    """Its name, for messages."""
    endpoint: str | None
    """Endpoint URL with ``{region}``; None where it differs by account or installation."""
    addressing_style: str
    """``virtual`` (the bucket is part of the host) or ``path``."""
    region: str | None
    """The region to sign for where SPACES_REGION is not set; None where it must be set."""
    has_acls: bool
    """Whether an object can have an ACL of its own."""
    acl: str | None
    """Canned ACL to send with an object, None to send none."""
    serves_public: bool
    """Whether the endpoint serves a public object to a plain GET."""
    cdn: str | None = None
    """The provider's own CDN with ``{bucket}`` and ``{region}``, a value for SPACES_CDN_URL."""


PROVIDERS = {
    StorageProvider.DIGITALOCEAN_SPACES: S3Provider(
        name="DigitalOcean Spaces",
        endpoint="https://{region}.digitaloceanspaces.com",
        addressing_style="virtual",
        region=None,
        has_acls=True,
        acl="public-read",
        serves_public=True,
        cdn="https://{bucket}.{region}.cdn.digitaloceanspaces.com",
    ),
    StorageProvider.AWS_S3: S3Provider(
        name="AWS S3",
        endpoint="https://s3.{region}.amazonaws.com",
        addressing_style="virtual",
        region=None,
        has_acls=True,
        acl=None,  # buckets made since April 2023 refuse any ACL
        serves_public=True,
    ),
    StorageProvider.CLOUDFLARE_R2: S3Provider(
        name="Cloudflare R2",
        endpoint=None,  # https://<account id>.r2.cloudflarestorage.com
        addressing_style="path",
        region="auto",
        has_acls=False,
        acl=None,
        serves_public=False,  # only r2.dev and custom domains are public
    ),
    StorageProvider.MINIO: S3Provider(
        name="MinIO",
        endpoint=None,
        addressing_style="path",
        region="us-east-1",
        has_acls=False,
        acl=None,
        serves_public=True,
    ),
    StorageProvider.BACKBLAZE_B2: S3Provider(
        name="Backblaze B2",
        endpoint="https://s3.{region}.backblazeb2.com",
        addressing_style="virtual",
        region=None,
        has_acls=False,  # a bucket has one, its objects have none
        acl=None,
        serves_public=True,
    ),
    StorageProvider.WASABI: S3Provider(
        name="Wasabi",
        endpoint="https://s3.{region}.wasabisys.com",
        addressing_style="virtual",
        region=None,
        has_acls=True,
        acl=None,  # accounts start with public access turned off, which refuses public-read
        serves_public=True,
    ),
    StorageProvider.GOOGLE_CLOUD_STORAGE: S3Provider(
        name="Google Cloud Storage",
        endpoint="https://storage.googleapis.com",
        addressing_style="path",
        region="auto",
        has_acls=True,
        acl=None,  # buckets start with uniform access, which refuses any ACL
        serves_public=True,
    ),
}
