"""The parts of a service that a fake puts in: all real but the model, the bucket and the clock."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol

from ..config import MediaConfig
from ..config_checks import Secret
from ..generators.base import Generator
from ..generators.gemini import GeminiGenerator
from ..generators.models import find_model
from ..parts import Parts
from ..parts import Surroundings
from ..storage.memory import MemoryStorage
from ..types import ObjectStat
from ..types import Usage
from ..values import GenerationAnswer
from ..values import GenerationJob
from ..values import GenerationRequest

if TYPE_CHECKING:
    from ..generators.models import ImageModel
    from ..jobs.base import Queue
    from ..journal.journal import Journal
    from ..journal.records import Claim
    from ..journal.records import Record
    from ..storage.base import Storage
    from ..types import GeneratedImage
    from ..types import MediaResult
    from ..webhooks.courier import Courier

TOKENS_1K = 1120
"""Tokens of a picture at 1K, as Gemini counts them."""

REFERENCE_TOKENS = 258
"""Tokens of a reference picture."""

LETTERS_PER_TOKEN = 4


class Director(Protocol):
    """Says what happens, and is told."""

    folder: Path
    objects: dict[str, tuple[bytes, ObjectStat]]
    location: str

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
        """What the model answers; raises what it raises."""
        ...

    def stored(self, key: str, data: bytes, stat: ObjectStat) -> None:
        """An object is about to be stored; raises what storing it raises."""

    def deleted_object(self, key: str) -> None:
        """An object is deleted."""

    def pass_time(self, seconds: float) -> None:
        """So many seconds would have passed."""


class FakeParts(Parts):
    """The parts of one service under a fake.

    :param config: what the app has.
    :param around: what the service is in.
    :param director: the fake.
    :param base_url: of the pictures' URLs; None for those that the app serves.
    """

    def __init__(
        self,
        config: MediaConfig,
        around: Surroundings,
        *,
        director: Director,
        base_url: str | None,
    ) -> None:
        super().__init__(_indoors(config), around)
        self._director = director
        self._base_url = base_url
        self.sleep = director.pass_time

    def reconfigure(self, **values: Any) -> None:
        """As ever, but that nothing of it leads outside."""
        super().reconfigure(**values)
        with self._lock:
            self.config = _indoors(self.config)

    def start_queue(self) -> None:
        """There are no dead processes that left anything."""

    def _make_generator(self) -> Generator:
        return FakeGenerator(self.config, self._director, self._record)

    def _record(self, job_id: str) -> Record:
        return self.journal.record(job_id)

    def _make_storage(self) -> Storage:
        base = self._base_url
        around = self._around
        return FakeStorage(
            self._director,
            base_url=around.files_url if base is None else lambda key: _below(base, key),
            sign_url=around.sign_url,
        )

    def _make_journal(self) -> Journal:
        from ..journal.journal import Journal
        from ..journal.spend import Budgets

        config = self.config
        return Journal(
            f"sqlite:///{self._director.folder / 'media.sqlite3'}",
            lease=config.lease,
            budgets=Budgets(app=config.budget_per_day, spender=config.budget_per_user_per_day),
            is_durable=False,
        )

    def _make_courier(self, journal: Journal) -> Courier | None:  # noqa: ARG002 - none is told
        return None

    def _make_queue(self) -> Queue:
        if self._has_eager_celery():
            return super()._make_queue()  # it hands nothing to a broker
        from ..jobs.base import Runner
        from ..jobs.threads import ThreadQueue

        director, config = self._director, self.config

        class QuickRunner(Runner):
            """Tries again at once what would be tried again later."""

            def run(
                self, claim: Claim, job: GenerationJob, tries: int
            ) -> MediaResult | GeneratedImage | float | None:
                outcome = super().run(claim, job, tries)
                if isinstance(outcome, float):
                    director.pass_time(outcome)
                    return 0.0
                return outcome

        runner = QuickRunner(
            self.pipeline, retries=config.queue_retries, first_delay=config.queue_retry_seconds
        )
        return ThreadQueue(
            runner,
            threads=config.queue_threads,
            size=config.queue_size,
            sweep_seconds=config.lease,
            context=self._around.context,
        )

    def _has_eager_celery(self) -> bool:
        celery = (self._around.extensions or {}).get("celery")
        return self.config.queue == "celery" and bool(
            celery is not None and celery.conf.task_always_eager
        )


class FakeGenerator(Generator):
    """Draws as Gemini would be asked to, at Gemini's prices, and calls nobody."""

    def __init__(
        self, config: MediaConfig, director: Director, record: Callable[[str], Record]
    ) -> None:
        self._director = director
        self._record = record
        self._timeout = config.gemini_timeout
        # Knows the models, their limits and their prices; it is never asked for a picture.
        self._gemini = GeminiGenerator(
            api_key=Secret("fake"),
            model=config.gemini_model,
            base_url=None,
            api_version=config.gemini_api_version,
            timeout=config.gemini_timeout,
        )

    def check(self, request: GenerationRequest) -> None:
        """As Gemini's, but that no key is needed."""
        self._gemini.check(request)

    def generate(self, request: GenerationRequest) -> GenerationAnswer:
        """What the fake was told to answer, else a picture of the size asked for."""
        self.check(request)
        model = self.model_of(request)
        cost = self.expected_cost(request)
        record = self._record(request.job_id) if request.job_id else None
        usage = _usage(request, find_model(model), cost)
        data = self._director.answered(
            request,
            model,
            record=record,
            usage=usage,
            cost_usd=cost,
            timeout=self._timeout,
        )
        return GenerationAnswer(data=data, model=model, usage=usage, cost_usd=cost)

    def reference_side(self, request: GenerationRequest) -> int:
        """As Gemini's."""
        return self._gemini.reference_side(request)

    def model_of(self, request: GenerationRequest) -> str:
        """As Gemini's."""
        return self._gemini.model_of(request)

    def expected_cost(self, request: GenerationRequest) -> Decimal | None:
        """As Gemini's: by the table of models."""
        return self._gemini.expected_cost(request)

    def max_references(self, request: GenerationRequest) -> int:
        """As Gemini's."""
        return self._gemini.max_references(request)


class FakeStorage(MemoryStorage):
    """The memory of the fake, which hears of each object."""

    def __init__(
        self,
        director: Director,
        *,
        base_url: Callable[[str], str | None] | None,
        sign_url: Callable[[str, float], str] | None,
    ) -> None:
        super().__init__(base_url=base_url, sign_url=sign_url)
        self._director = director
        self._objects = director.objects
        self._location = director.location

    def _put(  # noqa: PLR0917 - Storage.put alone calls it
        self,
        key: str,
        data: bytes,
        content_type: str,
        sha256: str,
        metadata: dict[str, str],
        job_id: str,
    ) -> None:
        stat = ObjectStat(
            size_bytes=len(data),
            content_type=content_type,
            metadata=dict(metadata),
            sha256=sha256,
            job_id=job_id or None,
        )
        self._director.stored(key, bytes(data), stat)
        super()._put(key, data, content_type, sha256, metadata, job_id)

    def _delete(self, key: str) -> None:
        self._director.deleted_object(key)
        super()._delete(key)


def _indoors(config: MediaConfig) -> MediaConfig:
    """The config without what leads out of the process."""
    return config.replace(storage="memory", storage_mirror=None, webhook_url=None)


def _below(base: str, key: str) -> str:
    from ..keys import quote_key

    return f"{base.rstrip('/')}/{quote_key(key)}"


def _usage(request: GenerationRequest, model: ImageModel | None, cost: Decimal | None) -> Usage:
    """Token counts in proportion to letters, references and price."""
    at_1k = model.usd(None) if model else None
    image = round(TOKENS_1K * cost / at_1k) if cost and at_1k else TOKENS_1K
    text = max(1, len(request.prompt) // LETTERS_PER_TOKEN)
    asked = text + REFERENCE_TOKENS * len(request.references)
    return Usage(
        input_tokens=asked, output_tokens=image, image_tokens=image, total_tokens=asked + image
    )
