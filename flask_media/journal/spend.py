"""What was spent, and what may be: budgets a UTC day, and sums."""

from __future__ import annotations

import dataclasses
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from decimal import Decimal

import sqlalchemy as sa  # noqa: TID253 - the whole package is imported at the first use

from ..errors import BudgetExceeded
from .records import to_nano
from .records import to_usd
from .schema import jobs
from .schema import spend
from .states import State


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budgets:
    """The limits of a UTC day, in US dollars; None for no limit."""

    app: Decimal | None = None
    spender: Decimal | None = None

    def of(self, spender: str) -> dict[str, Decimal]:
        """The limits that a spender's call counts against, by row of the ledger."""
        limits = {}
        if self.app is not None:
            limits[""] = self.app
        if self.spender is not None and spender:
            limits[spender] = self.spender
        return limits

    def forget_unkept(self, connection: sa.Connection) -> None:
        """Delete the totals of limits that are not set: they would be wrong once they are again,
        and are counted anew then."""
        if self.app is None:
            connection.execute(spend.delete().where(spend.c.spender == ""))
        if self.spender is None:
            connection.execute(spend.delete().where(spend.c.spender != ""))

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return self.app is not None or self.spender is not None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spend:
    """What some jobs came to."""

    jobs: int
    """Jobs."""
    pictures: int
    """Pictures that were generated."""
    cost_usd: Decimal
    """US dollars of the calls whose cost is known."""
    unpriced: int
    """Pictures whose cost is not known."""
    possible_usd: Decimal
    """US dollars besides that calls may have cost which were cut off, gave no picture, or whose
    price is not known."""


def sums(
    connection: sa.Connection, since: datetime | None, by: str | None, *, spender: str | None
) -> dict[str, Spend]:
    """Sums by ``day``, ``model`` or ``spender``, or all under ``""``.

    :param spender: whose jobs; None for everybody's.
    """
    columns = {"day": jobs.c.day, "model": jobs.c.model, "spender": jobs.c.spender}
    group = columns[by] if by else sa.literal("")
    made = sa.case((jobs.c.state.in_(_WITH_PICTURE), 1), else_=0)
    query = sa.select(
        group,
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(made), 0),
        sa.func.coalesce(sa.func.sum(jobs.c.cost_nano), 0),
        sa.func.coalesce(sa.func.sum(sa.case((jobs.c.cost_nano.is_(None), made), else_=0)), 0),
        sa.func.coalesce(sa.func.sum(jobs.c.risk_nano + jobs.c.reserved_nano), 0),
    )
    if since is not None:
        query = query.where(jobs.c.created_at >= since.timestamp())
    if spender is not None:
        query = query.where(jobs.c.spender == spender)
    if by:
        query = query.group_by(group).order_by(group)
    return {
        str(name or ""): Spend(
            jobs=count,
            pictures=int(pictures),
            cost_usd=to_usd(int(nano)) or Decimal(0),
            unpriced=int(unpriced),
            possible_usd=to_usd(int(risk)) or Decimal(0),
        )
        for name, count, pictures, nano, unpriced, risk in connection.execute(query)
    }


_WITH_PICTURE = (
    State.GENERATED.value,
    State.UPLOADED.value,
    State.DONE.value,
    State.QUARANTINED.value,
)

_OPEN = sa.text(
    "INSERT INTO media_spend (day, spender, nano) VALUES (:day, :spender, :nano) "
    "ON CONFLICT DO NOTHING"
)


def today() -> str:
    """The UTC day, as ``2026-11-22``."""
    return datetime.now(UTC).date().isoformat()


def reserve(
    connection: sa.Connection, budgets: Budgets, *, day: str, spender: str, nano: int
) -> None:
    """Count the amount as spent, if it fits in every limit; within the caller's transaction.

    :raises BudgetExceeded: it does not fit in one of them.
    """
    for name, limit in budgets.of(spender).items():
        row = spend.c.day == day, spend.c.spender == name
        total = sa.select(spend.c.nano).where(*row)
        count = (
            spend.update()
            .where(*row, spend.c.nano + nano <= (to_nano(limit) or 0))
            .values(nano=spend.c.nano + nano)
        )
        if connection.execute(count).rowcount:
            continue
        if connection.scalar(total) is None:  # the first of the day, or since the budget was set
            values = {"day": day, "spender": name, "nano": _spent(connection, day, name)}
            connection.execute(_OPEN, values)
        if connection.execute(count).rowcount:  # another process may have opened it since
            continue
        spent = to_usd(connection.scalar(total)) or Decimal(0)
        raise _exceeded(name, limit, spent, to_usd(nano) or Decimal(0), day)


def settle(
    connection: sa.Connection, budgets: Budgets, *, day: str, spender: str, change: int
) -> None:
    """Correct what was reserved by what it came to: ``change`` is the difference."""
    if change:
        for name in budgets.of(spender):
            connection.execute(
                spend.update()
                .where(spend.c.day == day, spend.c.spender == name)
                .values(nano=spend.c.nano + change)
            )


def _spent(connection: sa.Connection, day: str, spender: str) -> int:
    """What the jobs of a day come to, for the first reservation after a budget was set."""
    total = sa.func.coalesce(
        sa.func.sum(
            sa.func.coalesce(jobs.c.cost_nano, 0) + jobs.c.risk_nano + jobs.c.reserved_nano
        ),
        0,
    )
    query = sa.select(total).where(jobs.c.day == day)
    if spender:
        query = query.where(jobs.c.spender == spender)
    return int(connection.scalar(query) or 0)


def _exceeded(
    spender: str, limit: Decimal, spent: Decimal, cost: Decimal, day: str
) -> BudgetExceeded:
    key = "MEDIA_BUDGET_USD_PER_USER_PER_DAY" if spender else "MEDIA_BUDGET_USD_PER_DAY"
    whose = f" of {spender!r}" if spender else ""
    resets_at = datetime.fromisoformat(f"{day}T00:00:00+00:00") + timedelta(days=1)
    return BudgetExceeded(
        f"{key} = {limit} USD: {spent:.4f}{whose} is spent or reserved today, and the picture may "
        f"cost {cost:.4f}. Nothing was sent. The budget starts anew at {resets_at:%Y-%m-%d %H:%M} "
        "UTC.",
        limit_usd=limit,
        spent_usd=spent,
        resets_at=resets_at,
        spender=spender or None,
    )
