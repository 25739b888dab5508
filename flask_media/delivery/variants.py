"""Variants of pictures that are stored: made from them, at no cost but work."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import logging
import threading
import time
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

from ..errors import InvalidImage
from ..errors import InvalidRequest
from ..errors import NotFound
from ..errors import StorageError
from ..fields import fields
from ..forks import reset_after_fork
from ..inputs import read_bytes
from ..journal.listing import Derivative
from ..journal.listing import Listing
from ..journal.listing import Made
from ..options import ImageFormat
from ..storage.mirror import MirroredStorage
from ..types import MediaResult
from ..values import Marks
from ..values import Picture
from ..variants import Variant
from ..variants import check_variants
from .shelf import POLL_SECONDS
from .shelf import Shelf
from .shelf import derivative
from .shelf import in_place

if TYPE_CHECKING:
    from ..storage.base import Storage

logger = logging.getLogger(__name__)

TRIES = 10
"""How often at once variants are made anew when their picture is replaced meanwhile. Then there is
a pause before each further try, within :data:`STORING_SECONDS`."""

STORING_SECONDS = 5.0
"""How long to wait for a picture that is being stored, whose process may have died, and for one
that is replaced all the time."""

LOCKS = 64
"""Most pictures whose variants are made in a process at once; a picture's are made once."""


class VariantMaker(Shelf):
    """Makes variants of stored pictures."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._after_fork()
        reset_after_fork(self)

    def _after_fork(self) -> None:
        self._locks = [threading.Lock() for _ in range(LOCKS)]

    def source(self, key: str) -> str:
        """The key of the picture that the object of that key is made of: its own where it is listed
        as no variant."""
        found = self._catalog.source_of(self._scope, key) if self._catalog.exists else None
        return key if found is None else found[0]

    def ensure(self, key: str) -> None:
        """Make the object of that key if it is a variant that is still to be made."""
        found = self._catalog.source_of(self._scope, key) if self._catalog.exists else None
        if found is not None and found[1].state is not Made.STORED:
            self.make(found[0], only=found[1].name)

    def make_again(self, key: str) -> bool:
        """Make a variant anew whose object is gone, by its own key; False if that is none."""
        found = self._catalog.source_of(self._scope, key) if self._catalog.exists else None
        if found is None or found[1].spec is None:
            return False
        self.make(found[0], {found[1].name: found[1].spec})
        return True

    # Variants of what is stored

    def with_variants(self, result: MediaResult, variants: Mapping[str, Variant]) -> MediaResult:
        """The result of a picture that was there already, with the variants that are asked for."""
        listing = self._catalog.find(self._scope, result.object_key)
        if listing is None or listing.sha256 != result.sha256:
            return result  # deleted or replaced since
        known = {name: one.spec for name, one in listing.variants.items()}
        if any(known.get(name) != variant for name, variant in variants.items()):
            try:
                listing = self.make(result.object_key, variants)
            except (StorageError, InvalidImage) as error:  # the picture itself is there
                logger.warning(
                    "The variants of %r can't be made: %s",
                    result.object_key,
                    error,
                    extra=fields(object_key=result.object_key, error=error),
                )
        return self._with_variants(result, listing)

    def with_later(
        self, result: MediaResult, variants: Mapping[str, Any] | None
    ) -> tuple[MediaResult, bool]:
        """The result of a picture that another asking made, with the variants that are asked for:
        those it lacks are listed, to be made.

        :returns: the result, and whether the queue is to make some.
        :raises InvalidRequest: a variant is wrong.
        """
        key = result.object_key
        listing = self._catalog.find(self._scope, key) if variants != {} else None
        if listing is None or listing.sha256 != result.sha256:
            return result, False  # deleted or replaced since
        of = (format_of(listing.content_type), (listing.width, listing.height))
        wanted = self.asked(key, variants, of[0])
        known = {name: one.spec for name, one in listing.variants.items()}
        check_variants(known | {**wanted})
        new = [
            self._planned(key, name, variant, *of)
            for name, variant in wanted.items()
            if known.get(name) != variant
        ]
        if not new:
            return self._with_variants(result, listing), False
        if self._config.variants_when != "lazy":
            new = [dataclasses.replace(one, state=Made.LATER) for one in new]
        replaced = self._catalog.made(self._scope, key, result.sha256, in_place(new, listing))
        if replaced is None:
            return result, False
        self.delete_objects(replaced)
        is_left = self._config.variants_when != "lazy"
        return self._with_variants(result, self._listing(key)), is_left

    def make(
        self,
        key: str,
        variants: Mapping[str, Any] | None = None,
        *,
        only: str | None = None,
        left: bool = False,
    ) -> Listing:
        """Make variants of a stored picture, and store them.

        :param variants: new ones, or others in place of those of the same name; None makes those
            that it has, and of one that was not listed before those of MEDIA_VARIANTS.
        :param only: makes just the one of that name, unless it is there by now.
        :param left: makes just those that are not there.
        :raises NotFound: there is no such picture.
        :raises InvalidRequest: a variant is wrong.
        :raises InvalidImage: what is stored there is no picture.
        :raises StorageError: the storage refused or failed.
        """
        if variants is None and not self._catalog.is_live(self._scope, key):
            variants = self._config.variants  # of a picture that somebody else stored
        checked = None if variants is None else self._checked(key, variants, None)
        names: set[str] = set()
        tried: set[str] = set()
        with self._locks[hash(key) % LOCKS]:
            for _ in tries():
                listing = self._settled(key)
                wanted = _wanted(listing, names, only, left=left) if checked is None else checked
                if not wanted or self._make(listing, wanted, tried, is_listed=checked is None):
                    # What was made of an earlier picture and does not belong to this one.
                    if tried:
                        self._catalog.abandon(self._scope, key, tried)
                        self.delete_objects(tried)
                    return self._listing(key)
                # Its picture was replaced: what was stored may be in place of that one's.
                names = {*wanted}
        raise StorageError(f"{key!r} is replaced all the time.", retryable=True)

    def _settled(self, key: str) -> Listing:
        """The listing of a picture; while another one is stored in its place, that one's.

        :raises NotFound: there is none.
        :raises StorageError: who stores the other one does not come to an end.
        """
        end = time.monotonic() + STORING_SECONDS
        while (listing := self._listing_or_new(key)).storing is not None:
            if time.monotonic() > end:
                raise StorageError(
                    f"Job {listing.storing} is storing another picture as {key!r}.", retryable=True
                )
            threading.Event().wait(POLL_SECONDS)
        return listing

    def _make(
        self,
        listing: Listing,
        wanted: Mapping[str, Variant],
        tried: set[str],
        *,
        is_listed: bool,
    ) -> bool:
        """Make and store variants; False if the picture was replaced or deleted meanwhile, or they
        are listed and others are in their place by now.

        :param tried: gets the keys of those that were stored in vain.
        """
        from .. import imaging

        key, scope = listing.object_key, self._scope
        check_variants({name: one.spec for name, one in listing.variants.items()} | {**wanted})
        picture, sha256 = self._picture(key)
        if sha256 != listing.sha256:
            self.recheck(key)
            return False
        derived = imaging.derive(picture, wanted, marks=self._marks(listing))
        of = (picture.format, picture.upright_size)
        made = in_place(
            (
                derivative(self._planned(key, name, wanted[name], *of), file)
                for name, file in derived.variants.items()
            ),
            listing,
        )
        self._until_free(key, lambda: self._catalog.expect(scope, key, made))
        for one in made:
            self._storage.put(
                one.key,
                derived.variants[one.name].data,
                content_type=one.content_type,
                sha256=one.sha256 or "",
                job_id=listing.job_id,
            )
        preview = {"placeholder": derived.preview.placeholder, "color": derived.preview.color}
        replaced = self._catalog.made(scope, key, sha256, made, is_listed=is_listed, **preview)
        if replaced is not None:
            self._show(key, made)
            self.delete_objects(replaced)
            return True
        if not self._catalog.is_live(scope, key):  # deleted: nothing is to be left of it
            for one in made:
                self._storage.delete(one.key)
            self._catalog.forget(scope, key)
        else:
            self._catalog.expect(scope, key, made)  # gc takes what belongs to it no more
            tried |= {one.key for one in made}
        return False

    def recheck(self, key: str, *, given_up: bool = False) -> None:
        """List what is under the key, where nobody knows which of two pictures that is.

        :param given_up: whoever was storing one has given that up.
        :raises StorageError: it can't be looked at.
        """
        listing = self._catalog.find(self._scope, key)
        if listing is not None and listing.storing is not None and not given_up:
            return
        try:
            if listing is not None and self._main.stat(key).sha256 == listing.sha256:
                self._catalog.settle(self._scope, key)
                return
            picture, sha256 = self._picture(key)
        except NotFound:
            self._catalog.settle(self._scope, key)
            return
        if listing is None:
            listing = self._new_listing(key, picture, sha256)
        elif sha256 != listing.sha256:
            listing = self._relisted(listing, picture, sha256)
        stale, _ = self._catalog.save(self._scope, listing)
        self.delete_objects(stale)

    @property
    def _main(self) -> Storage:
        """Where the pictures are: a mirror may have an earlier one."""
        storage = self._storage
        return storage.main if isinstance(storage, MirroredStorage) else storage

    def _show(self, key: str, made: Iterable[Derivative]) -> None:
        """Make variants public that are new among those of a picture that is.

        Looked up now that they are listed: whoever publishes or hides the picture from now on does
        so with them.
        """
        keys = [one.key for one in made]
        if self._catalog.public_sha256(self._scope, key) is None:
            return
        for one in keys:
            self._storage.publish(one)
        if self._catalog.public_sha256(self._scope, key) is None:  # hidden meanwhile
            for one in keys:
                self._storage.unpublish(one)

    def _marks(self, listing: Listing) -> Marks:
        return dataclasses.replace(self._config.marks, generated=listing.is_generated)

    def _picture(self, key: str) -> tuple[Picture, str]:
        from .. import imaging

        with self._main.open(key) as file:
            data = read_bytes("object", file)
        return imaging.inspect(data, decode=True), hashlib.sha256(data).hexdigest()

    def _listing_or_new(self, key: str) -> Listing:
        """The listing of a picture; of one that is only in the storage a new one."""
        listing = self._catalog.find(self._scope, key)
        if listing is None:
            if self._catalog.is_doomed(self._scope, key):
                raise NotFound(f"{key!r} is being deleted.")
            if found := self._catalog.source_of(self._scope, key):
                raise InvalidRequest(
                    f"{key!r:.80} is {found[1].name!r} of the picture {found[0]!r:.80}, and goes "
                    "with it. Give that picture's key."
                )
            listing = self._new_listing(key, *self._picture(key))
            self._catalog.save(self._scope, listing)
        return listing

    def _new_listing(self, key: str, picture: Picture, sha256: str) -> Listing:
        from .. import imaging

        provenance = imaging.provenance(picture, picture)
        width, height = picture.upright_size
        return Listing(
            object_key=key,
            job_id=self._main.stat(key).job_id or "",
            content_type=picture.content_type,
            width=width,
            height=height,
            size_bytes=len(picture.data),
            sha256=sha256,
            is_generated=provenance.digital_source_type == imaging.GENERATED,
            provenance=provenance,
        )

    def _relisted(self, listing: Listing, picture: Picture, sha256: str) -> Listing:
        """The listing of a picture that somebody stored in place of another one: private, with
        variants of the same names that are to be made."""
        of = (picture.format, picture.upright_size)
        variants = [
            dataclasses.replace(
                self._planned(listing.object_key, name, one.spec, *of), position=one.position
            )
            for name, one in listing.variants.items()
            if one.spec is not None
        ]
        new = self._new_listing(listing.object_key, picture, sha256)
        return dataclasses.replace(new, derivatives=tuple(variants))


def tries() -> Iterator[int]:
    """One more try each time that a picture was replaced meanwhile, till it is time to give up."""
    end = time.monotonic() + STORING_SECONDS
    for number in itertools.count(1):
        yield number
        if number >= TRIES:
            pause = POLL_SECONDS * 2 ** (number - TRIES)
            if time.monotonic() + pause > end:
                return
            threading.Event().wait(pause)


def format_of(content_type: str) -> ImageFormat:
    """The format that a listed content type names."""
    return next(one for one in ImageFormat if one.content_type == content_type)


def _wanted(
    listing: Listing, names: set[str], only: str | None, *, left: bool
) -> dict[str, Variant]:
    return {
        name: one.spec
        for name, one in listing.variants.items()
        if one.spec and (name in names or _is_wanted(one, only, left=left))
    }


def _is_wanted(one: Derivative, only: str | None, *, left: bool) -> bool:
    is_there = one.state is Made.STORED
    return (only is None or one.name == only) and not (is_there and (only or left))
