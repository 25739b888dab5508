"""What a call cost, from the prices of the ``genai-prices`` package. Slow to import: only
``gemini`` does, at first use."""

from __future__ import annotations

import dataclasses
import logging
from decimal import Decimal

import genai_prices  # noqa: TID253 (this module is imported at the first call)

from ..fields import fields
from ..types import Usage

logger = logging.getLogger(__name__)


def cost_of(model: str, usage: Usage | None) -> Decimal | None:
    """The price of a call in US dollars, None where model, usage or price is unknown.

    Thoughts are priced as text. The price list comes with the installed package and is never
    fetched. About 0.15 ms a call.

    :param model: the model that answered.
    :param usage: its token counts.
    """
    if usage is None or usage.input_tokens is None or usage.image_tokens is None:
        return None  # without the split, a picture would be priced as text
    text_tokens = max((usage.output_tokens or 0) - usage.image_tokens, 0)
    try:
        tokens = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.image_tokens + text_tokens + (usage.thought_tokens or 0),
            output_image_tokens=usage.image_tokens,
        )
        return genai_prices.calc_price(tokens, model, provider_id="google").total_price
    except LookupError:
        return None
    except Exception as error:  # noqa: BLE001 (a paid picture is worth more than its price)
        extra = fields(model=model, error=error)
        logger.warning("No price for %s: %s", model, type(error).__name__, extra=extra)
        return None


def refusal_cost(model: str, usage: Usage | None) -> Decimal | None:
    """The price of an answer without a picture in US dollars, None where that is unknown.

    Output tokens of an answer that does not say whether they were text or a picture can't be
    priced.

    :param model: the model that answered.
    :param usage: its token counts.
    """
    if usage is not None and usage.image_tokens is None and not usage.output_tokens:
        usage = dataclasses.replace(usage, image_tokens=0)
    return cost_of(model, usage)


def load_prices() -> None:
    """Have the price list in memory, so that no paid picture waits for it: 0.1 s, and up to 1 s
    where Python can't keep its bytecode."""
    cost_of("gemini-2.5-flash-image", Usage(input_tokens=1, output_tokens=1, image_tokens=1))
