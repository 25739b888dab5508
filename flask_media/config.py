"""Every config key: its name, default, meaning and check."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from collections.abc import Callable
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from typing import Any
from typing import Self

from .config_checks import Secret
from .config_checks import WrongValueError
from .config_checks import check_base_url
from .config_checks import check_bucket
from .config_checks import check_count
from .config_checks import check_database_url
from .config_checks import check_flag
from .config_checks import check_folder
from .config_checks import check_header
from .config_checks import check_name
from .config_checks import check_names
from .config_checks import check_note
from .config_checks import check_one_of
from .config_checks import check_part
from .config_checks import check_provider
from .config_checks import check_retention
from .config_checks import check_seconds
from .config_checks import check_secret
from .config_checks import check_template
from .config_checks import check_url
from .config_checks import check_usd
from .config_checks import check_variant_specs
from .config_checks import check_webhook_secret
from .config_checks import check_webhook_url
from .config_checks import conceal
from .errors import InvalidConfig
from .options import StorageProvider

if TYPE_CHECKING:
    from .values import Marks
    from .variants import Variant

logger = logging.getLogger(__name__)


def _key(name: str, check: Callable[[Any], Any], default: Any = None) -> Any:
    metadata = {"key": name, "check": check}
    if isinstance(default, Mapping):  # Python 3.11 takes any mapping for a mutable one
        return dataclasses.field(default_factory=lambda: default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


STORAGES = ("spaces", "filesystem", "memory")
"""What MEDIA_STORAGE may be."""


def check_mirror(value: Any) -> MediaConfig | str:
    """The kind of a second storage, or the config of one."""
    if isinstance(value, Secret):  # a mapping may have credentials in it
        value = value.reveal()
    if isinstance(value, MediaConfig):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*[A-Za-z0-9_-]{1,20}\s*", value):
        return _check_mirror_kind(value)
    fault = ""
    try:
        values = json.loads(value) if isinstance(value, str) else value
        if isinstance(values, Mapping) and values:
            return MediaConfig.from_mapping(_known(values))
    except InvalidConfig as error:
        fault = f" ({error})"
    except ValueError:
        pass
    value = values = None  # error reporters show the locals of a frame
    raise WrongValueError(
        f"'spaces', 'filesystem' or 'memory', or a mapping (as JSON in the environment) with "
        f"MEDIA_STORAGE, MEDIA_FOLDER and SPACES_... of the second storage{fault}"
    )


def _check_mirror_kind(value: str) -> str:
    try:
        return check_one_of(*STORAGES)(value)
    except WrongValueError as wrong:
        allowed = f"{wrong}, or a mapping"
    raise WrongValueError(allowed, shown=repr(value))


def _known(values: Mapping[Any, Any]) -> dict[str, Any]:
    keys = {
        field.metadata["key"]
        for field in dataclasses.fields(MediaConfig)
        if field.name in ("storage", "folder") or field.name.startswith("spaces_")
    }
    for name in values:
        if name not in keys:
            raise InvalidConfig(f"{str(name)!r:.40} is no key of a second storage")
    return dict(values)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MediaConfig:
    """The checked config of one app: one field a config key. Frozen; shows no secret."""

    gemini_api_key: Secret | None = _key("GEMINI_API_KEY", check_secret)
    """Key of the Gemini API; without it ``generate`` raises ``NotConfigured``."""
    gemini_model: str = _key("GEMINI_MODEL", check_name, "gemini-nano-banana-2.1")
    """The model to ask where a call names none."""
    gemini_fallback_models: tuple[str, ...] = _key("GEMINI_FALLBACK_MODELS", check_names, ())
    """Models to ask in this order when one is overloaded, gone or over its quota."""
    gemini_base_url: str | None = _key("GEMINI_BASE_URL", check_url)
    """Base URL of a gateway or an emulator; None is Google's."""
    gemini_api_version: str = _key("GEMINI_API_VERSION", check_name, "v1")
    """Version in the API's path."""
    gemini_timeout: float = _key("GEMINI_TIMEOUT", check_seconds, 180.0)
    """Seconds for one call in all: credentials, names, connecting and the answer, however slowly it
    drips in."""
    gemini_max_attempts: int = _key("GEMINI_MAX_ATTEMPTS", check_count(1, 20), 3)
    """Most calls in one asking."""
    gemini_vertexai: bool = _key("GEMINI_VERTEXAI", check_flag, default=False)
    """Vertex AI with the machine's own Google credentials, instead of the Developer API."""
    gemini_project: str | None = _key("GEMINI_PROJECT", check_name)
    """Google Cloud project, for Vertex AI."""
    gemini_location: str | None = _key("GEMINI_LOCATION", check_name)
    """Google Cloud location, for Vertex AI."""
    spaces_key: Secret | None = _key("SPACES_KEY", check_secret)
    """Access key of the bucket."""
    spaces_secret: Secret | None = _key("SPACES_SECRET", check_secret)
    """Secret key of the bucket."""
    spaces_region: str | None = _key("SPACES_REGION", check_name)
    """Region, as ``fra1``."""
    spaces_bucket: str | None = _key("SPACES_BUCKET", check_bucket)
    """The bucket; setting it chooses the ``spaces`` storage."""
    spaces_provider: StorageProvider = _key(
        "SPACES_PROVIDER", check_provider, StorageProvider.DIGITALOCEAN_SPACES
    )
    """Whose S3 API it is; decides endpoint, addressing, ACL and URL form."""
    spaces_endpoint_url: str | None = _key("SPACES_ENDPOINT_URL", check_url)
    """Endpoint; None takes the provider's."""
    spaces_addressing_style: str | None = _key(
        "SPACES_ADDRESSING_STYLE", check_one_of("virtual", "path")
    )
    """``virtual`` or ``path``; None takes the provider's."""
    spaces_cdn_url: str | None = _key("SPACES_CDN_URL", check_url)
    """Base of public URLs: a CDN or a custom domain."""
    spaces_acl: str | None = _key("SPACES_ACL", check_one_of("public-read", "private", "none"))
    """Canned ACL of each object, or ``none`` to send none; None takes the provider's."""
    generator: str = _key("MEDIA_GENERATOR", check_part("gemini", "placeholder"), "gemini")
    """``gemini``, or ``placeholder`` for pictures drawn here, offline, that say what they are; or
    the path of one of your own, as ``shop.drawing:Painter``."""
    storage: str | None = _key("MEDIA_STORAGE", check_part(*STORAGES))
    """``spaces``, ``filesystem``, ``memory``, or the path of one of your own; None is ``spaces`` if
    SPACES_BUCKET is set, else ``filesystem``."""
    folder: Path | None = _key("MEDIA_FOLDER", check_folder)
    """Root of the filesystem storage; relative to the instance folder. None is ``media`` there."""
    files_url: str | None = _key("MEDIA_FILES_URL", check_base_url)
    """Base of the filesystem storage's URLs; None is the blueprint's files route where it is
    registered, else a ``file://`` URI."""
    cache_control: str | None = _key("MEDIA_CACHE_CONTROL", check_header)
    """Header ``Cache-Control`` of stored pictures, as ``public, max-age=31536000, immutable``."""
    content_disposition: str | None = _key(
        "MEDIA_CONTENT_DISPOSITION", check_one_of("inline", "attachment")
    )
    """Header ``Content-Disposition`` of stored pictures: ``inline`` or ``attachment``."""
    storage_mirror: MediaConfig | str | None = _key("MEDIA_STORAGE_MIRROR", check_mirror)
    """A second storage, which each picture is written to as well: ``spaces``, ``filesystem`` or
    ``memory`` with the keys that are there, or a mapping with a ``MEDIA_STORAGE``,
    ``MEDIA_FOLDER`` and ``SPACES_...`` of its own. It shows in no log."""
    journal_url: Secret | None = _key("MEDIA_JOURNAL_URL", check_database_url)
    """SQLAlchemy URL of the journal, SQLite (relative to the instance folder) or PostgreSQL; None
    is ``media.sqlite3`` in the instance folder."""
    lease: float = _key("MEDIA_LEASE", check_seconds, 30.0)
    """Seconds a job stays with a process that stopped renewing it."""
    on_unknown: str = _key("MEDIA_ON_UNKNOWN", check_one_of("retry", "raise"), "retry")
    """What a call that was cut off means for the next asking: ``retry`` or ``raise``."""
    queue: str = _key("MEDIA_QUEUE", check_part("threads", "celery"), "threads")
    """Who works on what ``generate_later`` takes: ``threads`` of the processes that asked,
    ``celery``, the workers of the app's own Celery app, or the path of a queue of your own."""
    queue_threads: int = _key("MEDIA_QUEUE_THREADS", check_count(1, 256), 4)
    """Threads of a process that work on its jobs, where MEDIA_QUEUE is ``threads``."""
    queue_size: int = _key("MEDIA_QUEUE_SIZE", check_count(1, 100_000), 100)
    """Most jobs of a process that wait for a thread; a further one is refused."""
    queue_retries: int = _key("MEDIA_QUEUE_RETRIES", check_count(0, 100), 5)
    """How often a job in the background is tried again after an error that can pass."""
    queue_retry_seconds: float = _key("MEDIA_QUEUE_RETRY_SECONDS", check_seconds, 10.0)
    """Seconds before the first of these, where the provider does not say; doubled each time."""
    async_threads: int = _key("MEDIA_ASYNC_THREADS", check_count(1, 1024), 64)
    """Most calls that a process awaits at once (``agenerate_and_upload`` and so on), each in a
    thread; further ones wait for one."""
    budget_per_day: Decimal | None = _key("MEDIA_BUDGET_USD_PER_DAY", check_usd)
    """Most US dollars of the app in a UTC day."""
    budget_per_user_per_day: Decimal | None = _key("MEDIA_BUDGET_USD_PER_USER_PER_DAY", check_usd)
    """Most US dollars of one spender in a UTC day."""
    reuse: bool = _key("MEDIA_REUSE", check_flag, default=False)
    """Whether the stored picture of an equal request is always reused."""
    retention_days: int | None = _key("MEDIA_RETENTION_DAYS", check_retention, 90)
    """Days after which ``gc`` forgets a finished job; ``none`` keeps all."""
    prompt_template: str | None = _key("MEDIA_PROMPT_TEMPLATE", check_template)
    """Template of the enhanced prompt in the app's template folder; None is the built-in one."""
    variants: Mapping[str, Variant] = _key(
        "MEDIA_VARIANTS", check_variant_specs, MappingProxyType({})
    )
    """Variants of each picture whose call names none, by name: a width, a box ``[640, 400]`` or the
    fields of a :class:`~flask_media.Variant`."""
    variants_when: str = _key(
        "MEDIA_VARIANTS_WHEN", check_one_of("eager", "later", "lazy"), "eager"
    )
    """When variants are made: ``eager`` with the picture, ``later`` by the queue, ``lazy`` when the
    blueprint is first asked for one."""
    placeholder: bool = _key("MEDIA_PLACEHOLDER", check_flag, default=False)
    """Whether pictures without variants have placeholder data and main colour too."""
    keep_original: bool = _key("MEDIA_KEEP_ORIGINAL", check_flag, default=False)
    """Whether the untouched file is stored too where another one was made of it."""
    credit: str | None = _key("MEDIA_CREDIT", check_note)
    """Who is to be credited, in the XMP of each file that is encoded here."""
    copyright: str | None = _key("MEDIA_COPYRIGHT", check_note)
    """Copyright notice, in the XMP of each file that is encoded here."""

    webhook_url: Secret | None = _key("MEDIA_WEBHOOK_URL", check_webhook_url)
    """Where the end of each job is posted to; needs MEDIA_WEBHOOK_SECRET. It shows in no log: it
    may have a token in it."""
    webhook_secret: Secret | None = _key("MEDIA_WEBHOOK_SECRET", check_webhook_secret)
    """What these posts are signed with: ``whsec_`` and base64, or any 16 characters or more."""
    webhook_retry_seconds: float = _key("MEDIA_WEBHOOK_RETRY_SECONDS", check_seconds, 10.0)
    """Seconds before a post that failed is made again; doubled each time, up to an hour."""

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Read and check the keys of an app's config. A key that is missing, None or "" is unset.

        :raises InvalidConfig: a value is wrong; names the key, the value (never a secret) and
            what is allowed.
        """
        fields = {field.metadata["key"]: field for field in dataclasses.fields(cls)}
        given = {field.name: _hidden(field, mapping.get(key)) for key, field in fields.items()}
        names = list(mapping)
        del mapping  # error reporters show the locals of a frame, and here are all secrets
        _warn_of_typos(names, list(fields))
        config = cls(
            **{name: value for name, value in given.items() if value is not None and value != ""}
        )
        if config.storage is None and not config.spaces_bucket and config.spaces_key:
            logger.warning(
                "SPACES_KEY is set and SPACES_BUCKET is not, so pictures are kept in a folder of "
                "this machine. Set SPACES_BUCKET, or MEDIA_STORAGE if that is meant."
            )
        return config

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None:
                object.__setattr__(self, field.name, _checked(field, value))
        mirror = self.mirror
        if mirror is not None and mirror.place == self.place:
            raise InvalidConfig(
                f"MEDIA_STORAGE_MIRROR names the storage that pictures are kept in anyway "
                f"({self.storage_name!r}). Name another one, or unset it."
            )
        if self.webhook_url is not None and self.webhook_secret is None:
            raise InvalidConfig(
                "MEDIA_WEBHOOK_URL needs MEDIA_WEBHOOK_SECRET, which its posts are signed with. "
                "Set it to 16 characters or more, as of: "
                """python -c 'import secrets; print(secrets.token_urlsafe(32))'"""
            )

    def replace(self, **values: Any) -> Self:
        """A copy with other values, by field name, each checked.

        :raises InvalidConfig: a value is wrong.
        """
        return dataclasses.replace(self, **values)

    @property
    def marks(self) -> Marks:
        """What files that are encoded here say of themselves."""
        from .values import Marks

        return Marks(credit=self.credit, copyright=self.copyright)

    @property
    def storage_name(self) -> str:
        """``spaces``, ``filesystem``, ``memory``, or the path of one of the app's own."""
        return self.storage or ("spaces" if self.spaces_bucket else "filesystem")

    @property
    def mirror(self) -> MediaConfig | None:
        """The config of the second storage, None where there is none."""
        if isinstance(self.storage_mirror, str):
            return dataclasses.replace(self, storage=self.storage_mirror, storage_mirror=None)
        if self.storage_mirror is None:
            return None
        return dataclasses.replace(
            self.storage_mirror,
            cache_control=self.cache_control,
            content_disposition=self.content_disposition,
        )

    @property
    def place(self) -> tuple[object, ...]:
        """What the storage's config says of where it is, to tell two storages apart."""
        if self.storage_name == "filesystem":
            return "filesystem", self.folder or Path("media")
        if self.storage_name != "spaces":
            return (self.storage_name,)
        spaces = (self.spaces_provider, self.spaces_endpoint_url, self.spaces_region)
        return "spaces", self.spaces_bucket, *spaces


_SECRET_CHECKS = (
    check_mirror,
    check_secret,
    check_database_url,
    check_webhook_url,
    check_webhook_secret,
)


def _is_secret(field: dataclasses.Field[Any]) -> bool:
    return field.metadata["check"] in _SECRET_CHECKS


def _hidden(field: dataclasses.Field[Any], value: Any) -> Any:
    return conceal(value) if _is_secret(field) else value


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    key, check = field.metadata["key"], field.metadata["check"]
    value = _hidden(field, value)
    try:
        return check(value)
    except WrongValueError as wrong:
        allowed, shown = str(wrong), wrong.shown
    # Not within the handler: its traceback holds the frames that saw the value.
    if _is_secret(field) and shown is None:
        raise InvalidConfig(f"{key} has a value that can't be used; it must be {allowed}.")
    shown = shown or repr(value)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    raise InvalidConfig(f"{key} is {shown}; it must be {allowed}.")


def _warn_of_typos(names: list[str], keys: list[str]) -> None:
    for name in names:
        old = name.removeprefix("DIGITALOCEAN_")
        if old != name and old in keys:
            logger.warning("Config key %s is not read; did you mean %s?", name, old)
        if name.startswith(("GEMINI_", "SPACES_", "MEDIA_")) and name not in keys:
            import difflib  # only where a name is in doubt

            for close in difflib.get_close_matches(name, keys, n=1, cutoff=0.85):
                logger.warning("Config key %s is not known; did you mean %s?", name, close)
