"""What an app does with pictures that are stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import BinaryIO

from .types import ObjectStat
from .types import PictureInfo
from .types import StoredVariant
from .wiring import Wiring

if TYPE_CHECKING:
    from .variants import VariantSpec


class StoredPictures(Wiring):
    """The part of a :class:`~flask_media.MediaService` that is about what is stored."""

    def url(self, object_key: str) -> str:
        """Where the object can be fetched by whom it is for. Makes no network call.

        Of a private bucket it is the blueprint's files route, where the app has one: it stays the
        same, and leads whom ``authorize`` lets in to a URL of a few minutes.

        :raises InvalidRequest: the key is wrong.
        """
        return self.storage.url(object_key)

    def info(self, object_key: str) -> PictureInfo:
        """What the journal knows of a stored picture: pixels, variants, placeholder. The storage
        is not asked.

        :raises NotFound: the journal lists no such picture.
        :raises JournalError: the journal can't be read.
        """
        return self.delivery.info(object_key)

    def make_variants(
        self, object_key: str, variants: Mapping[str, VariantSpec] | None = None
    ) -> dict[str, StoredVariant]:
        """Make variants of a stored picture, now; that costs no generation.

        :param object_key: the picture's; one that Flask-Media did not store will do too.
        :param variants: new ones, or others in place of those of the same names; None makes anew
            all that the picture has, or those of MEDIA_VARIANTS if it was not listed before.
        :returns: all variants of the picture by name.
        :raises InvalidRequest: an argument is wrong.
        :raises NotFound: there is no such picture.
        :raises InvalidImage: what is stored there is no picture.
        :raises StorageError: the storage refused or failed.
        :raises JournalError: they can't be listed.
        """
        self.delivery.make(object_key, variants)
        return self.delivery.info(object_key).variants

    def publish(self, object_key: str) -> str:
        """Make a private picture public, and its variants; an untouched original stays private.

        Stored again under the same key, a picture is private again.

        :returns: its public URL: of the bucket or SPACES_CDN_URL, else of the files route, which
            then lets anybody see it.
        :raises NotFound: there is no such picture.
        :raises NotConfigured: the provider has no ACLs of objects.
        :raises StorageError: the storage refused or failed; then it stays as it was.
        """
        return self.delivery.publish(object_key)

    def unpublish(self, object_key: str) -> None:
        """Make a public picture private, and its variants. What caches have, they keep.

        :raises NotFound: there is no such picture.
        :raises NotConfigured: the provider has no ACLs of objects.
        :raises StorageError: the storage refused or failed.
        """
        self.delivery.unpublish(object_key)

    def copy(self, object_key: str, new_key: str) -> str:
        """Store a picture under another key too, with its variants and metadata. The copy is
        private where the picture was published.

        :returns: the copy's URL.
        :raises InvalidRequest: a key is wrong, or the new one says another format.
        :raises NotFound: there is no such picture.
        :raises StorageError: the storage refused or failed.
        """
        return self.delivery.copy(object_key, new_key)

    def move(self, object_key: str, new_key: str) -> str:
        """As :meth:`copy`, and then :meth:`delete` the old one."""
        return self.delivery.move(object_key, new_key)

    def signed_url(self, object_key: str, expires_in: float | timedelta = 3600) -> str:
        """Where whoever has the URL can fetch the object for a while, public or not.

        Makes no network call. Of a bucket it is a URL of the store, never of SPACES_CDN_URL; else
        it is one of the blueprint's files route, a path of this app.

        :param expires_in: seconds, or a ``timedelta``: more than 0, 7 days at most.
        :raises InvalidRequest: an argument is wrong.
        :raises NotConfigured: the bucket's credentials are missing; else the app's SECRET_KEY, or
            the blueprint.
        """
        return self.storage.signed_url(object_key, expires_in)

    def open(self, object_key: str) -> BinaryIO:
        """Open the object for reading: a binary file and context manager.

        :raises NotFound: there is none.
        :raises StorageError: the storage refused or failed.
        """
        return self.storage.open(object_key)

    def exists(self, object_key: str) -> bool:
        """Whether there is an object under the key.

        :raises StorageError: the storage refused or failed.
        """
        return self.storage.exists(object_key)

    def stat(self, object_key: str) -> ObjectStat:
        """Size in bytes, content type and metadata of the object.

        :raises NotFound: there is none.
        :raises StorageError: the storage refused or failed.
        """
        return self.storage.stat(object_key)

    def delete(self, object_key: str) -> None:
        """Delete the object, and all that was made of it; one that is not there is no error.

        What a crash leaves half deleted, :meth:`gc` deletes.

        :raises StorageError: the storage refused or failed; ``gc`` goes on with it.
        :raises JournalError: the journal can't be written; nothing is deleted.
        """
        self.delivery.delete(object_key)
