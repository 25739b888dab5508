"""One bucket: where it is, this process's client for it, and how it is asked."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import re
import threading
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import NoReturn
from typing import TypeVar
from urllib.parse import urlsplit

from ..config_checks import Secret
from ..errors import InvalidConfig
from ..errors import NotConfigured
from ..errors import StorageError
from ..forks import reset_after_fork
from ..stray import announce
from .providers import S3Provider
from .s3_client import ca_bundle
from .s3_client import make_client
from .s3_errors import Failure
from .s3_errors import Place
from .s3_errors import translate

if TYPE_CHECKING:
    import tenacity
    from mypy_boto3_s3 import S3Client

Answer = TypeVar("Answer")

ATTEMPTS = 3
"""Tries of one request: a dropped connection, a 5xx or a 429 is tried again."""

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a store says before anything is written to it."""

    has_answered: bool
    """Whether it answered, if only to refuse."""
    is_missing: bool
    """Whether it says for certain that there is no such bucket."""
    clock_ahead: float | None
    """Seconds that this machine's clock is ahead of the store's, to about a second; None where the
    store does not say what time it is, or does not answer."""


class S3Bucket:
    """A bucket of a provider, and requests to it.

    Makes no client before :meth:`check_ready` or the first request, and another one after a fork: a
    client that was used before hands one child the other's answers.

    :param provider: the provider's row.
    :param bucket: name of the bucket; may be missing until :meth:`check_ready`.
    :param region: the region, None for the provider's default.
    :param key: access key; may be missing until :meth:`check_ready`.
    :param secret: secret key; may be missing until :meth:`check_ready`.
    :param endpoint_url: endpoint, None for the provider's.
    :param addressing_style: ``virtual`` or ``path``, None for the provider's.
    """

    def __init__(
        self,
        provider: S3Provider,
        *,
        bucket: str | None,
        region: str | None,
        key: Secret | None,
        secret: Secret | None,
        endpoint_url: str | None,
        addressing_style: str | None,
    ) -> None:
        self._provider = provider
        self._bucket = bucket or ""
        self._region = region
        self._key = key
        self._secret = secret
        self._addressing_style = addressing_style or provider.addressing_style
        self._endpoint = self._find_endpoint(endpoint_url)
        self._endpoint_is_given = endpoint_url is not None
        self._after_fork()
        reset_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()  # a fork may copy a held one
        self._made: S3Client | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.location}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A storage holds credentials and can't be pickled.")

    @property
    def location(self) -> str:
        """``s3://bucket@endpoint-host``."""
        host = (
            urlsplit(self._endpoint).netloc
            if self._endpoint
            else self._provider.name.replace(" ", "-")
        )
        return f"s3://{self._bucket}@{host}"

    def check_ready(self) -> None:
        """See :meth:`~flask_media.storage.base.Storage.check_ready`.

        :raises NotConfigured: names each of SPACES_BUCKET, SPACES_KEY, SPACES_SECRET, SPACES_REGION
            and SPACES_ENDPOINT_URL that is missing; or AWS_CA_BUNDLE names no file.
        :raises InvalidConfig: boto3 can make no client for SPACES_REGION or SPACES_ENDPOINT_URL.
        """
        self._ready()
        ca_bundle()
        self._client()

    def look(self) -> Outlook:
        """Ask for the bucket itself; writes nothing, and raises for no answer of the store.

        :raises NotConfigured: a config key is missing or wrong.
        """
        client = self._client()
        meta: Any
        try:
            meta = client.head_bucket(Bucket=self._bucket)["ResponseMetadata"]
        except Exception as fault:  # noqa: BLE001 - a refusal says the time too
            meta = getattr(fault, "response", {}).get("ResponseMetadata", {})
        now, ahead = datetime.now(UTC), None
        with contextlib.suppress(KeyError, ValueError):
            theirs = parsedate_to_datetime(meta["HTTPHeaders"]["date"])
            ahead = (now - theirs.replace(tzinfo=theirs.tzinfo or UTC)).total_seconds()
        status = meta.get("HTTPStatusCode")
        return Outlook(
            has_answered=status is not None and status < 500,
            is_missing=status == 404,
            clock_ahead=ahead,
        )

    def reach(self) -> None:
        """See :meth:`~flask_media.storage.base.Storage.reach`."""
        self.check_ready()
        outlook = self.look()
        if not outlook.has_answered:
            raise StorageError(f"{self._endpoint} does not answer.", retryable=True)
        if outlook.is_missing:
            raise StorageError(
                f"{self._endpoint} has no bucket {self._bucket!r}. Check SPACES_BUCKET, and "
                "SPACES_REGION or SPACES_ENDPOINT_URL.",
                retryable=False,
            )

    def _ready(self) -> tuple[str, Secret, Secret]:
        """Endpoint, access key and secret key, or what is missing of them."""
        endpoint, key, secret = self._endpoint, self._key, self._secret
        if endpoint and key and secret and self._bucket:
            return endpoint, key, secret
        where = "SPACES_REGION" if self._provider.endpoint else "SPACES_ENDPOINT_URL"
        wanted = {
            "SPACES_BUCKET": self._bucket,
            "SPACES_KEY": key,
            "SPACES_SECRET": secret,
            where: endpoint,
        }
        missing = [name for name, value in wanted.items() if not value]
        raise NotConfigured(
            f"Storing pictures at {self._provider.name} needs {_listed(missing)}. Set "
            f"{'it' if len(missing) == 1 else 'them'} in the app's config, or as "
            f"{_listed([f'FLASK_{name}' for name in missing])} in the environment where the app "
            "calls config.from_prefixed_env()."
        )

    def _bucket_url(self) -> str:
        endpoint = self._endpoint or self._ready()[0]
        if self._uses_virtual_host():
            parts = urlsplit(endpoint)
            return f"{parts.scheme}://{self._bucket}.{parts.netloc}{parts.path}"
        return f"{endpoint}/{self._bucket}"

    def _uses_virtual_host(self) -> bool:
        """Whether the bucket is part of the host: not where no certificate or DNS name fits."""
        host = urlsplit(self._endpoint or "").hostname or ""
        return (
            self._addressing_style == "virtual"
            and _DNS_LABEL.fullmatch(self._bucket) is not None
            and not _is_address(host)
        )

    def _find_endpoint(self, endpoint_url: str | None) -> str | None:
        if endpoint_url:
            return endpoint_url.rstrip("/")
        template = self._provider.endpoint
        region = self._region or self._provider.region
        if template is None or ("{region}" in template and region is None):
            return None
        return template.format(region=region)

    def _client(self) -> S3Client:
        """This process's client.

        :raises NotConfigured: a config key is missing, or wrong (``InvalidConfig``).
        """
        client = self._made
        if client is None:
            with self._lock:
                client = self._made
                if client is None:
                    client = self._made = self._make_client()
        return client

    def _make_client(self) -> S3Client:
        endpoint, key, secret = self._ready()
        ca_bundle()
        region = self._region or self._provider.region or "us-east-1"
        try:
            return make_client(
                endpoint_url=endpoint,
                region=region,
                key=key.reveal(),
                secret=secret.reveal(),
                addressing_style="virtual" if self._uses_virtual_host() else "path",
            )
        except Exception as error:  # noqa: BLE001 - whatever botocore makes of a value
            fault = type(error).__name__
        # Not within the handler: its traceback holds frames with the credentials.
        wrong = (
            f"SPACES_ENDPOINT_URL is {endpoint!r}, or SPACES_REGION {region!r},"
            if self._endpoint_is_given
            else f"SPACES_REGION is {region!r},"
        )
        raise InvalidConfig(
            f"{wrong} for which boto3 makes no client ({fault}). Write the region as 'fra1', and "
            "a host's name without '_'."
        )

    def _request(self, action: str, key: str, ask: Callable[[S3Client], Answer]) -> Answer:
        """Ask until there is an answer, :data:`ATTEMPTS` times at most.

        :raises StorageError: without a trace of botocore's exception, which holds the request
            and its credentials.
        """
        outcome = self._try(action, key, ask)
        if isinstance(outcome, Failure):
            raise outcome.error
        return outcome

    def _try(
        self,
        action: str,
        key: str,
        ask: Callable[[S3Client], Answer],
        *,
        attempts: int = ATTEMPTS,
    ) -> Answer | Failure:
        """The answer, or why there was none in the last of the attempts."""
        import tenacity

        announce(f"the bucket {self._bucket!r} is asked ({action} {key!r})", self._endpoint or "")
        client = self._client()
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_can_pass),
            wait=_wait,
            stop=tenacity.stop_after_attempt(attempts),
            reraise=True,
        )
        try:
            answer: Answer = retrying(self._ask, action, key, lambda: ask(client))
        except Failure as failure:
            return failure
        return answer

    def _ask(self, action: str, key: str, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except Exception as fault:  # noqa: BLE001 - botocore raises what it likes
            failure = translate(fault, action=action, key=key, place=self._place())
        raise failure

    def _fault(self, fault: Exception, key: str) -> StorageError:
        return translate(fault, action="open", key=key, place=self._place()).error

    def _place(self) -> Place:
        return Place(
            bucket=self._bucket,
            endpoint=self._endpoint or "",
            key_id=self._key.reveal() if self._key else "",
        )


def _can_pass(error: BaseException) -> bool:
    return isinstance(error, Failure) and error.error.retryable


def _wait(state: tenacity.RetryCallState) -> float:
    """Seconds to the next attempt: what the store says, else ever longer."""
    import tenacity

    failure = state.outcome.exception() if state.outcome else None
    if isinstance(failure, Failure) and failure.retry_after is not None:
        return failure.retry_after
    growing = tenacity.wait_exponential_jitter(initial=0.1, max=2.0, jitter=0.3)
    return growing(state)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
