"""Objects in a bucket of an S3-compatible store, through boto3."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

from ..config_checks import Secret
from ..errors import InvalidConfig
from ..errors import NotFound
from ..keys import quote_key
from ..options import StorageProvider
from ..types import ObjectStat
from .base import Storage
from .base import StoredFile
from .providers import PROVIDERS
from .s3_bucket import S3Bucket
from .s3_client import OWN_METADATA
from .s3_errors import Failure
from .s3_objects import Body
from .s3_objects import own_line
from .s3_objects import stat_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

logger = logging.getLogger(__name__)


class S3Storage(S3Bucket, Storage):
    """Objects in one bucket of one S3-compatible provider.

    Every value is taken from here; of the environment only AWS_CA_BUNDLE and the usual proxy
    variables count. Neither key is in any log, not even in what botocore logs of each request at
    DEBUG.

    :param provider: whose S3 API it is; a row of :data:`~flask_media.storage.providers.PROVIDERS`.
    :param bucket: name of the bucket; may be missing until :meth:`check_ready`.
    :param region: the region, None for the provider's default.
    :param key: access key; may be missing until :meth:`check_ready`.
    :param secret: secret key; may be missing until :meth:`check_ready`.
    :param endpoint_url: endpoint, None for the provider's.
    :param addressing_style: ``virtual`` or ``path``, None for the provider's.
    :param cdn_url: base of the objects' public URLs, None for the bucket's own URL.
    :param acl: canned ACL of each object, ``none`` to send none, None for the provider's.
    :raises InvalidConfig: the provider is none of S3, or has no ACLs and ``public-read`` is asked.
    """

    signs_itself = True

    def __init__(
        self,
        *,
        provider: StorageProvider,
        bucket: str | None,
        region: str | None,
        key: Secret | None,
        secret: Secret | None,
        endpoint_url: str | None = None,
        addressing_style: str | None = None,
        cdn_url: str | None = None,
        acl: str | None = None,
    ) -> None:
        if provider not in PROVIDERS:
            raise InvalidConfig(f"SPACES_PROVIDER is {str(provider)!r}, which has no S3 API.")
        row = PROVIDERS[provider]
        if acl == "public-read" and not row.has_acls:
            raise InvalidConfig(
                f"SPACES_ACL is 'public-read', but objects have no ACL at {row.name}. Unset it, "
                "and make the bucket public."
            )
        super().__init__(
            row,
            bucket=bucket,
            region=region,
            key=key,
            secret=secret,
            endpoint_url=endpoint_url,
            addressing_style=addressing_style,
        )
        self._cdn_url = cdn_url.rstrip("/") if cdn_url else None
        self._acl = row.acl if acl is None else acl if row.has_acls and acl != "none" else None
        if not row.serves_public and not cdn_url and acl != "private":
            logger.warning(
                "%s serves no object without a signature: set SPACES_CDN_URL to the bucket's "
                "public domain, or SPACES_ACL to 'private' where no public URL is wanted.",
                row.name,
            )

    def _put(  # noqa: PLR0917 - Storage.put alone calls it
        self,
        key: str,
        data: bytes,
        content_type: str,
        sha256: str,
        metadata: dict[str, str],
        job_id: str,
    ) -> None:
        arguments: dict[str, Any] = {
            "Bucket": self._bucket,
            "Key": key,
            "Body": data,
            "ContentType": content_type,
            "Metadata": {OWN_METADATA: own_line(sha256, job_id, metadata)},
        }
        if self._acl:
            arguments["ACL"] = self._acl
        # Unconditional, so that a retry after a lost answer writes the same object once more.
        outcome = self._try("put", key, lambda client: client.put_object(**arguments))
        if not isinstance(outcome, Failure):
            return
        if outcome.error.retryable:
            # The object may be written and the answer lost, on the way or by a gateway's 5xx.
            found = self._try("stat", key, lambda client: self._head(client, key), attempts=1)
            if isinstance(found, ObjectStat) and (
                (found.size_bytes, found.sha256, found.job_id or "", found.metadata)
                == (len(data), sha256, job_id, metadata)
            ):
                logger.info("The answer to a PUT of %r was lost; it is stored.", key)
                return
        raise outcome.error

    def _open(self, key: str) -> StoredFile:
        def get(client: S3Client) -> tuple[Any, ObjectStat]:
            answer = client.get_object(Bucket=self._bucket, Key=key)
            return answer["Body"], stat_of(answer)

        body, stat = self._request("open", key, get)
        return StoredFile(Body(body, lambda fault: self._fault(fault, key)), stat)

    def _stat(self, key: str) -> ObjectStat:
        outcome = self._try("stat", key, lambda client: self._head(client, key))
        if not isinstance(outcome, Failure):
            return outcome
        if isinstance(outcome.error, NotFound):
            # A HEAD's 404 has no body to say what is missing.
            bucket = self._try(
                "find the bucket of", key, lambda client: client.head_bucket(Bucket=self._bucket)
            )
            # A key may have no right to ask, and then the object is what is missing.
            if isinstance(bucket, Failure) and (bucket.status == 404 or bucket.error.retryable):
                raise bucket.error
        raise outcome.error

    def _head(self, client: S3Client, key: str) -> ObjectStat:
        return stat_of(client.head_object(Bucket=self._bucket, Key=key))

    def _delete(self, key: str) -> None:
        try:
            self._request(
                "delete", key, lambda client: client.delete_object(Bucket=self._bucket, Key=key)
            )
        except NotFound:  # Google says so where the others say 204
            logger.debug("Nothing to delete under %r.", key)

    def _url(self, key: str) -> str:
        return f"{self._cdn_url or self._bucket_url()}/{quote_key(key)}"

    def _signed_url(self, key: str, seconds: float, method: Literal["GET", "HEAD"]) -> str:
        where = {"Bucket": self._bucket, "Key": key}
        action = "head_object" if method == "HEAD" else "get_object"  # it is part of what is signed
        return self._request(
            "sign a URL for",
            key,
            lambda client: client.generate_presigned_url(
                action, Params=where, ExpiresIn=math.ceil(seconds)
            ),
        )
