"""What a test asks a fake afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .seen import ConfigMatcher
from .seen import FakeCall
from .seen import FakeUpload
from .seen import KeyMatcher
from .seen import PromptMatcher
from .seen import call_line
from .seen import check_count
from .seen import check_matcher
from .seen import config_fits
from .seen import key_fits
from .seen import prompt_fits
from .seen import upload_line
from .seen import written
from .stage import FakeStages


class FakeAsserts(FakeStages):
    """The part of a :class:`~flask_media.testing.Fake` that tells what happened."""

    @property
    def calls(self) -> list[FakeCall]:
        """All calls to the model that have ended, those that failed too."""
        with self._lock:
            return sorted(self._calls, key=lambda call: call.number)

    @property
    def generated(self) -> list[FakeCall]:
        """The calls that gave a picture."""
        return [call for call in self.calls if call.error is None]

    @property
    def uploads(self) -> list[FakeUpload]:
        """All objects that were stored: pictures, variants, originals, copies."""
        with self._lock:
            return list(self._uploads)

    @property
    def deleted(self) -> list[str]:
        """The keys that were deleted, as often as they were."""
        with self._lock:
            return list(self._deleted)

    @property
    def elapsed(self) -> float:
        """Seconds that latency and waits between tries would have taken."""
        with self._lock:
            return self._elapsed

    @property
    def spent_usd(self) -> Decimal:
        """What the pictures would have cost in US dollars, as far as prices are known."""
        return sum((call.cost_usd or Decimal(0) for call in self.generated), Decimal(0))

    def assert_generated(
        self,
        prompt: PromptMatcher = None,
        *,
        times: int | None = None,
        config: ConfigMatcher = None,
        spender: str | None = None,
        references: int | None = None,
        object_key: KeyMatcher = None,
        model: str | None = None,
    ) -> None:
        """Fail unless such pictures were generated.

        :param prompt: the whole prompt, as given or as sent; a pattern found in the one given; or a
            function of the :class:`FakeCall`.
        :param times: how many; None for at least one.
        :param config: the config, or a function of it.
        :param spender: who paid.
        :param references: how many reference pictures were sent.
        :param object_key: where it was to go: the whole key, a pattern or a function.
        :param model: the model that drew it.
        """
        __tracebackhide__ = True
        check_matcher("prompt", prompt)
        check_matcher("object_key", object_key)
        found = [
            call
            for call in self.generated
            if prompt_fits(prompt, call)
            and config_fits(config, call.config)
            and spender in (None, call.spender)
            and references in (None, len(call.references))
            and key_fits(object_key, call.object_key)
            and model in (None, call.model)
        ]
        asked = written(
            "assert_generated",
            prompt=prompt,
            times=times,
            config=config,
            spender=spender,
            references=references,
            object_key=object_key,
            model=model,
        )
        lines = [call_line(call) for call in self.calls]
        check_count(asked, found, times, lines, "Calls to the model")

    def assert_nothing_generated(self) -> None:
        """Fail if the model was asked for anything, also if that failed."""
        __tracebackhide__ = True
        lines = [call_line(call) for call in self.calls]
        check_count("assert_nothing_generated()", lines, 0, lines, "Calls to the model")

    def assert_uploaded(
        self,
        key: KeyMatcher = None,
        *,
        times: int | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Fail unless such objects were stored.

        :param key: the whole key, a pattern found in it, or a function of it.
        :param times: how many; None for at least one.
        :param content_type: their media type.
        :param metadata: what their metadata have, among others; compared as text.
        """
        __tracebackhide__ = True
        check_matcher("key", key)
        wanted = {name: str(value) for name, value in (metadata or {}).items()}
        found = [
            upload
            for upload in self.uploads
            if key_fits(key, upload.object_key)
            and content_type in (None, upload.content_type)
            and wanted.items() <= upload.metadata.items()
        ]
        asked = written(
            "assert_uploaded", key=key, times=times, content_type=content_type, metadata=metadata
        )
        check_count(asked, found, times, map(upload_line, self.uploads), "Uploads")

    def assert_nothing_uploaded(self) -> None:
        """Fail if anything was stored."""
        __tracebackhide__ = True
        uploads = self.uploads
        check_count("assert_nothing_uploaded()", uploads, 0, map(upload_line, uploads), "Uploads")

    def assert_deleted(self, key: KeyMatcher, *, times: int | None = None) -> None:
        """Fail unless such objects were deleted.

        :param key: the whole key, a pattern found in it, or a function of it.
        :param times: how often; None for at least once.
        """
        __tracebackhide__ = True
        check_matcher("key", key)
        deleted = self.deleted
        found = [one for one in deleted if key_fits(key, one)]
        asked = written("assert_deleted", key=key, times=times)
        check_count(asked, found, times, map(repr, deleted), "Deleted")
