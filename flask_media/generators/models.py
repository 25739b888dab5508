"""The one table of Gemini's image models, and how a wish becomes their ratio and size step.

Ratios, sizes and limits are from Google's image generation guide (ai.google.dev/gemini-api/docs),
as of November 2026. They decide what is asked for; the size of a picture is read from its bytes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from ..options import ImageQuality

_COMMON_RATIOS = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
}
_LONG_RATIOS = {
    "1:4": (512, 2048),
    "4:1": (2048, 512),
    "1:8": (384, 3072),
    "8:1": (3072, 384),
}

COMMON_RATIOS: Mapping[str, tuple[int, int]] = MappingProxyType(_COMMON_RATIOS)
"""Width and height in pixels at 1K of the ratios that every model draws."""

ALL_RATIOS: Mapping[str, tuple[int, int]] = MappingProxyType(_COMMON_RATIOS | _LONG_RATIOS)
"""The same with the long ratios that some models draw."""

STEP_SCALES: Mapping[str, float] = MappingProxyType({"512": 0.5, "1K": 1, "2K": 2, "4K": 4})
"""Factor on the sides at 1K, by size step."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageModel:
    """What one model can do."""

    name: str
    """Its name in the API."""
    ratios: Mapping[str, tuple[int, int]] = dataclasses.field(default_factory=lambda: COMMON_RATIOS)
    """Width and height in pixels at 1K, by aspect ratio."""
    steps: tuple[str, ...] = ()
    """Its size steps, smallest first; empty where there is no choice and none is sent."""
    prices: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """US dollars a picture by size step, ``1K`` where there is no choice; as listed by Google in
    November 2026. For budgets, before a call; what it did cost is read from its answer."""
    max_references: int | None = None
    """Most reference pictures of one request, None where that is not known."""
    reference_side: int = 2048
    """Longest useful side of a reference picture, in pixels. The models look at tiles of a picture
    scaled down to well under this; more pixels are upload time and nothing else."""

    def usd(self, step: str | None) -> Decimal | None:
        """US dollars of a picture at that step, None where that is not known."""
        price = self.prices.get(step or "1K")
        return None if price is None else Decimal(price)

    def nearest_ratio(self, width: int, height: int) -> str:
        """The aspect ratio that differs least from ``width`` x ``height`` as a factor."""
        wanted = math.log(width / height)
        return min(
            self.ratios,
            key=lambda name: abs(math.log(self.ratios[name][0] / self.ratios[name][1]) - wanted),
        )

    def step(self, ratio: str, width: int, height: int, quality: ImageQuality) -> str | None:
        """The size step to ask for, None where the model has no choice.

        LOW is the smallest; STANDARD the smallest whose pixels cover ``width`` x ``height``, else
        the largest; HIGH one more than STANDARD where there is one.
        """
        if not self.steps:
            return None
        if quality is ImageQuality.LOW:
            return self.steps[0]
        at_1k = self.ratios[ratio]
        last = len(self.steps) - 1
        covering = (
            place
            for place, step in enumerate(self.steps)
            if at_1k[0] * STEP_SCALES[step] >= width and at_1k[1] * STEP_SCALES[step] >= height
        )
        standard = next(covering, last)
        return self.steps[min(standard + (quality is ImageQuality.HIGH), last)]


MODELS: Mapping[str, ImageModel] = MappingProxyType(
    {
        model.name: model
        for model in (
            ImageModel(
                name="gemini-nano-banana-2.1",
                ratios=ALL_RATIOS,
                steps=("1K", "2K", "4K"),
                prices={"1K": "0.034", "2K": "0.050", "4K": "0.11"},
                max_references=14,
            ),
            ImageModel(
                name="gemini-3-pro-image",
                steps=("1K", "2K", "4K"),
                prices={"1K": "0.134", "2K": "0.134", "4K": "0.24"},
                max_references=14,
            ),
            ImageModel(
                name="gemini-3.1-flash-lite-image", prices={"1K": "0.034"}, max_references=14
            ),
            ImageModel(
                name="gemini-3.1-flash-image",
                ratios=ALL_RATIOS,
                steps=("512", "1K", "2K", "4K"),
                prices={"1K": "0.067"},
                max_references=14,
            ),
            ImageModel(name="gemini-2.5-flash-image", prices={"1K": "0.039"}, max_references=3),
        )
    }
)
"""The known models by name."""


MOST_REFERENCES = max(model.max_references or 0 for model in MODELS.values())
"""Most reference pictures that any known model takes."""


def find_model(name: str) -> ImageModel | None:
    """The known model of that name, None for one that is not in the table."""
    return MODELS.get(name)


def passed_through(name: str) -> ImageModel:
    """What is assumed of a model that is not in the table.

    It is asked for one of the ratios that all known models draw and for no size step, so that it
    draws its own default; the number of references is left to the provider to judge.
    """
    return ImageModel(name=name)
