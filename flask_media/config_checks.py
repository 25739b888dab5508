"""What the values of config keys are checked with, and how secrets are kept."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from collections.abc import Mapping
from decimal import Decimal
from decimal import InvalidOperation
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from typing import Any
from typing import NoReturn
from urllib.parse import urlsplit

from .errors import InvalidRequest
from .options import NOTE
from .options import StorageProvider
from .options import is_note
from .own import is_path

if TYPE_CHECKING:
    from .variants import Variant


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


class WrongValueError(ValueError):
    """What is allowed for a value that was refused, and what may be shown of it."""

    def __init__(self, allowed: str, *, shown: str | None = None) -> None:
        super().__init__(allowed)
        self.shown = shown


_QUOTE_HINT = "(in the environment, quote what looks like a number: '\"123\"')"


def check_text(value: Any) -> str:
    if value == "":
        raise WrongValueError("something: it is empty")
    if not isinstance(value, str) or not value.strip():
        raise WrongValueError(f"text {_QUOTE_HINT}")
    return value.strip()


def check_note(value: Any) -> str:
    """A text that is written into pictures; refused here because later one is paid for."""
    text = check_text(value)
    if not is_note(text):
        raise WrongValueError(NOTE)
    return text


def check_name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\w.\-]{1,100}", value, re.ASCII):
        hint = f" {_QUOTE_HINT}" if isinstance(value, int | float) else ""
        raise WrongValueError(f"a name of A-Z, a-z, 0-9, '.', '_' and '-'{hint}")
    return value


def check_secret(value: Any) -> Secret:
    text = check_text(value.reveal() if isinstance(value, Secret) else value)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise WrongValueError("printable ASCII without spaces")
    return Secret(text)


SHORTEST_WEBHOOK_SECRET = 16
"""Characters, or bytes where it is base64."""


def check_webhook_secret(value: Any) -> Secret:
    """A secret of webhooks: not a short one, and base64 where it says so."""
    secret = check_secret(value)
    value = None  # error reporters show the locals of a frame
    prefix, is_encoded, encoded = secret.reveal().partition("whsec_")
    if not prefix and is_encoded:
        try:
            length = len(base64.b64decode(encoded, validate=True))
        except ValueError:
            length = 0
    else:
        length = len(secret.reveal())
    prefix = encoded = ""
    if length < SHORTEST_WEBHOOK_SECRET:
        raise WrongValueError(
            f"{SHORTEST_WEBHOOK_SECRET} characters or more without spaces, or 'whsec_' and base64 "
            f"of {SHORTEST_WEBHOOK_SECRET} bytes or more"
        )
    return secret


def check_webhook_url(value: Any) -> Secret:
    """A URL, as a secret: its path or query may hold a token."""
    text = check_text(value.reveal() if isinstance(value, Secret) else value)
    value = None  # error reporters show the locals of a frame
    place, _, query = text.partition("?")
    try:
        check_url(place)
        is_valid = re.fullmatch(r'[!"$-~]*', query) is not None
    except WrongValueError:
        is_valid = False
    if not is_valid:
        text = place = query = ""
        raise WrongValueError(
            "a URL as https://host/path, without credentials before the host and without a fragment"
        )
    return Secret(text)


_DATABASES = (
    "'sqlite:///' and a file, or 'postgresql://user:password@host/database'; no database in memory"
)


def check_database_url(value: Any) -> Secret:
    """An SQLAlchemy URL, as a secret: it may hold a password. SQLAlchemy itself is not loaded."""
    text = check_text(value.reveal() if isinstance(value, Secret) else value)
    value = None  # error reporters show the locals of a frame
    parts = re.fullmatch(r"(sqlite|postgres(?:ql)?)(\+\w+)?://([^\x00-\x1f\x7f]*)", text, re.ASCII)
    if parts is None:
        text = ""
        raise WrongValueError(_DATABASES)
    backend, driver, place = parts.groups()
    text, parts = "", None
    if backend == "sqlite":
        path = place.partition("?")[0]
        if driver or not path.startswith("/") or path in ("/", "/:memory:") or "file:" in path:
            place = ""
            raise WrongValueError(_DATABASES)
        return Secret(f"sqlite://{place}")
    return Secret(f"postgresql{driver or '+psycopg'}://{place}")


def check_url(value: Any) -> str:
    text = check_text(value)
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
        raise WrongValueError("a URL as https://host or http://host:port/path", shown=shown)
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise WrongValueError("a URL without credentials, query or fragment", shown=shown)
    return text.rstrip("/")


def _without_credentials(url: str) -> str:
    url = re.sub(r"^(\w*://)?.*@", r"\1***@", url, flags=re.DOTALL)
    return re.sub(r"([?#]).*", r"\1***", url, flags=re.DOTALL)


def check_base_url(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"/(?!/)[\w.~%/\-]*", value, re.ASCII):
        return value.rstrip("/")
    try:
        return check_url(value)
    except WrongValueError as wrong:
        allowed = f"{wrong}, or a path as /media"
        raise WrongValueError(allowed, shown=wrong.shown) from None


def check_header(value: Any) -> str:
    text = check_text(value)
    if not re.fullmatch("[ -~]{1,1000}", text):
        raise WrongValueError("a header's value: ASCII without line feeds, at most 1,000 signs")
    return text


def check_names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise WrongValueError("a list of names, or names with commas between")
    return tuple(check_name(part) for part in value)


def check_usd(value: Any) -> Decimal:
    try:
        amount = Decimal(str(value)) if type(value) in (str, int, float, Decimal) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or not 0 <= amount <= 1_000_000:
        raise WrongValueError("US dollars from 0 to 1,000,000, as 2.50")
    return amount


def check_seconds(value: Any) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= 3600:
        raise WrongValueError("a number of seconds, more than 0 and at most 3600")
    return float(value)


def check_count(lowest: int, highest: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value.strip()):
            value = int(value)
        if type(value) is not int or not lowest <= value <= highest:
            raise WrongValueError(f"a whole number from {lowest:,} to {highest:,}")
        return value

    return check


def check_retention(value: Any) -> int | None:
    if isinstance(value, str) and value.strip().lower() == "none":
        return None
    try:
        return check_count(1, 36_500)(value)
    except WrongValueError as wrong:
        raise WrongValueError(f"{wrong} of days, or 'none'") from None


def check_flag(value: Any) -> bool:
    word = value.strip().lower() if isinstance(value, str) else value
    if word in (True, 1, "1", "true", "yes", "on"):
        return True
    if word in (False, 0, "0", "false", "no", "off"):
        return False
    raise WrongValueError("True or False")


def check_one_of(*choices: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if isinstance(value, str) and value.strip().lower() in choices:
            return value.strip().lower()
        raise WrongValueError(" or ".join(repr(choice) for choice in choices))

    return check


def check_part(*choices: str) -> Callable[[Any], str]:
    """One of the choices, or the path of a part of the app's own."""

    def check(value: Any) -> str:
        if is_path(value):
            return str(value)
        try:
            return check_one_of(*choices)(value)
        except WrongValueError as wrong:
            allowed = str(wrong)
        raise WrongValueError(f"{allowed}, or one of your own as 'package.module:name'")

    return check


_S3_PROVIDERS = tuple(
    provider.value
    for provider in StorageProvider
    if provider not in (StorageProvider.FILESYSTEM, StorageProvider.MEMORY)
)


def check_provider(value: Any) -> StorageProvider:
    return StorageProvider(check_one_of(*_S3_PROVIDERS)(value))


def check_bucket(value: Any) -> str:
    text = check_text(value)
    if not re.fullmatch(r"[a-zA-Z0-9][\w.\-]{1,61}[a-zA-Z0-9]", text, re.ASCII):
        raise WrongValueError("a bucket's name: 3 to 63 of A-Z, a-z, 0-9, '.', '-' and '_'")
    return text


def check_folder(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise WrongValueError("the path of a folder")
    return Path(value)


def check_template(value: Any) -> str:
    text = check_text(value)
    if text.startswith("/") or ".." in text.split("/"):
        raise WrongValueError(
            "the name of a template in the app's template folder, as 'media/prompt.txt'"
        )
    return text


def check_variant_specs(value: Any) -> Mapping[str, Variant]:
    """The variants of a mapping, checked; it can't be changed."""
    from .variants import check_variants  # only where there are some

    try:
        return MappingProxyType(check_variants(value))
    except InvalidRequest as error:
        raise WrongValueError(f"variants by name ({str(error).removesuffix('.')})") from None
