"""What a fake does at each stage: its script, its clock and its records."""

from __future__ import annotations

import collections
import dataclasses
import threading
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from typing import BinaryIO
from typing import TypeAlias

from ..errors import GenerationTimeout
from ..errors import MediaError
from ..errors import StorageError
from ..errors import UploadFailed
from ..options import ImageGenerationConfig
from ..options import ImageSize
from ..types import ObjectStat
from ..types import Usage
from ..values import GenerationRequest
from .errors import OF_GENERATION
from .errors import OF_STORAGE
from .errors import check_error
from .errors import to_raise
from .guard import Strays
from .hold import Hold
from .pictures import DAMAGES
from .pictures import damage
from .pictures import draw_picture
from .script import Script
from .seen import FakeCall
from .seen import FakeUpload
from .seen import KeyMatcher
from .seen import PromptMatcher
from .seen import check_matcher
from .seen import key_fits
from .seen import prompt_fits

if TYPE_CHECKING:
    from ..journal.records import Record


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model is to answer."""

    error: MediaError | None = None
    """Raised instead."""
    data: bytes | None = None
    """The picture; None for one that is drawn."""
    damage: str | None = None
    """How it is to be spoilt."""


Source: TypeAlias = "bytes | Path | BinaryIO | None"


class FakeStages:
    """The part of a :class:`~flask_media.testing.Fake` that says what happens."""

    def __init__(self, folder: Path, location: str) -> None:
        self.folder = folder
        """Has the journal's file; goes away with the fake."""
        self.objects: dict[str, tuple[bytes, ObjectStat]] = {}
        """What is stored, by key."""
        self.location = location
        """Names the fake's storage."""
        self.latency = 0.0
        """Seconds that each call to the model seems to take. Nobody waits: :attr:`elapsed` grows,
        and over GEMINI_TIMEOUT the call ends with ``GenerationTimeout``."""
        self._lock = threading.Lock()
        self._calls: list[FakeCall] = []
        self._uploads: list[FakeUpload] = []
        self._deleted: list[str] = []
        self._elapsed = 0.0
        self._count = 0
        self._same: collections.Counter[tuple[str, int, int]] = collections.Counter()
        self._answers: Script[FakeCall, Answer] = Script()
        self._refusals: Script[str, MediaError] = Script()
        self._holds: list[Hold] = []
        self._strays: Strays | None = None

    # What a test says

    def answer_with(
        self,
        picture: Source = None,
        *,
        prompt: PromptMatcher = None,
        on_call: int | None = None,
        times: int | None = None,
    ) -> None:
        """Have the model answer with a picture of your own.

        :param picture: bytes, a path or a binary file; None for a drawn one, which says that the
            call is expected (:meth:`prevent_stray`).
        :param prompt: for which calls: the whole prompt, a pattern or a function of the
            :class:`FakeCall`.
        :param on_call: from which of these on, from 1, counted from now.
        :param times: for how many; None for all, or for the one of ``on_call``.
        """
        if isinstance(picture, Path):
            picture = picture.read_bytes()
        elif picture is not None and not isinstance(picture, bytes):
            picture = picture.read()
        self._say("prompt", Answer(data=picture), prompt, on_call=on_call, times=times)

    def fail_generation(
        self,
        error: MediaError | type[MediaError],
        *,
        prompt: PromptMatcher = None,
        on_call: int | None = None,
        times: int | None = 1,
    ) -> None:
        """Have the model fail: each call is one that the service makes, its retries too.

        ``RateLimited`` and ``ProviderUnavailable`` are asked again at once, GEMINI_MAX_ATTEMPTS
        times in all, so a view sees them with ``times=None`` only.

        :param error: an error, or its class for a usual one.
        :param prompt: which calls: the whole prompt, a pattern or a function of the
            :class:`FakeCall`.
        :param on_call: from which of these on, from 1, counted from now.
        :param times: how many; None for all.
        :raises TypeError: no generator raises that.
        """
        made = check_error("fail_generation", error, OF_GENERATION)
        self._say("prompt", Answer(error=made), prompt, on_call=on_call, times=times)

    def fail_processing(
        self,
        damage: str = "truncated",
        *,
        prompt: PromptMatcher = None,
        on_call: int | None = None,
        times: int | None = 1,
    ) -> None:
        """Have the model send, for its price, what the service finds to be no usable picture: that
        raises ``InvalidImage``.

        :param damage: ``truncated``, ``too-large`` or ``not-a-picture``.
        :param prompt: which calls: the whole prompt, a pattern or a function of the
            :class:`FakeCall`.
        :param on_call: from which of these on, from 1, counted from now.
        :param times: how many; None for all.
        :raises ValueError: ``damage`` is something else.
        """
        if damage not in DAMAGES:
            raise ValueError(f"damage is {damage!r}; it must be one of {', '.join(DAMAGES)}.")
        self._say("prompt", Answer(damage=damage), prompt, on_call=on_call, times=times)

    def fail_upload(
        self,
        error: MediaError | type[MediaError] = StorageError,
        *,
        key: KeyMatcher = None,
        on_call: int | None = None,
        times: int | None = 1,
    ) -> None:
        """Have the storage fail; the service raises ``UploadFailed``, and ``resume`` mends it.

        :param error: an error, or its class; says by ``retryable`` whether it can pass.
        :param key: which objects: the whole key, a pattern or a function of the key.
        :param on_call: from which of these on, from 1, counted from now.
        :param times: how many; None for all.
        :raises TypeError: no storage raises that.
        """
        check_matcher("key", key)
        made = check_error("fail_upload", error, OF_STORAGE)
        if isinstance(made, UploadFailed):
            made = StorageError(made.message, retryable=made.retryable)
        self._refusals.add(made, lambda seen: key_fits(key, seen), on_call=on_call, times=times)

    def hold(self, prompt: PromptMatcher = None) -> Hold:
        """Keep calls at the model until they are released, or the fake ends.

        :param prompt: which calls: the whole prompt, a pattern or a function of the
            :class:`FakeCall`.
        """
        check_matcher("prompt", prompt)
        hold = Hold(lambda call: prompt_fits(prompt, call))
        with self._lock:
            self._holds.append(hold)
        return hold

    def release_all(self) -> None:
        """Let all calls go on that are held."""
        with self._lock:
            holds, self._holds = self._holds, []
        for hold in holds:
            hold.release()

    def prevent_stray(self) -> None:
        """From now on, a call to the model that :meth:`answer_with`, :meth:`fail_generation` or
        :meth:`fail_processing` does not expect raises :class:`StrayCallError`."""
        self._strays = Strays()

    def check_strays(self) -> None:
        """Raise what a thread could not show; done at the end of the fake.

        :raises StrayCallError: there was such a call.
        """
        if self._strays is not None:
            self._strays.check()

    def _say(
        self,
        name: str,
        answer: Answer,
        prompt: PromptMatcher,
        *,
        on_call: int | None,
        times: int | None,
    ) -> None:
        check_matcher(name, prompt)
        self._answers.add(
            answer,
            lambda call: prompt_fits(prompt, call),
            on_call=on_call,
            times=1 if times is None and on_call is not None else times,
        )

    # What the parts ask

    def answered(
        self,
        request: GenerationRequest,
        model: str,
        *,
        record: Record | None,
        usage: Usage,
        cost_usd: Decimal | None,
        timeout: float,
    ) -> bytes:
        """What the model answers to a call; raises what it raises."""
        call = self._called(request, model, record)
        answer = self._answers.next(call)
        if answer is None and self._strays is not None:
            self._strays.refuse(
                f"Nothing was scripted for this call: {call.prompt!r:.200}. Expect it with "
                "fake.answer_with(prompt=...), or leave fake.prevent_stray() out."
            )
        for hold in list(self._holds):
            hold.keep(call)
        try:
            data = self._outcome(answer or Answer(), call, timeout)
        except MediaError as error:
            self._keep(dataclasses.replace(call, error=error))
            raise
        self._keep(dataclasses.replace(call, data=data, usage=usage, cost_usd=cost_usd))
        return data

    def stored(self, key: str, data: bytes, stat: ObjectStat) -> None:
        """An object is about to be stored; raises what storing it raises."""
        error = self._refusals.next(key)
        if error is not None:
            raise to_raise(error)
        with self._lock:
            self._uploads.append(
                FakeUpload(
                    number=len(self._uploads) + 1,
                    object_key=key,
                    data=data,
                    content_type=stat.content_type,
                    metadata=stat.metadata,
                    size_bytes=stat.size_bytes,
                    sha256=stat.sha256 or "",
                    job_id=stat.job_id,
                )
            )

    def deleted_object(self, key: str) -> None:
        """An object is deleted."""
        with self._lock:
            self._deleted.append(key)

    def pass_time(self, seconds: float) -> None:
        """So many seconds would have passed."""
        with self._lock:
            self._elapsed += seconds

    def _called(self, request: GenerationRequest, model: str, record: Record | None) -> FakeCall:
        with self._lock:
            self._count += 1
            number = self._count
        call = FakeCall(
            number=number,
            prompt=request.original_prompt or request.prompt,
            sent_prompt=request.prompt,
            config=None,
            model=model,
            width=request.width,
            height=request.height,
            references=tuple(picture.data for picture in request.references),
            job_id=request.job_id,
        )
        if record is None:
            return call
        from ..journal.codec import load_job

        job = load_job(record.id, record.spec, request.references)
        return dataclasses.replace(
            call,
            config=_named(job.config),
            object_key=job.object_key,
            metadata=dict(job.metadata),
            spender=record.spender or None,
        )

    def _outcome(self, answer: Answer, call: FakeCall, timeout: float) -> bytes:
        latency = self.latency
        self.pass_time(min(latency, timeout))
        if latency > timeout:
            raise GenerationTimeout(
                f"{call.model} gave no whole answer within {timeout:g} s (GEMINI_TIMEOUT).",
                model=call.model,
            )
        if answer.error is not None:
            raise to_raise(answer.error, model=call.model)
        data = answer.data if answer.data is not None else self._drawn(call)
        return data if answer.damage is None else damage(data, answer.damage)

    def _drawn(self, call: FakeCall) -> bytes:
        """A picture that is another one each time, as a model's, and yet the same in each run."""
        kind = call.sent_prompt, call.width, call.height
        with self._lock:
            self._same[kind] += 1
            again = self._same[kind]
        return draw_picture(call.width, call.height, f"{again} {call.sent_prompt}")

    def _keep(self, call: FakeCall) -> None:
        with self._lock:
            self._calls.append(call)


def _named(config: ImageGenerationConfig) -> ImageGenerationConfig:
    """With the size by its name, where it has one: the journal has pixels."""
    try:
        return dataclasses.replace(config, size=ImageSize(config.pixels))
    except ValueError:
        return config
