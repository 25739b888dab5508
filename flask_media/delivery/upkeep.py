"""What is done with a picture and all that was made of it: copied, published, deleted, tidied."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from collections.abc import Iterable
from functools import partial
from typing import TypeVar

from ..errors import InvalidRequest
from ..errors import MediaError
from ..errors import NotConfigured
from ..errors import NotFound
from ..errors import StorageError
from ..fields import fields
from ..inputs import target_format
from ..journal.listing import Listing
from ..journal.listing import Made
from ..keys import check_object_key
from ..keys import variant_key
from ..storage.mirror import MirroredStorage
from .shelf import ORPHANED_AFTER
from .variants import VariantMaker
from .variants import format_of
from .variants import tries

logger = logging.getLogger(__name__)

MOST_FAILURES = 3
"""Failures in a row after which ``gc`` leaves the rest for the next time."""

Item = TypeVar("Item")


class Delivery(VariantMaker):
    """Keeps a picture, its original and its variants together."""

    def delete(self, key: str) -> None:
        """See :meth:`flask_media.MediaService.delete`."""
        check_object_key(key)
        if not self._catalog.exists:
            self._storage.delete(key)
            return
        if self._catalog.source_of(self._scope, key) and not self._catalog.is_live(
            self._scope, key
        ):
            self._catalog.set_aside(self._scope, key)  # a variant alone
            self._delete_left(key)
            return
        self._delete(key)

    def _delete(self, key: str, sha256: str | None = None) -> bool:
        """Delete a picture and all that was made of it.

        :param sha256: of the picture that is meant; None for whichever.
        :returns: False if another one was stored there, which stays.
        """
        made = self._catalog.doom(self._scope, key, sha256)
        if made is None:
            return False
        return self._delete_doomed(key, made)

    def _delete_doomed(self, key: str, made: Iterable[str]) -> bool:
        catalog, scope = self._catalog, self._scope
        for one in (key, *made):
            if not catalog.deleting(scope, key) and catalog.is_live(scope, key):
                return False  # stored anew, and no more to be deleted
            try:
                self._storage.delete(one)
            except MediaError:
                catalog.deleting(scope, key, is_over=True)
                raise
        catalog.forget(scope, key)
        return True

    def copy(self, key: str, new_key: str) -> str:
        """See :meth:`flask_media.MediaService.copy`."""
        self._copy(key, new_key)
        return self._storage.url(new_key)

    def move(self, key: str, new_key: str) -> str:
        """See :meth:`flask_media.MediaService.move`."""
        self._delete(key, self._copy(key, new_key).sha256)
        return self._storage.url(new_key)

    def _copy(self, key: str, new_key: str) -> Listing:
        """Copy a picture with all that was made of it; returns how it was listed."""
        self._storage.check_key(new_key)
        if key == new_key:
            raise InvalidRequest(f"new_key is {new_key!r:.80}, the object's own key; give another.")
        for _ in tries():
            listing = self._settled(key)
            _check_extension(new_key, listing.content_type)
            copied = dataclasses.replace(
                listing,
                object_key=new_key,
                is_public=False,
                derivatives=tuple(
                    dataclasses.replace(one, key=_renamed(new_key, one.name, one.content_type))
                    for one in listing.derivatives
                ),
            )
            if self._copied(listing, copied):
                stale, _ = self._catalog.save(self._scope, copied)
                self.delete_objects(stale)
                return listing
        raise StorageError(f"{key!r} is replaced all the time.", retryable=True)

    def _copied(self, listing: Listing, copied: Listing) -> bool:
        """Copy the objects; False if the picture was replaced meanwhile."""
        new_key = copied.object_key
        pairs = [
            (one.key, other.key)
            for one, other in zip(listing.derivatives, copied.derivatives, strict=True)
            if one.state is Made.STORED
        ]
        planned = [one for one in copied.derivatives if one.state is Made.STORED]
        begin = partial(self._catalog.begin, self._scope, new_key, listing.job_id, planned)
        self._until_free(new_key, begin)
        try:
            self._storage.copy(listing.object_key, new_key)
            for one, other in pairs:
                self._storage.copy(one, other)
        except MediaError:
            self.give_up(new_key)
            raise
        return self._storage.stat(new_key).sha256 in (None, listing.sha256)

    def give_up(self, key: str) -> None:
        """See to what is under a key after something could not be stored there."""
        try:
            self.recheck(key, given_up=True)
        except MediaError as error:
            extra = fields(object_key=key, error=error)
            logger.warning("What is under %r is left to gc(): %s", key, error, extra=extra)

    def publish(self, key: str) -> str:
        """See :meth:`flask_media.MediaService.publish`."""
        listing = self._settled(key)
        sha256 = listing.sha256
        # First, so that a variant that is made in this moment is published by who makes it.
        if not self._catalog.set_public(self._scope, key, is_public=True, sha256=sha256):
            raise StorageError(f"{key!r} is being replaced.", retryable=True)
        begun: list[str] = []
        try:
            for one in self._shown(self._listing(key)):
                begun.append(one)
                self._storage.publish(one)
        except MediaError:
            self._catalog.set_public(self._scope, key, is_public=listing.is_public)
            if not listing.is_public:
                self._hide(begun)
            raise
        if self._catalog.public_sha256(self._scope, key) != sha256:
            self._hide(begun)  # nobody has seen the other one yet
            raise StorageError(f"{key!r} was replaced, and is private.", retryable=True)
        return self._storage.public_url(key)

    def _hide(self, keys: Iterable[str]) -> None:
        """Make objects private again, as their picture could not be published."""
        for key in keys:
            try:
                self._storage.unpublish(key)
            except (NotFound, NotConfigured):
                pass  # it is why
            except MediaError as error:
                logger.warning(
                    "%r may be public, though its picture is not: %s",
                    key,
                    error,
                    extra=fields(object_key=key, error=error),
                )

    def unpublish(self, key: str) -> None:
        """See :meth:`flask_media.MediaService.unpublish`."""
        listing = self._settled(key)
        self._catalog.set_public(self._scope, key, is_public=False)  # first, as above
        try:
            for one in self._shown(self._listing(key)):
                self._storage.unpublish(one)
        except MediaError:
            self._catalog.set_public(self._scope, key, is_public=listing.is_public)
            raise

    def public_sha256(self, key: str) -> str | None:
        """SHA-256 of the object that anybody may see under that key, as its picture was published;
        None if they may not. Another object there was published by nobody."""
        return self._catalog.public_sha256(self._scope, key) if self._catalog.exists else None

    def is_open(self, key: str) -> bool:
        """Whether anybody gets the object of that key from its storage anyway."""
        if not (self._storage.is_open and self._catalog.exists):
            return False
        found = self._catalog.source_of(self._scope, key)
        if found:
            return found[1].spec is not None
        return bool(self._catalog.listed_among(self._scope, [key]))

    def _shown(self, listing: Listing) -> list[str]:
        """The keys that a page may lead to. The untouched original is not among them."""
        made = [one.key for one in listing.variants.values() if one.state is Made.STORED]
        return [*made, listing.object_key]

    # Tidying up

    def make_left(self, key: str) -> None:
        """Make what the queue was to make of a picture."""
        try:
            self.make(key, left=True)
        except MediaError as error:
            if not error.retryable:
                # As of one that was deleted, or is no picture: not again and again.
                self._catalog.give_up(self._scope, key)
            raise

    def take_left(self, older_than: float) -> list[str]:
        """Take the pictures whose variants a queue was to make, so many seconds ago."""
        if not (self._catalog.exists and self._catalog.has_left(self._scope, older_than)):
            return []
        return self._catalog.take_left(self._scope, older_than)

    def collect(self) -> tuple[int, int]:
        """Repair the mirror, and delete what is left of pictures that are gone.

        :returns: how many objects were deleted, how many copied.
        """
        catalog, scope = self._catalog, self._scope
        if not catalog.exists:
            return 0, 0
        _count(self._rechecked, catalog.abandoned(scope, ORPHANED_AFTER))
        copied = 0
        if isinstance(self._storage, MirroredStorage):
            repair = self._storage.repair
            copied = _count(lambda one: repair(*one), catalog.stored(scope))
        deleted = _count(self._orphaned, catalog.listed(scope))
        deleted += _count(self._doomed, catalog.doomed(scope))
        deleted += _count(self._delete_left, catalog.leftovers(scope, ORPHANED_AFTER))
        return deleted + _count(self._storage.tidy, [ORPHANED_AFTER]), copied

    def _rechecked(self, key: str) -> bool:
        self.recheck(key, given_up=True)
        return True

    def _doomed(self, key: str) -> bool:
        """Go on deleting a picture."""
        return self._catalog.is_doomed(self._scope, key) and self._delete(key)

    def _orphaned(self, key: str) -> bool:
        """Delete what was made of a picture that somebody else deleted."""
        listing = self._catalog.find(self._scope, key)
        if listing is None or self._is_there(key):
            return False
        there = [one for one in listing.derivatives if self._is_there(one.key)]
        if not there:
            return False  # nor is anything else: the storage is away, perhaps
        if any(one.spec is None for one in there):
            logger.warning(
                "%r is gone, and its untouched original is kept: delete() takes it.", key
            )
            return False
        return self._delete(key, listing.sha256)

    def _is_there(self, key: str) -> bool:
        storage = self._storage
        if isinstance(storage, MirroredStorage):  # what one has lost is not gone from the other
            return storage.main.exists(key) or storage.mirror.exists(key)
        return storage.exists(key)


def _count(step: Callable[[Item], int], items: Iterable[Item]) -> int:
    """How many of the steps did something; what fails is left for the next time."""
    count = failures = 0
    for item in items:
        try:
            count += step(item)
            failures = 0
        except MediaError as error:
            extra = fields(error=error)
            logger.warning("%r is left for the next gc(): %s", item, error, extra=extra)
            failures += 1
            if failures == MOST_FAILURES:  # the storage is away: each would wait for it as long
                break
    return count


def _renamed(key: str, name: str, content_type: str) -> str:
    return variant_key(key, name, format_of(content_type))


def _check_extension(key: str, content_type: str) -> None:
    """Refuse a key whose extension says another format than the bytes have."""
    named = target_format(key, None)
    if named is not None and named.content_type != content_type:
        raise InvalidRequest(
            f"new_key ends in another extension than {content_type} has: {key!r:.80}. A copy has "
            "the bytes as they are; store it in another format with upload()."
        )
