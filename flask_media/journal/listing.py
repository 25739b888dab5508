"""What is known of a stored picture and of what was made of it, and the rows that say so."""

from __future__ import annotations

import dataclasses
import enum
import json
import time
from typing import Any

from ..types import Provenance
from ..variants import Variant
from .codec import dump


class Made(enum.StrEnum):
    """Whether something that was made of a picture is there."""

    STORED = "stored"
    """It is in the storage."""
    LATER = "later"
    """The queue is to make it."""
    LAZY = "lazy"
    """It is made when it is first asked for."""
    EXPECTED = "expected"
    """It may be there: an upload that stores it has not listed its picture yet."""
    DELETING = "deleting"
    """It is being deleted: nobody may store it until that is done."""
    STALE = "stale"
    """It is of an earlier picture, and to be deleted."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Derivative:
    """One object that was made of a picture, or is to be."""

    key: str
    """Its own key in the storage."""
    name: str
    """The variant's name."""
    state: Made
    spec: Variant | None
    """What it shall be; None for the untouched original."""
    content_type: str
    width: int
    height: int
    size_bytes: int | None = None
    sha256: str | None = None
    position: int = 0
    """Among those of its picture, in the order that was asked for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listing:
    """What is known of one stored picture."""

    object_key: str
    job_id: str
    content_type: str
    width: int
    height: int
    size_bytes: int
    sha256: str
    is_generated: bool
    """Whether a model made it; a user's upload carries no such mark."""
    placeholder: str | None = None
    color: str | None = None
    provenance: Provenance | None = None
    is_public: bool = False
    storing: str | None = None
    """The job that is storing a picture in its place just now."""
    derivatives: tuple[Derivative, ...] = ()
    """Without those that are stale or expected."""

    @property
    def original(self) -> Derivative | None:
        """The untouched file, where it is kept beside the picture."""
        return next((one for one in self.derivatives if one.spec is None), None)

    @property
    def variants(self) -> dict[str, Derivative]:
        """The variants by name."""
        return {one.name: one for one in self.derivatives if one.spec is not None}


def listing_of(row: Any, made: tuple[Derivative, ...]) -> Listing:
    """The listing of a row of ``media_objects``."""
    return Listing(
        object_key=row.object_key,
        job_id=row.job_id,
        content_type=row.content_type,
        width=row.width,
        height=row.height,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        is_generated=bool(row.is_generated),
        placeholder=row.placeholder,
        color=row.color,
        provenance=Provenance(**json.loads(row.provenance)) if row.provenance else None,
        is_public=bool(row.is_public),
        storing=row.storing,
        derivatives=made,
    )


def derivative_of(row: Any) -> Derivative:
    """The derivative of a row of ``media_derivatives``."""
    return Derivative(
        key=row.variant_key,
        name=row.name,
        state=Made(row.state),
        spec=Variant.from_dict(json.loads(row.spec)) if row.spec else None,
        content_type=row.content_type,
        width=row.width,
        height=row.height,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        position=row.position,
    )


def object_row(scope: str, listing: Listing) -> dict[str, Any]:
    """The row of ``media_objects`` for a listing."""
    provenance = listing.provenance
    return {
        "scope": scope,
        "object_key": listing.object_key,
        "job_id": listing.job_id,
        "content_type": listing.content_type,
        "width": listing.width,
        "height": listing.height,
        "size_bytes": listing.size_bytes,
        "sha256": listing.sha256,
        "is_generated": int(listing.is_generated),
        "placeholder": listing.placeholder,
        "color": listing.color,
        "provenance": dump(dataclasses.asdict(provenance)) if provenance else None,
        "is_public": int(listing.is_public),
        "storing": None,
        "is_doomed": 0,
        "updated_at": time.time(),
    }


def new_row(scope: str, key: str) -> dict[str, Any]:
    """The row of ``media_objects`` for a key that nothing is stored under yet."""
    nothing = Listing(
        object_key=key,
        job_id="",
        content_type="",
        width=0,
        height=0,
        size_bytes=0,
        sha256="",
        is_generated=False,
    )
    return object_row(scope, nothing)


def derivative_row(scope: str, key: str, one: Derivative) -> dict[str, Any]:
    """The row of ``media_derivatives`` for something made of the picture of that key."""
    return {
        "scope": scope,
        "variant_key": one.key,
        "object_key": key,
        "name": one.name,
        "state": one.state.value,
        "position": one.position,
        "spec": dump(one.spec.to_dict()) if one.spec else None,
        "content_type": one.content_type,
        "width": one.width,
        "height": one.height,
        "size_bytes": one.size_bytes,
        "sha256": one.sha256,
        "updated_at": time.time(),
    }
