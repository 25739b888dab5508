"""What boto3 raises, in our words: which config key to look at and whether to try again."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..errors import NotFound
from ..errors import StorageError
from .s3_logs import mask

_ADVICE = {
    "InvalidAccessKeyId": "SPACES_KEY is not a key of this store",
    "SignatureDoesNotMatch": "SPACES_SECRET does not belong to SPACES_KEY",
    "NoSuchBucket": "there is no such bucket: check SPACES_BUCKET, and SPACES_REGION or "
    "SPACES_ENDPOINT_URL",
    "AccessControlListNotSupported": "the bucket takes no ACLs: set SPACES_ACL to 'none'",
    "AuthorizationHeaderMalformed": "check SPACES_REGION",
    "PermanentRedirect": "the bucket is elsewhere: check SPACES_REGION and SPACES_ENDPOINT_URL",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "MetadataTooLarge": "this store takes less metadata than S3: give less",
    "XAmzContentSHA256Mismatch": "the sha256 given is not that of the data",
}
"""What to do about an error code of the S3 API."""

_TRANSIENT = {
    "SlowDown",
    "RequestTimeout",
    "InternalError",
    "ServiceUnavailable",
    "Throttling",
    "NoSuchUpload",  # completed, and the answer lost; or somebody ended it
    "PreconditionFailed",  # the source of a copy was replaced meanwhile
}
"""Codes of the S3 API that go away, whatever HTTP status they come with."""


@dataclasses.dataclass(frozen=True)
class Place:
    """What a message needs to know of the storage."""

    bucket: str
    endpoint: str
    key_id: str = dataclasses.field(repr=False)


class Failure(Exception):
    """One failed try.

    :param error: what to raise in the end.
    :param retry_after: seconds that the server asks to wait.
    :param status: the answer's HTTP status, 0 where none came.
    """

    def __init__(
        self,
        error: StorageError,
        *,
        retry_after: float | None = None,
        status: int = 0,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.retry_after = retry_after
        self.status = status


def translate(fault: Exception, *, action: str, key: str, place: Place) -> Failure:
    """The failure that an exception of botocore means. Carries nothing of the exception itself.

    :param fault: what the client raised.
    :param action: ``put``, ``open``, ``stat``, ``delete`` or what else was to be done.
    :param key: the object key.
    """
    from botocore.exceptions import ClientError

    if isinstance(fault, ClientError):
        return _refused(fault.response, action, key, place)
    return Failure(_broken(fault, action, key, place))


def _refused(response: Any, action: str, key: str, place: Place) -> Failure:
    about = response.get("Error", {})
    meta = response.get("ResponseMetadata", {})
    status = meta.get("HTTPStatusCode") or 0
    code = about.get("Code") or str(status)
    # Error.Message is None on Ceph, and a server may quote the key id in it.
    said = mask(str(about.get("Message") or ""), place.key_id)[:200].rstrip(". ")
    if code == "NoSuchKey" or (status == 404 and action in ("open", "stat") and code == "404"):
        return Failure(
            NotFound(
                f"There is no object {key!r} in the bucket {place.bucket!r} (SPACES_BUCKET) at "
                f"{place.endpoint}."
            ),
            status=status,
        )
    error = StorageError(
        f"{place.endpoint} answered {status} {code} to {action} {key!r} in the bucket "
        f"{place.bucket!r}{': ' + said if said else ''}. {_advice(status, code)}.",
        reason=code,
        retryable=_is_transient(status, code),
    )
    wait = _seconds(meta.get("HTTPHeaders", {}).get("retry-after"))
    return Failure(error, retry_after=wait, status=status)


def _is_transient(status: int, code: str) -> bool:
    return code in _TRANSIENT or status == 429 or status >= 500


def _advice(status: int, code: str) -> str:
    if code in _ADVICE:
        return _ADVICE[code][0].upper() + _ADVICE[code][1:]
    if status == 404:
        return "Check SPACES_BUCKET and SPACES_ENDPOINT_URL"
    if status in (401, 403):
        return (
            "Check SPACES_KEY, SPACES_SECRET and SPACES_REGION, and that the key may use "
            "SPACES_BUCKET"
        )
    if _is_transient(status, code):
        return "The store is overloaded or down; try again later"
    return "Check SPACES_PROVIDER, SPACES_REGION and SPACES_ENDPOINT_URL"


def _broken(fault: Exception, action: str, key: str, place: Place) -> StorageError:
    """No answer, or a request that boto3 itself refuses to make."""
    from botocore.exceptions import ConnectionError as BotoConnectionError
    from botocore.exceptions import HTTPClientError
    from botocore.exceptions import IncompleteReadError

    doing = f"{action} {key!r} in the bucket {place.bucket!r}"
    if "CERTIFICATE_VERIFY_FAILED" in str(fault):
        return StorageError(
            f"The TLS certificate of {place.endpoint} can't be verified ({doing}). Check "
            "SPACES_ENDPOINT_URL; for a private authority set the environment variable "
            "AWS_CA_BUNDLE to its certificate."
        )
    if isinstance(fault, HTTPClientError | BotoConnectionError | IncompleteReadError | OSError):
        return StorageError(
            f"No answer from {place.endpoint} to {doing} ({type(fault).__name__}). Check the "
            "network, and SPACES_REGION or SPACES_ENDPOINT_URL.",
            retryable=True,
        )
    return StorageError(
        f"boto3 can't {doing} at {place.endpoint} ({type(fault).__name__}). Check SPACES_BUCKET, "
        "SPACES_REGION and SPACES_ENDPOINT_URL."
    )


def _seconds(retry_after: str | None) -> float | None:
    # At most what an upload can wait; the header's date form is not used by object stores.
    if retry_after and retry_after.isdecimal():
        return min(float(retry_after), 10.0)
    return None
