"""An asking, made of a caller's arguments; all of it is checked before anything is paid."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import sys
import uuid
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING
from typing import Any

from . import prompts
from .errors import InvalidImage
from .errors import InvalidRequest
from .errors import NotFound
from .inputs import check_config
from .inputs import read_bytes
from .inputs import target_format
from .journal.codec import digest
from .journal.codec import dump_job
from .journal.records import Asking
from .keys import check_metadata
from .options import check_text
from .values import GenerationJob
from .values import GenerationRequest
from .values import Job
from .values import Picture
from .values import Terms
from .values import Wanted

if TYPE_CHECKING:
    import jinja2

    from .delivery.upkeep import Delivery
    from .generators.base import Generator
    from .storage.base import Storage


def generation_job(
    wanted: Wanted,
    object_key: str | None,
    *,
    generator: Generator,
    storage: Storage,
    delivery: Delivery,
    templates: jinja2.Environment,
    template: str | None,
) -> GenerationJob:
    """The job of generating a picture, and of storing it if there is an object key.

    :param wanted: the caller's arguments.
    :param object_key: where to store it, checked; None for not at all.
    :param generator: is asked whether it can do it, and how large references are useful.
    :param storage: is asked whether it is ready, and has the references that are keys.
    :param delivery: says which variants to make.
    :param templates: finds the prompt's template.
    :param template: its name; None for the built-in one.
    :raises NotConfigured: a config key is missing.
    :raises InvalidRequest: an argument is wrong; the message names it.
    :raises InvalidImage: a reference is no picture.
    :raises NotFound: a reference is a key that nothing is stored under.
    """
    if object_key is not None:
        storage.check_ready()
    config = check_config(wanted.config)
    width, height = config.pixels
    request = GenerationRequest(
        prompt=prompts.build_prompt(
            prompts.check_prompt(wanted.prompt),
            config,
            templates,
            template or prompts.BUILT_IN_TEMPLATE,
        ),
        original_prompt=wanted.prompt,
        width=width,
        height=height,
        quality=config.quality,
        model=config.model,
    )
    file_format = target_format(object_key, config.format)
    job = GenerationJob(
        id=uuid.uuid4().hex,
        object_key=object_key,
        url=None if object_key is None else storage.url(object_key),
        format=file_format,
        metadata=check_metadata(wanted.metadata),
        request=request,
        config=config,
    )
    if object_key is not None:
        job = dataclasses.replace(
            job,
            variants=delivery.asked(object_key, wanted.variants, file_format),
            keep_original=delivery.keeps_original(wanted.keep_original),
        )
    references = _references(wanted.reference_images, request, generator, storage)
    request = dataclasses.replace(request, references=references, job_id=job.id)
    generator.check(request)
    return dataclasses.replace(job, request=request)


def upload_job(wanted: Wanted, storage: Storage, delivery: Delivery) -> Job:
    """The job of storing a picture that is there already.

    :raises NotConfigured: a config key is missing.
    :raises InvalidRequest: an argument is wrong; the message names it.
    """
    key = storage.check_key(wanted.object_key)
    file_format = target_format(key, None)
    job = Job(
        id=uuid.uuid4().hex,
        object_key=key,
        url=storage.url(key),
        format=file_format,
        metadata=check_metadata(wanted.metadata),
        variants=delivery.asked(key, wanted.variants, file_format),
        keep_original=delivery.keeps_original(wanted.keep_original),
    )
    storage.check_ready()
    return job


def _references(
    sources: object, request: GenerationRequest, generator: Generator, storage: Storage
) -> tuple[Picture, ...]:
    if isinstance(sources, str | bytes | bytearray | memoryview) or not isinstance(
        sources, Iterable
    ):
        raise InvalidRequest("reference_images must be a list of pictures, as [picture].")
    most = generator.max_references(request)
    # Counted before the first is read: decoding them is work.
    listed = list(itertools.islice(sources, most + 1))
    if len(listed) > most:
        raise InvalidRequest(
            f"reference_images has more than {most} pictures, the most that "
            f"{request.model or 'the model'} takes."
        )
    references = []
    for number, source in enumerate(listed):
        argument = f"reference_images[{number}]"
        try:
            references.append(
                _reference(argument, source, storage, generator.reference_side(request))
            )
        except (InvalidImage, NotFound) as error:
            raise type(error)(f"{argument}: {error}") from None
    return tuple(references)


def _reference(argument: str, source: object, storage: Storage, side: int) -> Picture:
    from . import imaging

    if isinstance(source, str):
        try:
            with storage.open(source) as file:
                data = read_bytes(argument, file)
        except InvalidRequest as error:
            raise InvalidRequest(
                f"{argument} is text, so it must be the key of a stored picture; no URL and "
                f"no path is read. {error}"
            ) from None
    else:
        data = read_bytes(argument, source)
    return imaging.scale_down(imaging.inspect(data, decode=True), side)


def asking_of(
    job: GenerationJob,
    *,
    scope: str,
    model: str,
    terms: Terms,
    named: Mapping[str, Any],
) -> Asking:
    """How the journal tells this asking from others.

    :param scope: the storage that it is for.
    :param model: the model that is asked first.
    :param terms: on what terms it is asked.
    :param named: what the caller said of files beside the picture, where they said anything: the
        same picture serves askings that differ in it, and a key stands for one of them.
    :raises InvalidRequest: the key or the spender is no text of 1 to 255 characters.
    """
    key = _named("idempotency_key", terms.idempotency_key, like="f'goal-{goal.id}'")
    spender = _named("spender", terms.spender, like="str(user.id)") or ""
    request = job.request
    asked = (
        scope,
        job.original_prompt,
        job.config.to_dict(),
        [hashlib.sha256(picture.data).hexdigest() for picture in request.references],
    )
    # What the caller said: a key outlives a change of the configured model.
    beside = (named,) if named else ()
    own_key = None if terms.has_made_key else job.object_key
    request_hash = digest(own_key, asked, job.metadata, *beside)
    picture = (*asked, model)
    joinable = job.object_key is not None
    # Over HTTP each has jobs and pictures of their own: another's is none to hand out.
    of = (spender,) if terms.is_remote else ()
    fingerprint = digest(job.object_key, picture, *of)
    reuse_hash = digest(picture, job.format, *of) if joinable else None
    task = this_celery_task() if joinable and key is None else None
    if key is not None:
        key = f"key:{key}" if not terms.is_remote else f"of:{digest(spender)[:32]}:{key}"
    flight = None
    if joinable and terms.reuse:
        flight = f"r:{reuse_hash}"
    elif joinable and key is None:
        flight = f"f:{fingerprint}"
    return Asking(
        job_id=job.id,
        scope=scope,
        object_key=job.object_key,
        fingerprint=fingerprint,
        request_hash=request_hash,
        reuse_hash=reuse_hash,
        reuse=terms.reuse,
        flight=flight,
        joinable=joinable and not terms.has_made_key,
        key=key,
        task=None if task is None else f"task:{task}:{request_hash}",
        spender=spender,
        spec=dump_job(job),
        references=tuple(picture.data for picture in request.references),
        is_queued=terms.is_queued,
        overwrite=terms.overwrite,
    )


def _named(argument: str, value: object, *, like: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= 255:
        raise InvalidRequest(
            f"{argument} is {value!r:.80}; it must be text of 1 to 255 characters, as {like}, "
            "or None."
        )
    check_text(argument, value)
    return value


_task: ContextVar[str | None] = ContextVar("flask_media_task", default=None)


def this_celery_task() -> str | None:
    """The id of the Celery task that runs here, if one does."""
    if (task_id := _task.get()) is not None:
        return task_id
    celery = sys.modules.get("celery")  # not imported, no task
    task = celery.current_task if celery is not None else None
    return task.request.id if task else None


@contextmanager
def in_celery_task(task_id: str | None) -> Iterator[None]:
    """What is asked for in here belongs to the task, though another thread runs it."""
    token = _task.set(task_id)
    try:
        yield
    finally:
        _task.reset(token)
