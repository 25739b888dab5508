"""What is done with a picture and all that was made of it: copied, published, deleted, tidied."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from collections.abc import Iterable
from typing import TypeVar

from ..errors import InvalidRequest
from ..errors import MediaError
from ..errors import NotConfigured
from ..errors import NotFound
from ..inputs import target_format
from ..journal.listing import Listing
from ..journal.listing import Made
from ..keys import check_object_key
from ..keys import variant_key
from ..options import ImageFormat
from ..storage.mirror import MirroredStorage
from .shelf import ORPHANED_AFTER
from .variants import VariantMaker

logger = logging.getLogger(__name__)

Item = TypeVar("Item")


class Delivery(VariantMaker):
    """Keeps a picture, its original and its variants together."""

    def delete(self, key: str) -> None:
        """See :meth:`flask_media.MediaService.delete`."""
        check_object_key(key)
        if not self._catalog.exists:
            self._storage.delete(key)
            return
        for made in self._catalog.doom(self._scope, key):
            self._storage.delete(made)
        self._storage.delete(key)
        self._catalog.forget(self._scope, key)

    def copy(self, key: str, new_key: str) -> str:
        """See :meth:`flask_media.MediaService.copy`."""
        self._storage.check_key(new_key)
        listing = self._catalog.find(self._scope, key) if self._catalog.exists else None
        if listing is None:
            _check_extension(new_key, self._storage.stat(key).content_type)
            self._storage.copy(key, new_key)
            return self._storage.url(new_key)
        _check_extension(new_key, listing.content_type)
        renamed = {
            one.key: _renamed(new_key, one.name, one.content_type) for one in listing.derivatives
        }
        copied = dataclasses.replace(
            listing,
            object_key=new_key,
            is_public=False,
            derivatives=tuple(
                dataclasses.replace(one, key=renamed[one.key]) for one in listing.derivatives
            ),
        )
        self._expect(new_key, [one for one in copied.derivatives if one.state is Made.STORED])
        self._storage.copy(key, new_key)
        self._replacing(new_key)
        for one in listing.derivatives:
            if one.state is Made.STORED:
                self._storage.copy(one.key, renamed[one.key])
        self.delete_objects(self._catalog.save(self._scope, copied))
        return self._storage.url(new_key)

    def move(self, key: str, new_key: str) -> str:
        """See :meth:`flask_media.MediaService.move`."""
        url = self.copy(key, new_key)
        self.delete(key)
        return url

    def publish(self, key: str) -> str:
        """See :meth:`flask_media.MediaService.publish`."""
        listing = self._listing_or_new(key)
        # First, so that a variant that is made in this moment is published by who makes it.
        self._catalog.set_public(self._scope, key, is_public=True)
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
        return self._storage.public_url(key)

    def _hide(self, keys: Iterable[str]) -> None:
        """Make objects private again, as their picture could not be published."""
        for key in keys:
            try:
                self._storage.unpublish(key)
            except (NotFound, NotConfigured):
                pass  # it is why
            except MediaError as error:
                logger.warning("%r may be public, though its picture is not: %s", key, error)

    def unpublish(self, key: str) -> None:
        """See :meth:`flask_media.MediaService.unpublish`."""
        listing = self._listing_or_new(key)
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
        return found[1].spec is not None if found else self._catalog.has(self._scope, key)

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
        if not self._catalog.exists:
            return 0, 0
        copied = _count(self._repaired, self._catalog.stored(self._scope))
        deleted = _count(self._deleted_if_gone, self._catalog.listed(self._scope))
        deleted += _count(self._deleted, self._catalog.doomed(self._scope))
        leftovers = self._catalog.leftovers(self._scope, ORPHANED_AFTER)
        deleted += self.delete_objects(leftovers)
        return deleted + _count(self._storage.tidy, [ORPHANED_AFTER]), copied

    def _repaired(self, stored: tuple[str, str]) -> bool:
        return isinstance(self._storage, MirroredStorage) and self._storage.repair(*stored)

    def _deleted_if_gone(self, key: str) -> bool:
        return not self._is_there(key) and self._deleted(key)

    def _is_there(self, key: str) -> bool:
        storage = self._storage
        if isinstance(storage, MirroredStorage):  # what one has lost is not gone from the other
            return storage.main.exists(key) or storage.mirror.exists(key)
        return storage.exists(key)

    def _deleted(self, key: str) -> bool:
        self.delete(key)
        return True


def _count(step: Callable[[Item], int], items: Iterable[Item]) -> int:
    """How many of the steps did something; what fails is left for the next time."""
    count = 0
    for item in items:
        try:
            count += step(item)
        except MediaError as error:
            logger.warning("%r is left for the next gc(): %s", item, error)
            if error.retryable:  # the storage is away: each would wait for it as long
                break
    return count


def _renamed(key: str, name: str, content_type: str) -> str:
    file_format = next(one for one in ImageFormat if one.content_type == content_type)
    return variant_key(key, name, file_format)


def _check_extension(key: str, content_type: str) -> None:
    """Refuse a key whose extension says another format than the bytes have."""
    named = target_format(key, None)
    if named is not None and named.content_type != content_type:
        raise InvalidRequest(
            f"new_key ends in another extension than {content_type} has: {key!r:.80}. A copy has "
            "the bytes as they are; store it in another format with upload()."
        )
