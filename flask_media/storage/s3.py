"""Objects in a bucket of an S3-compatible store, through boto3."""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Callable
from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

from ..config_checks import Secret
from ..errors import InvalidConfig
from ..errors import NotConfigured
from ..errors import NotFound
from ..errors import StorageError
from ..fields import fields
from ..keys import quote_key
from ..options import StorageProvider
from ..types import ObjectStat
from .base import Storage
from .base import StoredFile
from .pieces import pieces
from .providers import PROVIDERS
from .s3_bucket import S3Bucket
from .s3_client import OWN_METADATA
from .s3_errors import Failure
from .s3_objects import Body
from .s3_objects import own_line
from .s3_objects import stat_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef
    from mypy_boto3_s3.type_defs import UploadPartOutputTypeDef

logger = logging.getLogger(__name__)


MULTIPART_BYTES = 16 * 1024 * 1024
"""Size in bytes over which an object is sent in parts, so that a fault costs one of them."""


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
    :param route_url: gives the URL of a key that the app serves itself, or None; the URL of a
        private object where it gives one.
    :param cache_control: value of the header Cache-Control of each object, None for none.
    :param content_disposition: ``inline`` or ``attachment``, the header Content-Disposition of each
        object, None for none.
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
        route_url: Callable[[str], str | None] | None = None,
        cache_control: str | None = None,
        content_disposition: str | None = None,
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
        self._is_private = acl == "private"
        self._route_url = route_url
        headers = {"CacheControl": cache_control, "ContentDisposition": content_disposition}
        self._headers: dict[str, Any] = {name: text for name, text in headers.items() if text}
        if not row.serves_public and not cdn_url and acl != "private":
            logger.warning(
                "%s serves no object without a signature: set SPACES_CDN_URL to the bucket's "
                "public domain, or SPACES_ACL to 'private' where no public URL is wanted.",
                row.name,
            )

    @property
    def is_open(self) -> bool:
        """Whether objects are ``public-read``, or SPACES_CDN_URL says where anybody gets them."""
        is_fetched = self._cdn_url is not None and not self._is_private
        return self._acl == "public-read" or is_fetched

    @property
    def is_private(self) -> bool:
        """Whether SPACES_ACL is ``private``."""
        return self._is_private

    @property
    def acl(self) -> str | None:
        """The canned ACL that each object is sent with, None where none is."""
        return self._acl

    def _put(  # noqa: PLR0917 - Storage.put alone calls it
        self,
        key: str,
        data: bytes,
        content_type: str,
        sha256: str,
        metadata: dict[str, str],
        job_id: str,
    ) -> None:
        stat = ObjectStat(
            size_bytes=len(data),
            content_type=content_type,
            metadata=metadata,
            sha256=sha256,
            job_id=job_id or None,
        )
        if len(data) > MULTIPART_BYTES:
            self._put_parts(key, pieces(key, io.BytesIO(data), stat), stat)
            return
        arguments = self._described(key, stat)
        # Unconditional, so that a retry after a lost answer writes the same object once more.
        outcome = self._try("put", key, lambda client: client.put_object(**arguments, Body=data))
        if isinstance(outcome, Failure):
            self._check_stored(outcome, key, stat)

    def _put_file(self, key: str, parts: Iterator[bytes], stat: ObjectStat) -> None:
        if stat.size_bytes > MULTIPART_BYTES:
            self._put_parts(key, parts, stat)
        else:
            super()._put_file(key, parts, stat)

    def _put_parts(self, key: str, parts: Iterator[bytes], stat: ObjectStat) -> None:
        """Upload in parts, each of which is tried again alone; a failed upload leaves none."""
        arguments = self._described(key, stat)
        created = self._request(
            "put", key, lambda client: client.create_multipart_upload(**arguments)
        )
        where: dict[str, Any] = {
            "Bucket": self._bucket,
            "Key": key,
            "UploadId": created["UploadId"],
        }
        try:
            tags: list[CompletedPartTypeDef] = []
            for number, part in enumerate(parts, 1):
                answer = self._request("put", key, _part_put(where, number, part))
                tags.append({"ETag": answer["ETag"], "PartNumber": number})
            outcome = self._try(
                "put",
                key,
                lambda client: client.complete_multipart_upload(
                    **where, MultipartUpload={"Parts": tags}
                ),
            )
            if isinstance(outcome, Failure):
                self._check_stored(outcome, key, stat)
        except BaseException:
            aborted = self._try("put", key, lambda client: client.abort_multipart_upload(**where))
            if isinstance(aborted, Failure) and aborted.status != 404:
                logger.warning(
                    "Parts of %r may be left in the bucket: %s",
                    key,
                    aborted.error,
                    extra=fields(object_key=key),
                )
            raise

    def _described(self, key: str, stat: ObjectStat) -> dict[str, Any]:
        """The arguments of boto3 that say what an object is, and to whom it shows."""
        line = own_line(stat.sha256 or "", stat.job_id or "", dict(stat.metadata))
        return self._new(key) | {
            "ContentType": stat.content_type,
            "Metadata": {OWN_METADATA: line},
            **self._headers,
        }

    def _new(self, key: str) -> dict[str, Any]:
        acl = {"ACL": self._acl} if self._acl else {}
        return {"Bucket": self._bucket, "Key": key, **acl}

    def _check_stored(self, failure: Failure, key: str, stat: ObjectStat) -> None:
        """Raise the failure of the last try of a write, unless the object is there all the same."""
        if failure.error.retryable:
            # The object may be written and the answer lost, on the way or by a gateway's 5xx.
            found = self._try("stat", key, lambda client: self._head(client, key), attempts=1)
            if not isinstance(found, Failure) and _is_same(stat_of(found), stat):
                extra = fields(object_key=key)
                logger.info("The answer to a write of %r was lost; it is stored.", key, extra=extra)
                return
        raise failure.error

    def _open(self, key: str) -> StoredFile:
        def get(client: S3Client) -> tuple[Any, ObjectStat]:
            answer = client.get_object(Bucket=self._bucket, Key=key)
            return answer["Body"], stat_of(answer)

        body, stat = self._request("open", key, get)
        return StoredFile(Body(body, lambda fault: self._fault(fault, key)), stat)

    def _stat(self, key: str) -> ObjectStat:
        return stat_of(self._find(key))

    def _find(self, key: str) -> HeadObjectOutputTypeDef:
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

    def _head(self, client: S3Client, key: str) -> HeadObjectOutputTypeDef:
        return client.head_object(Bucket=self._bucket, Key=key)

    def _delete(self, key: str) -> None:
        try:
            self._request(
                "delete", key, lambda client: client.delete_object(Bucket=self._bucket, Key=key)
            )
        except NotFound:  # Google says so where the others say 204
            logger.debug("Nothing to delete under %r.", key)

    def _copy(self, key: str, new_key: str) -> None:
        arguments = self._new(new_key) | {
            "CopySource": {"Bucket": self._bucket, "Key": key},
            "MetadataDirective": "COPY",
        }
        if self._headers:  # a copy of the metadata would have those of the source
            found = self._find(key)
            arguments |= self._headers | {
                "CopySourceIfMatch": found["ETag"],
                "MetadataDirective": "REPLACE",
                "ContentType": found["ContentType"],
                "Metadata": found["Metadata"],
            }
        outcome = self._try("copy", key, lambda client: client.copy_object(**arguments))
        if isinstance(outcome, Failure):
            self._check_copied(outcome, key, new_key)

    def _check_copied(self, failure: Failure, key: str, new_key: str) -> None:
        """Raise the failure of a copy, unless it is there all the same."""
        try:
            source = self._stat(key)
        except NotFound:  # stores have words of their own for a source that is missing
            raise
        except StorageError:
            source = None
        if source is None:
            raise failure.error
        self._check_stored(failure, new_key, source)

    def _set_public(self, key: str, *, is_public: bool) -> None:
        if self._acl is None:
            why = (
                "SPACES_ACL sends none: set it to 'private' if the bucket takes ACLs; else make"
                if self._provider.has_acls
                else f"objects have none at {self._provider.name}: make"
            )
            raise NotConfigured(
                f"publish and unpublish change an object's ACL, and {why} the whole bucket public, "
                "or serve the pictures through the app by a blueprint's files route."
            )
        acl: Literal["public-read", "private"] = "public-read" if is_public else "private"
        self._request(
            "publish" if is_public else "unpublish",
            key,
            lambda client: client.put_object_acl(Bucket=self._bucket, Key=key, ACL=acl),
        )

    def _url(self, key: str) -> str:
        url = self._route_url(key) if self._route_url and self._is_private else None
        return url or self._public_url(key)

    def _public_url(self, key: str) -> str:
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


def _part_put(
    where: dict[str, Any], number: int, part: bytes
) -> Callable[[S3Client], UploadPartOutputTypeDef]:
    return lambda client: client.upload_part(**where, PartNumber=number, Body=part)


def _is_same(found: ObjectStat, wanted: ObjectStat) -> bool:
    """Whether one is the other as far as can be known; by its size alone nothing is known."""
    return wanted.sha256 is not None and (
        (found.size_bytes, found.sha256, found.job_id, found.metadata)
        == (wanted.size_bytes, wanted.sha256, wanted.job_id, wanted.metadata)
    )
