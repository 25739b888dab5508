"""A stored picture, what is stored beside it, and what is listed of both."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

from ..config import MediaConfig
from ..errors import InvalidRequest
from ..errors import MediaError
from ..errors import NotConfigured
from ..errors import NotFound
from ..errors import StorageError
from ..fields import fields
from ..journal.listing import Derivative
from ..journal.listing import Listing
from ..journal.listing import Made as MadeState
from ..keys import variant_key
from ..options import ImageFormat
from ..types import MediaResult
from ..types import PictureInfo
from ..types import StoredVariant
from ..values import Job
from ..values import Made
from ..values import Picture
from ..variants import ORIGINAL
from ..variants import Variant
from ..variants import check_variants

if TYPE_CHECKING:
    from ..journal.catalog import Catalog
    from ..storage.base import Storage

logger = logging.getLogger(__name__)

ORPHANED_AFTER = 3600.0
"""Seconds after which what was to be stored beside a picture that never came is an orphan; an
upload takes some of them."""

DELETING_SECONDS = 10.0
"""How long to wait for an object that is being deleted, to store it anew."""

POLL_SECONDS = 0.05
"""Between two looks, in seconds."""


class Shelf:
    """Stores pictures with what belongs to them, and lists them.

    :param config: the checked config.
    :param storage: keeps the objects.
    :param catalog: lists them.
    :param route_url: gives the URL of a key in the blueprint's files route; None where the app has
        none.
    """

    def __init__(
        self,
        config: MediaConfig,
        *,
        storage: Storage,
        catalog: Catalog,
        route_url: Callable[[str], str | None],
    ) -> None:
        self._config = config
        self._storage = storage
        self._catalog = catalog
        self._route_url = route_url

    @property
    def _scope(self) -> str:
        return self._storage.location

    @property
    def is_eager(self) -> bool:
        """Whether variants are made with their picture."""
        return self._config.variants_when == "eager"

    # Before anything is paid

    def asked(
        self,
        key: str,
        variants: Mapping[str, Any] | None,
        file_format: ImageFormat | None,
    ) -> Mapping[str, Variant]:
        """The variants to make of a picture: those of the call, or of the config.

        :param key: the picture's.
        :param variants: the call's; None for those of the config.
        :param file_format: what the picture will be, None where only its bytes will say.
        :raises InvalidRequest: one is wrong, or has a key that the storage can't keep.
        :raises NotConfigured: they are to be made when first asked for, and there is no blueprint
            that could be.
        """
        given = self._config.variants if variants is None else variants
        checked = self._checked(key, given, file_format)
        if not checked:
            return checked
        is_routed = self.is_eager or self._route_url(key) is not None
        if self._config.variants_when == "lazy" and not is_routed:
            raise NotConfigured(
                "MEDIA_VARIANTS_WHEN is 'lazy', and the app has no blueprint whose files route "
                "could make a variant when it is first asked for: app.register_blueprint("
                "media.create_blueprint(authorize=...), url_prefix='/media'); or set it to "
                "'eager' or 'later'."
            )
        return checked

    def keys_beside(
        self, key: str, variants: Mapping[str, Variant], file_format: ImageFormat | None
    ) -> list[str]:
        """The keys of the variants, as far as their formats are known."""
        return [
            variant_key(key, name, made_format)
            for name, variant in variants.items()
            if (made_format := variant.format or file_format)
        ]

    def _checked(
        self, key: str, variants: Mapping[str, Any], file_format: ImageFormat | None
    ) -> Mapping[str, Variant]:
        checked = check_variants(variants)
        keys = self.keys_beside(key, checked, file_format)
        for one in keys:
            self._storage.check_key(one)
        if keys and self._catalog.exists:
            for taken in self._catalog.listed_among(self._scope, keys):
                raise InvalidRequest(
                    f"A variant of {key!r:.80} would be stored as {taken!r:.80}, where another "
                    "picture is. Give the variant another name."
                )
        return checked

    def keeps_original(self, asked: object) -> bool:
        """Whether to store the untouched file too.

        :param asked: what the call says; None for what the config says.
        :raises InvalidRequest: it is no bool.
        """
        if asked is None:
            return self._config.keep_original
        if not isinstance(asked, bool):
            raise InvalidRequest(f"keep_original is {asked!r:.80}; it must be True, False or None.")
        return asked

    # When a picture is stored

    def store(self, job: Job, key: str, made: Made, *, seek: bool) -> tuple[Derivative, ...]:
        """Store a picture, its original and its variants; returns all but the picture as listed.

        :param seek: look first whether each is there already.
        :raises StorageError: the storage refused or failed.
        """
        planned = self._planned_of(key, made, job)
        self._until_free(
            key,
            lambda: self._catalog.begin(
                self._scope, key, job.id, [one for one in planned if _is_made(one, made)]
            ),
        )
        self._store(key, made.picture, made.sha256, job, seek=seek)
        return tuple(self._stored_beside(one, made, job, seek=seek) for one in planned)

    def _stored_beside(self, one: Derivative, made: Made, job: Job, *, seek: bool) -> Derivative:
        """Store an original or a variant; a variant that is refused is left to be made later."""
        picture = made.original if one.spec is None else made.variants.get(one.name)
        if picture is None:
            return one
        stored = derivative(one, picture)
        try:
            self._store(one.key, picture, stored.sha256 or "", job, seek=seek)
        except MediaError as error:
            if error.retryable or one.spec is None:
                raise
            extra = fields(job, object_key=one.key, error=error)
            logger.warning("The variant %r can't be stored now: %s", one.key, error, extra=extra)
            return one
        return stored

    def _planned_of(self, key: str, made: Made, job: Job) -> list[Derivative]:
        """All that belongs to a picture beside itself, none of it there yet."""
        of = (made.picture.format, made.picture.upright_size)
        planned = [self._planned(key, name, one, *of) for name, one in job.variants.items()]
        if made.original is not None:
            file = made.original
            original = Derivative(
                key=variant_key(key, ORIGINAL, file.format),
                name=ORIGINAL,
                state=MadeState.LAZY,
                spec=None,
                content_type=file.content_type,
                width=file.width,
                height=file.height,
            )
            planned.append(original)
        return in_place(planned)

    def told(
        self,
        result: MediaResult,
        picture: Picture,
        derived: tuple[Derivative, ...],
        *,
        is_generated: bool,
    ) -> tuple[MediaResult, Listing]:
        """The result with what was stored beside the picture, and how that is listed."""
        width, height = picture.upright_size
        listing = Listing(
            object_key=result.object_key,
            job_id=result.job_id,
            content_type=result.content_type,
            width=width,
            height=height,
            size_bytes=result.size_bytes,
            sha256=result.sha256,
            is_generated=is_generated,
            placeholder=result.placeholder,
            color=result.color,
            provenance=result.provenance,
            derivatives=derived,
        )
        return self._with_variants(result, listing), listing

    def _with_variants(self, result: MediaResult, listing: Listing) -> MediaResult:
        original = listing.original
        return dataclasses.replace(
            result,
            variants={name: self._variant(one) for name, one in listing.variants.items()},
            original=None if original is None else self._variant(original),
            placeholder=listing.placeholder,
            color=listing.color,
        )

    def delete_objects(self, keys: Iterable[str]) -> int:
        """Delete objects that are listed as left over; those that can't be deleted now are left to
        ``gc``.

        :returns: how many were deleted.
        """
        count = 0
        for key in keys:
            try:
                count += self._delete_left(key)
            except MediaError as error:
                logger.warning("%r is left to gc(): %s", key, error, extra=fields(object_key=key))
        return count

    def _delete_left(self, key: str) -> bool:
        """Delete an object that is listed as left over; False if it belongs to a picture."""
        if not self._catalog.begin_delete(self._scope, key, ORPHANED_AFTER):
            return False
        self._storage.delete(key)
        self._catalog.drop(self._scope, key)
        return True

    def _until_free(self, key: str, ask: Callable[[], bool]) -> None:
        """Ask until it is granted: until nothing is being deleted that is to be stored.

        :raises JournalError: it can't be recorded.
        :raises StorageError: it takes too long.
        """
        end = time.monotonic() + DELETING_SECONDS
        while not ask():
            if time.monotonic() > end:
                raise StorageError(f"An earlier picture {key!r} is being deleted.", retryable=True)
            threading.Event().wait(POLL_SECONDS)

    # What pages ask

    def info(self, key: str) -> PictureInfo:
        """See :meth:`flask_media.MediaService.info`."""
        listing = self._listing(key)
        is_public = listing.is_public
        url = self._storage.public_url if is_public else self._storage.url
        return PictureInfo(
            url=url(key),
            object_key=key,
            content_type=listing.content_type,
            width=listing.width,
            height=listing.height,
            size_bytes=listing.size_bytes,
            sha256=listing.sha256,
            job_id=listing.job_id,
            variants={
                name: self._variant(one, is_public=is_public)
                for name, one in listing.variants.items()
            },
            placeholder=listing.placeholder,
            color=listing.color,
            provenance=listing.provenance,
            is_public=is_public,
        )

    def _listing(self, key: str) -> Listing:
        listing = None
        if self._catalog.exists:
            listing = self._catalog.find(self._scope, key)
        if listing is None:
            raise NotFound(
                f"The journal lists no picture {key!r}. Those stored before it was there are "
                "listed by make_variants()."
            )
        return listing

    # One object

    def _planned(
        self, key: str, name: str, variant: Variant, of: ImageFormat, size: tuple[int, int]
    ) -> Derivative:
        """A variant that is not there yet, of a picture of that format and size (upright)."""
        file_format = variant.format or of
        width, height = variant.pixels(*size)
        return Derivative(
            key=variant_key(key, name, file_format),
            name=name,
            state=MadeState.LATER if self._config.variants_when == "later" else MadeState.LAZY,
            spec=variant,
            content_type=file_format.content_type,
            width=width,
            height=height,
        )

    def _store(self, key: str, picture: Picture, sha256: str, job: Job, *, seek: bool) -> None:
        size = len(picture.data)
        if seek and self._storage.holds(key, sha256, size_bytes=size, job_id=job.id):
            return
        self._storage.put(
            key,
            picture.data,
            content_type=picture.content_type,
            sha256=sha256,
            metadata=job.metadata,
            job_id=job.id,
        )

    def _variant(self, one: Derivative, *, is_public: bool = False) -> StoredVariant:
        if one.state is not MadeState.STORED:
            url = self._route(one.key)  # makes it when it is asked for
        else:
            url = (self._storage.public_url if is_public else self._storage.url)(one.key)
        return StoredVariant(
            url=url,
            object_key=one.key,
            content_type=one.content_type,
            width=one.width,
            height=one.height,
            size_bytes=one.size_bytes,
            sha256=one.sha256,
        )

    def _route(self, key: str) -> str | None:
        try:
            return self._route_url(key)
        except NotConfigured as error:  # of a picture that is stored already
            logger.warning("%s", error)
            return None


def _is_made(one: Derivative, made: Made) -> bool:
    return one.spec is None or one.name in made.variants


def in_place(made: Iterable[Derivative], listing: Listing | None = None) -> list[Derivative]:
    """Each in the place of what has its name in the listing; new ones at the end."""
    places = {one.name: one.position for one in listing.derivatives} if listing else {}
    end = max(places.values(), default=-1) + 1
    return [
        dataclasses.replace(one, position=places.get(one.name, end + number))
        for number, one in enumerate(made)
    ]


def derivative(planned: Derivative, file: Picture) -> Derivative:
    """How it is listed when that file is stored."""
    return dataclasses.replace(
        planned,
        state=MadeState.STORED,
        content_type=file.content_type,
        width=file.width,
        height=file.height,
        size_bytes=len(file.data),
        sha256=hashlib.sha256(file.data).hexdigest(),
    )
