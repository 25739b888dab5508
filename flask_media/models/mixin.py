"""What a model gets."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Iterable
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any
from typing import ClassVar
from typing import TypedDict
from typing import Unpack

import sqlalchemy as sa
from flask import current_app
from flask import has_app_context
from sqlalchemy import event
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import Mapper
from sqlalchemy.orm import Session
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import object_session

from ..errors import InProgress
from ..errors import InvalidRequest
from ..errors import NotFound
from ..globals import current_media
from ..inputs import check_config
from ..inputs import read_bytes
from ..options import ImageGenerationConfig
from ..service import MediaService
from ..types import MediaResult
from ..values import Terms
from ..values import Wanted
from .orders import Farewell
from .orders import Order
from .orders import digest_of
from .orders import outcome_of
from .orders import picture_name
from .orders import stage
from .orders import unstage
from .rows import COLUMNS
from .rows import COMPLETED
from .rows import GENERATING
from .rows import PENDING
from .rows import TRACKER
from .rows import UNTRACKED
from .rows import Rows
from .rows import begun
from .rows import completed
from .rows import failed

if TYPE_CHECKING:
    from ..inputs import PictureSource
    from ..jobs.handle import MediaJob
    from ..variants import VariantSpec

logger = logging.getLogger(__name__)

LONGEST_KEY = 255
"""Characters of ``image_object_key``: all that every database can index."""

_AFTER_YOURS = 1000
"""Sorts the columns behind the model's own, in ``CREATE TABLE``."""


class ImageOptions(TypedDict, total=False):
    """What ``generate_image`` takes besides the prompt; see
    :meth:`flask_media.MediaService.generate_and_upload`."""

    metadata: Mapping[str, Any] | None
    config: ImageGenerationConfig | None
    reference_images: Iterable[PictureSource | str]
    variants: Mapping[str, VariantSpec] | None
    keep_original: bool | None
    idempotency_key: str | None
    reuse: bool
    spender: str | None
    wait: bool


class MediaMixin:
    """A picture for each row of a model, and columns that say how it stands.

    ::

        class UserGoal(MediaMixin, Base):
            __tablename__ = "user_goal"

            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
    """

    __media_delete__: ClassVar[bool] = False
    """Whether a picture is deleted when its row is, and when a newer one takes its place."""

    image_url: Mapped[str | None] = mapped_column(sa.Text, default=None, sort_order=_AFTER_YOURS)
    """Where the picture can be fetched. It stays while a newer one is made, or fails."""
    image_prompt: Mapped[str | None] = mapped_column(sa.Text, default=None, sort_order=_AFTER_YOURS)
    """What was last asked for, as it was given. What was sent to the model is ``image.prompt``."""
    image_generation_status: Mapped[str] = mapped_column(
        sa.String(20), default=PENDING, server_default=PENDING, sort_order=_AFTER_YOURS
    )
    """``pending``, ``generating``, ``completed`` or ``failed``."""
    image_object_key: Mapped[str | None] = mapped_column(
        sa.String(LONGEST_KEY), default=None, index=True, sort_order=_AFTER_YOURS
    )
    """Where what was last asked for is stored, or is to be stored."""
    image_job_id: Mapped[str | None] = mapped_column(
        sa.String(32), default=None, index=True, sort_order=_AFTER_YOURS
    )
    """The job that makes it, once there is one."""
    image_result: Mapped[dict[str, Any] | None] = mapped_column(
        sa.JSON(none_as_null=True), default=None, sort_order=_AFTER_YOURS
    )
    """The :class:`~flask_media.MediaResult` of the picture at ``image_url``, as a dict."""
    image_error: Mapped[str | None] = mapped_column(
        sa.String(64), default=None, sort_order=_AFTER_YOURS
    )
    """Why it failed: the name of the error's class, as ``ContentBlocked``."""
    image_retryable: Mapped[bool | None] = mapped_column(
        sa.Boolean, default=None, sort_order=_AFTER_YOURS
    )
    """Whether asking for it again can help, where it failed."""

    # For you to override

    def image_key(self, name: str) -> str:
        """The object key of the next picture: ``user_goal/7/6f1c0a8e2b9d4c37b1e05d2a.png``.

        :param name: a file name that is another one for each picture. A key without it is the same
            for all pictures of the row: each takes the place of the one before, under one URL.
        """
        identity = "-".join(map(str, _identity(self)))
        return (
            f"{Rows(type(self)).table.fullname}/{re.sub(r'[^A-Za-z0-9_-]', '_', identity)}/{name}"
        )

    def image_metadata(self) -> Mapping[str, Any]:
        """Metadata that is stored with each picture, besides ``model`` and ``model_id``."""
        return {}

    # What a view or a template asks

    @property
    def image(self) -> MediaResult | None:
        """The picture at ``image_url``, for ``media_picture`` too; None while there is none."""
        return None if self.image_result is None else MediaResult.from_dict(self.image_result)

    @property
    def image_job(self) -> MediaJob | None:
        """The job that makes what was last asked for: its progress, its error. None where there
        is none yet, or the journal has forgotten it."""
        if self.image_job_id is None:
            return None
        try:
            return current_media.job(self.image_job_id)
        except NotFound:
            return None

    def generate_image(
        self, prompt: str | None = None, **options: Unpack[ImageOptions]
    ) -> MediaResult:
        """Have the row's picture made, now.

        Commits the row's session first, with all that is in it, so that no transaction is open
        while the model draws. How it ends is written in a transaction of its own. Called again
        after a failure or a crash, it goes on where it stood: a picture that is paid for is stored,
        and not bought again.

        :param prompt: what it shall show; None for what was asked for last.
        :param options: as of :meth:`flask_media.MediaService.generate_and_upload`.
        :raises InvalidRequest: an argument is wrong, or the row is in no session.
        :raises MediaError: no picture came of it. The row says ``failed``, unless another process
            is at it (:exc:`~flask_media.InProgress`).
        """
        session = _session_of(self)
        order = _order(self, session, prompt, options)
        self.image_generation_status = GENERATING
        unstage(session, order)
        session.commit()
        try:
            result = order.found() or order.service.generate_and_upload(**order.arguments)
        except InProgress as error:
            order.record(begun(error.job_id))
            raise
        except Exception as error:
            order.record(failed(error))
            raise
        else:
            order.record(completed(result))
        finally:
            session.expire(self, COLUMNS)
        return result

    def generate_image_later(
        self, prompt: str | None = None, **options: Unpack[ImageOptions]
    ) -> None:
        """Have the row's picture made in the background, by the queue of MEDIA_QUEUE.

        It is ordered when the session is committed, and not at all if that is rolled back. From
        then on ``image_job`` is the job. What can't be ordered then, as with a budget that is used
        up, makes the row ``failed``; the commit itself does not fail.

        :param prompt: what it shall show; None for what was asked for last.
        :param options: as of :meth:`flask_media.MediaService.generate_later`.
        :raises NotConfigured: a config key is missing.
        :raises InvalidRequest: an argument is wrong, or the row is in no session.
        """
        session = _session_of(self)
        order = _order(self, session, prompt, options, is_queued=True)
        _check_tracked(type(self))
        self.image_generation_status = PENDING
        stage(session, order)

    def refresh_image(self) -> str:
        """Ask the journal how the picture stands, and have the row say so.

        For where no signal was heard: a row that another process left ``generating``. If there is
        news, it commits the row's session, as :meth:`generate_image` does.

        :returns: the status.
        """
        session = _session_of(self)
        if self.image_object_key is None or self.image_generation_status == COMPLETED:
            return self.image_generation_status
        service = _service()
        job_id = self.image_job_id
        try:
            if job_id is None:
                job_id = service.info(self.image_object_key).job_id
            if job_id == _shown_job(self):
                return self.image_generation_status
            outcome = outcome_of(service.job(job_id))
        except NotFound:
            return self.image_generation_status
        if outcome is not None:
            order = Order(
                bind=session.get_bind(type(self)),
                rows=Rows(type(self)),
                identity=_identity(self),
                service=service,
                object_key=self.image_object_key,
            )
            session.commit()
            order.record(outcome, is_asked=False)
            session.expire(self, COLUMNS)
        return self.image_generation_status


@event.listens_for(MediaMixin, "before_delete", propagate=True)
def _before_delete(mapper: Mapper[Any], connection: sa.Connection, row: MediaMixin) -> None:  # noqa: ARG001
    if not row.__media_delete__:
        return
    session, rows, identity = _session_of(row), Rows(type(row)), _identity(row)
    keys = rows.own_keys(identity, row.image_result)
    if row.image_object_key is not None and row.image_object_key not in keys:
        keys.append(row.image_object_key)
    if not keys:
        return
    farewell = Farewell(
        bind=session.get_bind(mapper),
        rows=rows,
        identity=identity,
        service=_service() if has_app_context() else None,
        keys=keys,
        job_id=None if row.image_generation_status == COMPLETED else row.image_job_id,
    )
    stage(session, farewell)


def _order(
    row: MediaMixin,
    session: Session,
    prompt: str | None,
    options: ImageOptions,
    *,
    is_queued: bool = False,
) -> Order:
    """What a row asks for, checked; the row says so from then on."""
    if unknown := options.keys() - ImageOptions.__annotations__.keys():
        raise TypeError(f"generate_image() got an unexpected keyword argument {min(unknown)!r}")
    session.flush()
    rows, identity = Rows(type(row)), _identity(row)
    # As the row is now, and stays until the commit: of two that ask at once the later one finds
    # what the other asked for.
    rows.hold(session, identity)
    session.refresh(row, COLUMNS, with_for_update={"of": rows.table})
    asked = row.image_prompt if prompt is None else prompt
    if asked is None:
        raise InvalidRequest(
            f"This {type(row).__name__} has no image_prompt yet; say what its picture shall show: "
            "generate_image('A house by the sea')."
        )
    arguments: dict[str, Any] = {
        **options,
        "prompt": asked,
        "reference_images": _read(options.get("reference_images", ())),
        "metadata": {
            **row.image_metadata(),
            **(options.get("metadata") or {}),
            **rows.marks(identity),
        },
    }
    order = Order(
        bind=session.get_bind(type(row)),
        rows=rows,
        identity=identity,
        service=_service(),
        arguments=arguments,
        previous=_shown_job(row),
    )
    digest, named = digest_of(arguments), options.get("idempotency_key")
    before = None if row.image_generation_status == COMPLETED else row.image_object_key
    is_same = before is not None and digest in before
    key = before if is_same and named is None else None
    if key is None:
        chosen = check_config(options.get("config")).format
        extension = "png" if chosen is None else chosen.value
        key = row.image_key(f"{picture_name(order, digest, named)}.{extension}")
    if not isinstance(key, str) or len(key) > LONGEST_KEY:
        raise InvalidRequest(
            f"{type(row).__name__}.image_key gave {key!r:.80}; it must be text of at most "
            f"{LONGEST_KEY} characters."
        )
    order.object_key = arguments["object_key"] = key
    order.is_again = key == before and (is_same or not arguments["reference_images"])
    wanted: dict[str, Any] = {name: arguments[name] for name in _WANTED & arguments.keys()}
    terms: dict[str, Any] = {name: arguments[name] for name in _TERMS & arguments.keys()}
    order.service.check(Wanted(**wanted), Terms(**terms, is_queued=is_queued))
    row.image_prompt = asked
    row.image_object_key = key
    row.image_job_id = row.image_error = row.image_retryable = None
    return order


_WANTED, _TERMS = ({field.name for field in dataclasses.fields(one)} for one in (Wanted, Terms))


def _read(references: Iterable[PictureSource | str]) -> Iterable[PictureSource | str]:
    """The references as they are now: a file may be closed when the session is committed."""
    if isinstance(references, str | bytes | bytearray | memoryview):
        return references  # is refused
    return [
        one if isinstance(one, str) else read_bytes(f"reference_images[{number}]", one)
        for number, one in enumerate(references)
    ]


def _session_of(row: MediaMixin) -> Session:
    session, state = object_session(row), sa.inspect(row)
    if session is None or state.deleted:
        raise InvalidRequest(
            f"This {type(row).__name__} is in no session, so how its picture stands could not be "
            "written. Add it first: session.add(row)."
        )
    return session


def _identity(row: MediaMixin) -> tuple[Any, ...]:
    identity = sa.inspect(row).identity
    if identity is None:
        raise InvalidRequest(
            f"This {type(row).__name__} has no primary key yet; session.flush() gives it one."
        )
    return tuple(identity)


def _shown_job(row: MediaMixin) -> str | None:
    """The job of the picture that a row shows now."""
    return None if row.image_result is None else row.image_result["job_id"]


def _service() -> MediaService:
    service: MediaService = current_media._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    return service


def _check_tracked(model: type) -> None:
    """Warn once of a model whose rows may never hear how their jobs end."""
    if TRACKER in current_app.extensions:
        return
    warned: set[type] = current_app.extensions.setdefault(UNTRACKED, set())
    if model not in warned:
        warned.add(model)
        logger.warning(
            "Rows of %s stay 'pending' until refresh_image() is called, unless another process "
            "writes there how their jobs end. Call track_media(app, db) after FlaskMedia(app).",
            model.__name__,
        )
