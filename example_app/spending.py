"""What the pictures of who is signed in cost, as Flask-Media's journal has counted it."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from decimal import Decimal

from flask import Blueprint
from flask import render_template
from flask_login import current_user
from flask_login import login_required

from flask_media import current_media

DAYS = 30

blueprint = Blueprint("spending", __name__)


@blueprint.get("/spending")
@login_required
def show() -> str:
    """Today's budget, and the spending of each day of the last month."""
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days = current_media.usage(
        midnight - timedelta(days=DAYS - 1), by="day", spender=current_user.get_id()
    )
    today = days.get(f"{now:%Y-%m-%d}")
    return render_template(
        "spending.html",
        # The newest first, with a date that the page can write out.
        days=[(datetime.fromisoformat(day), spend) for day, spend in reversed(days.items())],
        most=max((spend.cost_usd for spend in days.values()), default=Decimal(0)),
        total=sum((spend.cost_usd for spend in days.values()), Decimal(0)),
        pictures=sum(spend.pictures for spend in days.values()),
        # What calls may have cost that were cut off counts in the budget too.
        used=today.cost_usd + today.possible_usd if today else Decimal(0),
        budget=current_media.config.budget_per_user_per_day,
        resets_at=midnight + timedelta(days=1),
        resets_in=midnight + timedelta(days=1) - now,
        number_of_days=DAYS,
    )
