"""Rows as orders: checked, all of them, before the first is paid for."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

from ...errors import InvalidRequest
from ...errors import NotConfigured
from ...options import ImageGenerationConfig
from ...options import check_text
from ...values import Terms
from ...values import Wanted
from ..output import plural
from ..picture_options import FIELDS
from ..picture_options import config_values
from .tables import RawRow
from .templates import Template

if TYPE_CHECKING:
    from ...service import MediaService

MAX_TOLD = 3
"""Faults of rows that are told; the others are counted."""

MAX_SPENDER = 255
"""Most characters of a spender."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """One picture to make."""

    number: int
    """The row's number, from 1."""
    line: int
    """Its line in the file."""
    prompt: str
    object_key: str
    config: ImageGenerationConfig
    metadata: dict[str, Any]
    variants: Mapping[str, Any] | None
    spender: str | None
    name: str
    """Its idempotency key: of all that the row says of the picture, not of where it stands."""

    @property
    def place(self) -> str:
        """For messages."""
        return f"Row {self.number} (line {self.line})"

    @property
    def wanted(self) -> Wanted:
        """What the service is asked for."""
        return Wanted(
            prompt=self.prompt,
            object_key=self.object_key,
            metadata=self.metadata,
            config=self.config,
            variants=self.variants,
        )

    def names(self) -> Iterator[str]:
        """Its idempotency key, and with a number those for asking anew."""
        own = own_name(self.name)
        yield own
        for number in itertools.count(2):
            yield f"{own}:{number}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How rows become orders."""

    prompt: Template
    key: Template
    options: Mapping[str, Any]
    """Fields of the config for rows that say nothing else."""
    variants: Mapping[str, Any] | None
    """Of each picture; None for those of MEDIA_VARIANTS."""
    spender: str | None
    """Whose budget, for rows that say nobody's."""
    ignored: Collection[str]
    """Columns that are no options, whatever they are called."""
    run: str
    """Tells this run from others over the same rows."""

    def orders(self, rows: list[RawRow], service: MediaService) -> list[Order]:
        """An order for each row.

        :raises InvalidRequest: rows are wrong; names the first of them, and the columns.
        """
        orders: list[Order] = []
        faults: dict[str, list[str]] = {}
        seen: dict[str, RawRow] = {}
        for row in rows:
            try:
                order = self._order(row, service)
            except (InvalidRequest, NotConfigured) as error:
                faults.setdefault(error.message.rstrip("."), []).append(row.place)
                continue
            first = seen.setdefault(order.object_key, row)
            if first is not row:
                fault = f"the key {order.object_key!r} is that of row {first.number} too"
                faults.setdefault(fault, []).append(row.place)
            orders.append(order)
        if faults:
            raise InvalidRequest(f"{_told(faults)}. Nothing was paid.")
        return orders

    def _order(self, row: RawRow, service: MediaService) -> Order:
        prompt = self.prompt.fill(row.values)
        key = service.storage.check_key(self.key.fill(row.values))
        values = {name: value for name, value in row.values.items() if name not in self.ignored}
        said = dict(self.options) | _config(values)
        config = ImageGenerationConfig.from_dict(said)
        metadata = values.get("metadata") or {}
        if not isinstance(metadata, dict):
            raise InvalidRequest("column 'metadata' must be an object of JSON lines")
        about = [service.storage.location, service.config.generator, key, prompt, said, metadata]
        about += [self.variants] if self.variants else []
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
        order = Order(
            number=row.number,
            line=row.line,
            prompt=prompt,
            object_key=key,
            config=config,
            metadata=metadata,
            variants=self.variants,
            spender=_spender(values, self.spender),
            name=f"batch:{self.run}:{digest[:40]}",
        )
        service.check(order.wanted, Terms(idempotency_key=order.name, spender=order.spender))
        return order

    def unused(self, rows: list[RawRow]) -> list[str]:
        """The columns that nothing is taken from, and that are not ignored either."""
        used = {*FIELDS, "metadata", "spender", *self.ignored}
        used.update(self.prompt.columns, self.key.columns)
        return [
            name
            for name in dict.fromkeys(itertools.chain(*(row.values for row in rows)))
            if name not in used
        ]


def own_name(name: str) -> str:
    """An idempotency key without the number that it was asked anew with."""
    return re.sub(r"(:[0-9a-f]{40}):\d+$", r"\1", name, flags=re.ASCII)


def _told(faults: Mapping[str, list[str]]) -> str:
    """The first faults; what many rows have alike is said once."""
    said = []
    for fault, places in list(faults.items())[:MAX_TOLD]:
        more = plural(len(places) - 1, "more row")
        said.append(f"{places[0]}{f' and {more}' if len(places) > 1 else ''}: {fault}")
    if len(faults) > MAX_TOLD:
        said.append(f"and {len(faults) - MAX_TOLD:,} more faults")
    return "; ".join(said)


def _spender(values: Mapping[str, Any], usual: str | None) -> str | None:
    """Whose budget a row counts against.

    :raises InvalidRequest: that is no text or number, or too long.
    """
    value = values.get("spender")
    value = usual if value in (None, "") else value
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidRequest("column 'spender' is no text or number")
    if not 1 <= len(text := str(value)) <= MAX_SPENDER:
        raise InvalidRequest(f"spender has {len(text):,} characters, not 1 to {MAX_SPENDER}")
    check_text("spender", text)
    return text


def _config(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the config that a row has columns for.

    :raises InvalidRequest: one is wrong; names the column.
    """
    found = config_values(values)
    for name in FIELDS:
        if name in found:
            try:
                ImageGenerationConfig.from_dict({name: found[name]})
            except InvalidRequest as error:
                raise InvalidRequest(
                    f"column {name!r}: {error.message} Or say --ignore {name}"
                ) from None
    return found
