"""What callers get: frozen values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from typing import Self


@dataclasses.dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of one call, as the provider counted them. A count that it did not give is None."""

    input_tokens: int | None = None
    """Tokens of the prompt and the reference images."""
    output_tokens: int | None = None
    """Tokens of the answer, the picture's included, the thoughts' not."""
    image_tokens: int | None = None
    """The part of ``output_tokens`` that is picture."""
    thought_tokens: int | None = None
    """Tokens of the model's thoughts."""
    total_tokens: int | None = None
    """All together, as the provider says."""

    def to_dict(self) -> dict[str, int | None]:
        """All counts by name."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectStat:
    """What a storage says of an object."""

    size_bytes: int
    """Size of the object in bytes."""
    content_type: str
    """The media type that it was stored with."""
    metadata: dict[str, str]
    """The metadata as the caller gave it, numbers as text."""
    sha256: str | None = None
    """SHA-256 as its writer gave it; None for an object that Flask-Media did not store."""
    job_id: str | None = None
    """The job that made it, as its writer gave it; None where none is known."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratedImage:
    """A generated picture that was not uploaded.

    A view sends it as ``Response(image.data, content_type=image.content_type)``.
    """

    data: bytes = dataclasses.field(repr=False)
    """The file's bytes."""
    content_type: str
    """The media type, read from the bytes."""
    width: int
    """Width in pixels, read from the bytes."""
    height: int
    """Height in pixels, read from the bytes."""
    size_bytes: int
    """Size of ``data`` in bytes."""
    sha256: str
    """SHA-256 of ``data``, 64 hexadecimal digits."""
    prompt: str
    """The prompt as sent to the model."""
    original_prompt: str
    """The prompt as the caller gave it."""
    model: str
    """The model that made it."""
    usage: Usage | None
    """Tokens as the provider counted them, or None."""
    cost_usd: Decimal | None
    """What it cost in US dollars, None when unknown."""
    job_id: str
    """The job that made it."""
    attempts: int
    """Calls made to the model."""
    created_at: datetime
    """When the picture arrived, in UTC."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MediaResult(Mapping[str, Any]):
    """A stored picture: an object and a read-only mapping of the same fields.

    It is no response; a view returns ``result.to_dict()`` or ``jsonify(result)``.
    """

    url: str
    """Where the picture can be fetched; a path of the app where its blueprint serves it."""
    object_key: str
    """Its key in the storage."""
    prompt: str | None
    """The prompt as sent to the model; None for an upload."""
    original_prompt: str | None
    """The prompt as the caller gave it; None for an upload."""
    content_type: str
    """The media type, read from the bytes."""
    width: int
    """Width in pixels, read from the bytes."""
    height: int
    """Height in pixels, read from the bytes."""
    size_bytes: int
    """Size of the stored bytes."""
    sha256: str
    """SHA-256 of the stored bytes, 64 hexadecimal digits."""
    metadata: dict[str, str]
    """The metadata stored with it: what was given as text, without the None values."""
    model: str | None
    """The model that made it; None for an upload."""
    usage: Usage | None
    """Tokens as the provider counted them, or None."""
    cost_usd: Decimal | None
    """What it cost in US dollars, None when unknown."""
    job_id: str
    """The job that made it."""
    cached: bool
    """Whether the picture was there already, so that nothing was generated or uploaded; always
    False as yet."""
    attempts: int
    """Calls made to the model, those that it refused included; 0 for an upload."""
    created_at: datetime
    """When the picture arrived from the model or from the caller, in UTC."""

    def __getitem__(self, name: str) -> Any:
        if name in self.__dataclass_fields__:
            return getattr(self, name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dataclass_fields__)

    def __len__(self) -> int:
        return len(self.__dataclass_fields__)

    def __hash__(self) -> int:
        return hash((self.job_id, self.object_key))

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-safe values; :meth:`from_dict` makes an equal result of them."""
        return dict(self) | {
            "metadata": dict(self.metadata),
            "usage": self.usage.to_dict() if self.usage else None,
            "cost_usd": None if self.cost_usd is None else str(self.cost_usd),
            "created_at": self.created_at.isoformat(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The result that :meth:`to_dict` described."""
        usage, cost = values["usage"], values["cost_usd"]
        return cls(
            **dict(values)
            | {
                "usage": None if usage is None else Usage(**usage),
                "cost_usd": None if cost is None else Decimal(cost),
                "created_at": datetime.fromisoformat(values["created_at"]),
            }
        )
