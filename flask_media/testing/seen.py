"""What a fake has seen, and how a test asks for it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias
from typing import TypeVar

from ..errors import MediaError
from ..options import ImageGenerationConfig
from ..types import Usage


@dataclasses.dataclass(frozen=True, kw_only=True)
class FakeCall:
    """One call to the model."""

    number: int
    """Which one of the fake's calls it was, from 1."""
    prompt: str
    """The caller's own words."""
    sent_prompt: str
    """The prompt as sent to the model."""
    config: ImageGenerationConfig | None
    """How the picture was to look; None where the generator was called directly."""
    model: str
    """The model that was asked."""
    width: int
    """Width asked for, in pixels."""
    height: int
    """Height asked for, in pixels."""
    references: tuple[bytes, ...] = dataclasses.field(default=(), repr=False)
    """The reference pictures' bytes, as they were sent."""
    object_key: str | None = None
    """Where the picture was to go; None for ``generate``."""
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What was to be stored with it."""
    spender: str | None = None
    """Who pays; None for nobody in particular."""
    job_id: str = ""
    """The job, as in results, errors and signals."""
    data: bytes | None = dataclasses.field(default=None, repr=False)
    """What the model answered; None where it failed."""
    usage: Usage | None = None
    """Tokens of the answer."""
    cost_usd: Decimal | None = None
    """What the answer cost in US dollars, as a real one."""
    error: MediaError | None = None
    """Why there was no picture."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FakeUpload:
    """One object that was stored: a picture, a variant or an untouched original."""

    number: int
    """Which one of the fake's uploads it was, from 1."""
    object_key: str
    """Its key."""
    data: bytes = dataclasses.field(repr=False)
    """Its bytes."""
    content_type: str
    """Its media type."""
    metadata: Mapping[str, str]
    """What was stored with it."""
    size_bytes: int
    """How many bytes those are."""
    sha256: str
    """Their SHA-256, 64 hexadecimal digits."""
    job_id: str | None
    """The job that stored it."""


PromptMatcher: TypeAlias = "str | re.Pattern[str] | Callable[[FakeCall], bool] | None"
"""The whole prompt, as given or as sent; a pattern found in the one given; what judges the call;
None for any."""

KeyMatcher: TypeAlias = "str | re.Pattern[str] | Callable[[str], bool] | None"
"""The whole key, a pattern found in it, or what judges it; None for any."""

ConfigMatcher: TypeAlias = (
    "ImageGenerationConfig | Callable[[ImageGenerationConfig | None], bool] | None"
)

T = TypeVar("T")


def check_matcher(name: str, matcher: object) -> None:
    """Refuse what can match nothing, as a pattern of bytes.

    :raises TypeError: it is no text, pattern or function.
    """
    if isinstance(matcher, re.Pattern) and isinstance(matcher.pattern, str):
        return
    if matcher is not None and not isinstance(matcher, str) and not callable(matcher):
        raise TypeError(f"{name} must be text, a re.compile(...) pattern or a function.")


def prompt_fits(matcher: PromptMatcher, call: FakeCall) -> bool:
    """Whether the call is one of those."""
    if matcher is None:
        return True
    if isinstance(matcher, str):
        return matcher in {call.prompt, call.sent_prompt}
    if isinstance(matcher, re.Pattern):  # what is added to the prompt is full of words
        return matcher.search(call.prompt) is not None
    return bool(matcher(call))


def key_fits(matcher: KeyMatcher, key: str | None) -> bool:
    """Whether the key is one of those."""
    if matcher is None:
        return True
    if key is None:
        return False
    if isinstance(matcher, str):
        return matcher == key
    if isinstance(matcher, re.Pattern):
        return matcher.search(key) is not None
    return bool(matcher(key))


def config_fits(matcher: ConfigMatcher, config: ImageGenerationConfig | None) -> bool:
    """Whether the config is one of those."""
    if matcher is None:
        return True
    if isinstance(matcher, ImageGenerationConfig):
        return config is not None and matcher.to_dict() == config.to_dict()
    return bool(matcher(config))


def check_count(
    asked: str, found: Sequence[T], times: int | None, seen: Iterable[str], what: str
) -> None:
    """Fail unless there are so many; at least one where ``times`` is None.

    :param asked: the assertion as it was written.
    :param found: what matched.
    :param seen: a line for each of all that there are.
    :param what: what those are.
    :raises AssertionError: says what there is instead.
    """
    __tracebackhide__ = True
    if len(found) == times or (times is None and found):
        return
    wanted = "at least one" if times is None else str(times)
    lines = list(seen)
    there = "\n".join(f"  {line}" for line in lines) if lines else "  nothing"
    raise AssertionError(f"{asked}: {len(found)} match, not {wanted}. {what}:\n{there}")


def call_line(call: FakeCall) -> str:
    """The call in a line."""
    parts = [f"{call.number}. {_short(call.prompt)}"]
    if call.object_key is not None:
        parts.append(f"-> {call.object_key!r}")
    parts.append(f"({call.model}, {call.width} x {call.height}")
    if call.config is not None:
        parts[-1] += f", {call.config.theme.value}, {call.config.quality.value}"
    if call.references:
        parts[-1] += f", {len(call.references)} references"
    if call.spender is not None:
        parts[-1] += f", spender {call.spender!r}"
    parts[-1] += ")"
    if call.error is not None:
        parts.append(f"failed: {type(call.error).__name__}: {call.error}")
    return " ".join(parts)


def upload_line(upload: FakeUpload) -> str:
    """The upload in a line."""
    return (
        f"{upload.number}. {upload.object_key!r} ({upload.content_type}, {upload.size_bytes:,} "
        f"bytes, metadata {dict(upload.metadata)!r})"
    )


def written(name: str, **arguments: object) -> str:
    """An assertion as it was written."""
    given = ", ".join(
        f"{argument}={value!r}" for argument, value in arguments.items() if value is not None
    )
    return f"{name}({given})"


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
