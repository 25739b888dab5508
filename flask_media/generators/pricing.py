"""What a call cost, from the prices of the ``genai-prices`` package."""

from __future__ import annotations

import logging
from decimal import Decimal

from ..types import Usage

logger = logging.getLogger(__name__)


def cost_of(model: str, usage: Usage | None) -> Decimal | None:
    """The price of a call in US dollars, None where model, usage or price is unknown.

    Thoughts are priced as text. The price list comes with the installed package and is never
    fetched. About 0.15 ms a call, 1 s of CPU in the first one of a process for the import.

    :param model: the model that answered.
    :param usage: its token counts.
    """
    if usage is None or usage.input_tokens is None or usage.image_tokens is None:
        return None  # without the split, a picture would be priced as text
    import genai_prices  # slow, and wanted after the first picture alone

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
        logger.warning("No price for %s: %s", model, type(error).__name__)
        return None
