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
class StoredVariant:
    """A derivative of a stored picture, made or still to be made."""

    url: str | None
    """Where it can be fetched, and is made if it is not there; None for one that is not made where
    no blueprint could."""
    object_key: str
    """Its key in the storage, made of the picture's own."""
    content_type: str
    """The media type of its bytes."""
    width: int
    """Width in pixels."""
    height: int
    """Height in pixels."""
    size_bytes: int | None = None
    """Size of the stored bytes; None while it is not made."""
    sha256: str | None = None
    """SHA-256 of the stored bytes, 64 hexadecimal digits; None while it is not made."""

    @property
    def is_made(self) -> bool:
        """Whether it is stored; one that is not is made later, or when it is first asked for."""
        return self.sha256 is not None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a picture says of where it comes from, and what became of that."""

    c2pa: bool = False
    """Whether the file that came carried a C2PA manifest (Content Credentials)."""
    c2pa_kept: bool = False
    """Whether the stored file carries it still; a re-encoded one can't."""
    claim_generator: str | None = None
    """Who made the manifest, as it says itself."""
    digital_source_type: str | None = None
    """The IPTC term (a URI) that the stored file names for its origin, None where it names none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PictureInfo:
    """What the journal knows of a stored picture: all that a page needs to show it."""

    url: str
    """Where it can be fetched."""
    object_key: str
    """Its key in the storage."""
    content_type: str
    """The media type of its bytes."""
    width: int
    """Width in pixels."""
    height: int
    """Height in pixels."""
    size_bytes: int
    """Size of the stored bytes."""
    sha256: str
    """SHA-256 of the stored bytes, 64 hexadecimal digits."""
    job_id: str
    """The job that stored it last."""
    variants: dict[str, StoredVariant]
    """Its derivatives by name, those that are still to be made too."""
    placeholder: str | None
    """A tiny picture of it as a ``data:`` URI, under 1 kB; None where none was made."""
    color: str | None
    """Its main colour as ``#rrggbb``; None where none was looked for."""
    provenance: Provenance | None
    """Where it says that it comes from."""
    is_public: bool
    """Whether it was published."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attempt:
    """One call to a model."""

    model: str
    """The model that was asked."""
    at: datetime
    """When, in UTC."""
    outcome: str | None
    """``generated``, ``refused``, ``failed``, ``quarantined``, or ``unknown`` where the call was
    cut off; None while it is under way."""
    error: str | None
    """The class of the error, where there was one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """How one part of a service is."""

    ok: bool
    """Whether it works."""
    seconds: float
    """How long that took to find out."""
    reason: str | None = None
    """What is wrong, None where nothing is; for whoever runs the app, not for its users."""

    def to_dict(self) -> dict[str, Any]:
        """All fields by name, JSON-safe."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Health:
    """How a service is: whether it can take, make and keep pictures now."""

    checks: Mapping[str, HealthCheck]
    """By name: ``config``, ``journal``, ``storage`` and ``queue``."""

    @property
    def ok(self) -> bool:
        """Whether all of them work."""
        return all(check.ok for check in self.checks.values())

    def to_dict(self) -> dict[str, Any]:
        """``ok`` and ``checks``, JSON-safe."""
        return {
            "ok": self.ok,
            "checks": {name: check.to_dict() for name, check in self.checks.items()},
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collected:
    """What ``gc`` did."""

    jobs: int
    """Finished jobs that were forgotten."""
    deleted: int
    """Objects and pictures that were deleted: left of what is gone."""
    copied: int
    """Objects that were copied to a mirror, or back from it."""


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
    """Whether the picture was there already, so that nothing was generated or uploaded."""
    attempts: int
    """Calls made to the model, those that it refused included; 0 for an upload."""
    created_at: datetime
    """When the picture arrived from the model or from the caller, in UTC."""
    variants: dict[str, StoredVariant] = dataclasses.field(default_factory=dict)
    """Its derivatives by name, those that are still to be made too."""
    placeholder: str | None = None
    """A tiny picture of it as a ``data:`` URI, under 1 kB, to show while it loads; None where
    neither variants nor MEDIA_PLACEHOLDER ask for one."""
    color: str | None = None
    """Its main colour as ``#rrggbb``, where there is a placeholder."""
    original: StoredVariant | None = None
    """The untouched file, where it is kept beside the picture (``keep_original``)."""
    provenance: Provenance | None = None
    """Where the picture says that it comes from, and what became of that."""

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
            "variants": {
                name: dataclasses.asdict(variant) for name, variant in self.variants.items()
            },
            "original": dataclasses.asdict(self.original) if self.original else None,
            "provenance": dataclasses.asdict(self.provenance) if self.provenance else None,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The result that :meth:`to_dict` described."""
        usage, cost = values["usage"], values["cost_usd"]
        # Results of older versions have none of these.
        original, provenance = values.get("original"), values.get("provenance")
        variants = values.get("variants") or {}
        return cls(
            **dict(values)
            | {
                "usage": None if usage is None else Usage(**usage),
                "cost_usd": None if cost is None else Decimal(cost),
                "created_at": datetime.fromisoformat(values["created_at"]),
                "variants": {name: StoredVariant(**variants[name]) for name in variants},
                "original": StoredVariant(**original) if original else None,
                "provenance": Provenance(**provenance) if provenance else None,
            }
        )
