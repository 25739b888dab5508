"""What whoever runs an app asks of its service: what was spent, how it is, and to tidy up."""

from __future__ import annotations

from datetime import date
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import overload

from .errors import InvalidRequest
from .stored import StoredPictures

if TYPE_CHECKING:
    from .journal.spend import Spend
    from .types import Collected
    from .types import Health


class OperatedService(StoredPictures):
    """The part of a :class:`~flask_media.MediaService` that is about running it."""

    def health(self, timeout: float = 3.0) -> Health:
        """Whether pictures can be taken on, made and kept now, for a load balancer to ask.

        Costs nothing, and asks no model: that credentials are there is all that is seen of them.
        The journal is written to, the bucket is asked for, and Celery's broker is connected to;
        ``flask media check`` finds out more, and what to do. Raises nothing.

        :param timeout: seconds that it takes at most; what has not answered then is not well.
        """
        return self._parts.examiner.examine(self._parts, timeout)

    @overload
    def usage(
        self, since: date | None = None, by: None = None, *, spender: str | None = None
    ) -> Spend: ...

    @overload
    def usage(
        self, since: date | None = None, *, by: str, spender: str | None = None
    ) -> dict[str, Spend]: ...

    @overload
    def usage(
        self, since: date | None, by: str, *, spender: str | None = None
    ) -> dict[str, Spend]: ...

    def usage(
        self, since: date | None = None, by: str | None = None, *, spender: str | None = None
    ) -> Spend | dict[str, Spend]:
        """What was spent.

        :param since: a day or time (UTC where it names no zone) to count from.
        :param by: ``day``, ``model`` or ``spender`` for a sum each; None for one of all.
        :param spender: whose jobs to count; None for everybody's.
        :raises InvalidRequest: ``since`` or ``by`` is something else.
        """
        if by not in (None, "day", "model", "spender"):
            raise InvalidRequest(f"by is {by!r}; it must be 'day', 'model', 'spender' or None.")
        from .inputs import moment

        sums = self.journal.spent(
            None if since is None else moment("since", since), by, spender=spender
        )
        return sums if by else sums[""]

    def gc(self, older_than: timedelta | None = None) -> Collected:
        """Tidy up: forget finished jobs, delete what is left of pictures that are gone, and repair
        the mirror.

        A job is never forgotten whose picture is not stored; with one goes its idempotency key.
        The storage is asked once for each picture that has variants, and with MEDIA_STORAGE_MIRROR
        the mirror for each object.

        :param older_than: how long ago jobs were finished; None is MEDIA_RETENTION_DAYS.
        :returns: how many of each.
        :raises InvalidRequest: it is negative.
        :raises JournalError: the journal can't be written.
        """
        from .types import Collected

        if older_than is None and self._config.retention_days is not None:
            older_than = timedelta(days=self._config.retention_days)
        if older_than is not None and older_than < timedelta(0):
            raise InvalidRequest("older_than must not be negative.")
        jobs = self.journal.collect(older_than.total_seconds()) if older_than is not None else 0
        deleted, copied = self.delivery.collect()
        return Collected(jobs=jobs, deleted=deleted, copied=copied)
