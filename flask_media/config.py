"""Every config key: its name, default, meaning and check."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable
from collections.abc import Mapping
from decimal import Decimal
from decimal import InvalidOperation
from pathlib import Path
from typing import Any
from typing import NoReturn
from typing import Self
from urllib.parse import urlsplit

from .errors import InvalidConfig
from .options import StorageProvider

logger = logging.getLogger(__name__)


class Secret:
    """A credential that shows in no repr, no f-string, no traceback and no pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The credential itself, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret can't be pickled; configure the other process itself.")


def conceal(value: Any) -> Any:
    """The value as a :class:`Secret`; what is one already, None or empty as it is."""
    return Secret(value) if value and not isinstance(value, Secret) else value


class _WrongValueError(ValueError):
    """What is allowed for a value that was refused, and what may be shown of it."""

    def __init__(self, allowed: str, *, shown: str | None = None) -> None:
        super().__init__(allowed)
        self.shown = shown


_QUOTE_HINT = "(in the environment, quote what looks like a number: '\"123\"')"


def _text(value: Any) -> str:
    if value == "":
        raise _WrongValueError("something: it is empty")
    if not isinstance(value, str) or not value.strip():
        raise _WrongValueError(f"text {_QUOTE_HINT}")
    return value.strip()


def _name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\w.\-]{1,100}", value, re.ASCII):
        hint = f" {_QUOTE_HINT}" if isinstance(value, int | float) else ""
        raise _WrongValueError(f"a name of A-Z, a-z, 0-9, '.', '_' and '-'{hint}")
    return value


def _secret(value: Any) -> Secret:
    text = _text(value.reveal() if isinstance(value, Secret) else value)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise _WrongValueError("printable ASCII without spaces")
    return Secret(text)


_DATABASES = (
    "'sqlite:///' and a file, or 'postgresql://user:password@host/database'; no database in memory"
)


def _database_url(value: Any) -> Secret:
    """An SQLAlchemy URL, as a secret: it may hold a password. SQLAlchemy itself is not loaded."""
    text = _text(value.reveal() if isinstance(value, Secret) else value)
    value = None  # error reporters show the locals of a frame
    parts = re.fullmatch(r"(sqlite|postgres(?:ql)?)(\+\w+)?://([^\x00-\x1f\x7f]*)", text, re.ASCII)
    if parts is None:
        text = ""
        raise _WrongValueError(_DATABASES)
    backend, driver, place = parts.groups()
    text, parts = "", None
    if backend == "sqlite":
        path = place.partition("?")[0]
        if driver or not path.startswith("/") or path in ("/", "/:memory:") or "file:" in path:
            place = ""
            raise _WrongValueError(_DATABASES)
        return Secret(f"sqlite://{place}")
    return Secret(f"postgresql{driver or '+psycopg'}://{place}")


def _url(value: Any) -> str:
    text = _text(value)
    shown = repr(_without_credentials(text))
    try:
        parts = urlsplit(text)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        port_is_valid, parts = False, urlsplit("")
    is_visible = re.fullmatch("[!-~]+", text)  # urlsplit drops line feeds and tabs silently
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not port_is_valid
        or not is_visible
    ):
        raise _WrongValueError("a URL as https://host or http://host:port/path", shown=shown)
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise _WrongValueError("a URL without credentials, query or fragment", shown=shown)
    return text.rstrip("/")


def _without_credentials(url: str) -> str:
    url = re.sub(r"^(\w*://)?.*@", r"\1***@", url, flags=re.DOTALL)
    return re.sub(r"([?#]).*", r"\1***", url, flags=re.DOTALL)


def _base_url(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"/(?!/)[\w.~%/\-]*", value, re.ASCII):
        return value.rstrip("/")
    try:
        return _url(value)
    except _WrongValueError as wrong:
        allowed = f"{wrong}, or a path as /media"
        raise _WrongValueError(allowed, shown=wrong.shown) from None


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise _WrongValueError("a list of names, or names with commas between")
    return tuple(_name(part) for part in value)


def _usd(value: Any) -> Decimal:
    try:
        amount = Decimal(str(value)) if type(value) in (str, int, float, Decimal) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or not 0 <= amount <= 1_000_000:
        raise _WrongValueError("US dollars from 0 to 1,000,000, as 2.50")
    return amount


def _seconds(value: Any) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= 3600:
        raise _WrongValueError("a number of seconds, more than 0 and at most 3600")
    return float(value)


def _count(lowest: int, highest: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value.strip()):
            value = int(value)
        if type(value) is not int or not lowest <= value <= highest:
            raise _WrongValueError(f"a whole number from {lowest:,} to {highest:,}")
        return value

    return check


def _retention(value: Any) -> int | None:
    if isinstance(value, str) and value.strip().lower() == "none":
        return None
    try:
        return _count(1, 36_500)(value)
    except _WrongValueError as wrong:
        raise _WrongValueError(f"{wrong} of days, or 'none'") from None


def _flag(value: Any) -> bool:
    word = value.strip().lower() if isinstance(value, str) else value
    if word in (True, 1, "1", "true", "yes", "on"):
        return True
    if word in (False, 0, "0", "false", "no", "off"):
        return False
    raise _WrongValueError("True or False")


def _one_of(*choices: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if isinstance(value, str) and value.strip().lower() in choices:
            return value.strip().lower()
        raise _WrongValueError(" or ".join(repr(choice) for choice in choices))

    return check


_S3_PROVIDERS = tuple(
    provider.value
    for provider in StorageProvider
    if provider not in (StorageProvider.FILESYSTEM, StorageProvider.MEMORY)
)


def _provider(value: Any) -> StorageProvider:
    return StorageProvider(_one_of(*_S3_PROVIDERS)(value))


def _bucket(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"[a-zA-Z0-9][\w.\-]{1,61}[a-zA-Z0-9]", text, re.ASCII):
        raise _WrongValueError("a bucket's name: 3 to 63 of A-Z, a-z, 0-9, '.', '-' and '_'")
    return text


def _folder(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise _WrongValueError("the path of a folder")
    return Path(value)


def _template(value: Any) -> str:
    text = _text(value)
    if text.startswith("/") or ".." in text.split("/"):
        raise _WrongValueError(
            "the name of a template in the app's template folder, as 'media/prompt.txt'"
        )
    return text


def _key(name: str, check: Callable[[Any], Any], default: Any = None) -> Any:
    return dataclasses.field(default=default, metadata={"key": name, "check": check})


@dataclasses.dataclass(frozen=True, kw_only=True)
class MediaConfig:
    """The checked config of one app: one field a config key. Frozen; shows no secret."""

    gemini_api_key: Secret | None = _key("GEMINI_API_KEY", _secret)
    """Key of the Gemini API; without it ``generate`` raises ``NotConfigured``."""
    gemini_model: str = _key("GEMINI_MODEL", _name, "gemini-nano-banana-2.1")
    """The model to ask where a call names none."""
    gemini_fallback_models: tuple[str, ...] = _key("GEMINI_FALLBACK_MODELS", _names, ())
    """Models to ask in this order when one is overloaded, gone or over its quota."""
    gemini_base_url: str | None = _key("GEMINI_BASE_URL", _url)
    """Base URL of a gateway or an emulator; None is Google's."""
    gemini_api_version: str = _key("GEMINI_API_VERSION", _name, "v1")
    """Version in the API's path."""
    gemini_timeout: float = _key("GEMINI_TIMEOUT", _seconds, 180.0)
    """Seconds for one call in all: credentials, names, connecting and the answer, however slowly it
    drips in."""
    gemini_max_attempts: int = _key("GEMINI_MAX_ATTEMPTS", _count(1, 20), 3)
    """Most calls in one asking."""
    gemini_vertexai: bool = _key("GEMINI_VERTEXAI", _flag, default=False)
    """Vertex AI with the machine's own Google credentials, instead of the Developer API."""
    gemini_project: str | None = _key("GEMINI_PROJECT", _name)
    """Google Cloud project, for Vertex AI."""
    gemini_location: str | None = _key("GEMINI_LOCATION", _name)
    """Google Cloud location, for Vertex AI."""
    spaces_key: Secret | None = _key("SPACES_KEY", _secret)
    """Access key of the bucket."""
    spaces_secret: Secret | None = _key("SPACES_SECRET", _secret)
    """Secret key of the bucket."""
    spaces_region: str | None = _key("SPACES_REGION", _name)
    """Region, as ``fra1``."""
    spaces_bucket: str | None = _key("SPACES_BUCKET", _bucket)
    """The bucket; setting it chooses the ``spaces`` storage."""
    spaces_provider: StorageProvider = _key(
        "SPACES_PROVIDER", _provider, StorageProvider.DIGITALOCEAN_SPACES
    )
    """Whose S3 API it is; decides endpoint, addressing, ACL and URL form."""
    spaces_endpoint_url: str | None = _key("SPACES_ENDPOINT_URL", _url)
    """Endpoint; None takes the provider's."""
    spaces_addressing_style: str | None = _key(
        "SPACES_ADDRESSING_STYLE", _one_of("virtual", "path")
    )
    """``virtual`` or ``path``; None takes the provider's."""
    spaces_cdn_url: str | None = _key("SPACES_CDN_URL", _url)
    """Base of public URLs: a CDN or a custom domain."""
    spaces_acl: str | None = _key("SPACES_ACL", _one_of("public-read", "private", "none"))
    """Canned ACL of each object, or ``none`` to send none; None takes the provider's."""
    generator: str = _key("MEDIA_GENERATOR", _one_of("gemini", "placeholder"), "gemini")
    """``gemini``, or ``placeholder`` for pictures drawn here, offline, that say what they are."""
    storage: str | None = _key("MEDIA_STORAGE", _one_of("spaces", "filesystem", "memory"))
    """``spaces``, ``filesystem`` or ``memory``; None is ``spaces`` if SPACES_BUCKET is set, else
    ``filesystem``."""
    folder: Path | None = _key("MEDIA_FOLDER", _folder)
    """Root of the filesystem storage; relative to the instance folder. None is ``media`` there."""
    files_url: str | None = _key("MEDIA_FILES_URL", _base_url)
    """Base of the filesystem storage's URLs; None is the blueprint's files route where it is
    registered, else a ``file://`` URI."""
    journal_url: Secret | None = _key("MEDIA_JOURNAL_URL", _database_url)
    """SQLAlchemy URL of the journal, SQLite (relative to the instance folder) or PostgreSQL; None
    is ``media.sqlite3`` in the instance folder."""
    lease: float = _key("MEDIA_LEASE", _seconds, 30.0)
    """Seconds a job stays with a process that stopped renewing it."""
    on_unknown: str = _key("MEDIA_ON_UNKNOWN", _one_of("retry", "raise"), "retry")
    """What a call that was cut off means for the next asking: ``retry`` or ``raise``."""
    budget_per_day: Decimal | None = _key("MEDIA_BUDGET_USD_PER_DAY", _usd)
    """Most US dollars of the app in a UTC day."""
    budget_per_user_per_day: Decimal | None = _key("MEDIA_BUDGET_USD_PER_USER_PER_DAY", _usd)
    """Most US dollars of one spender in a UTC day."""
    reuse: bool = _key("MEDIA_REUSE", _flag, default=False)
    """Whether the stored picture of an equal request is always reused."""
    retention_days: int | None = _key("MEDIA_RETENTION_DAYS", _retention, 90)
    """Days after which ``gc`` forgets a finished job; ``none`` keeps all."""
    prompt_template: str | None = _key("MEDIA_PROMPT_TEMPLATE", _template)
    """Template of the enhanced prompt in the app's template folder; None is the built-in one."""

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

    def replace(self, **values: Any) -> Self:
        """A copy with other values, by field name, each checked.

        :raises InvalidConfig: a value is wrong.
        """
        return dataclasses.replace(self, **values)

    @property
    def storage_name(self) -> str:
        """``spaces``, ``filesystem`` or ``memory``."""
        return self.storage or ("spaces" if self.spaces_bucket else "filesystem")


def _is_secret(field: dataclasses.Field[Any]) -> bool:
    return field.metadata["check"] in (_secret, _database_url)


def _hidden(field: dataclasses.Field[Any], value: Any) -> Any:
    return conceal(value) if _is_secret(field) else value


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    key, check = field.metadata["key"], field.metadata["check"]
    value = _hidden(field, value)
    try:
        return check(value)
    except _WrongValueError as wrong:
        allowed, shown = str(wrong), wrong.shown
    # Not within the handler: its traceback holds the frames that saw the value.
    if _is_secret(field):
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
