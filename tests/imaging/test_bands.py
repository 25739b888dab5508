"""A large picture is scaled in bands, so that little lies between the passes."""

from __future__ import annotations

import pytest
from PIL import ImageChops
from PIL import ImageStat

from flask_media.imaging import fit

from .test_variants import ramps


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("rows", [1, 7, 20, 64])
def test_bands_do_not_show(rows: int, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that is scaled in bands, however low, is within a level of one that is not."""
    image = ramps(400, 240).convert(mode)
    wanted, box = (151, 97), (3.5, 8.25, 380.5, 231.0)
    whole = fit.scaled(image, wanted, box)
    monkeypatch.setattr(fit, "LARGE_PIXELS", 1)
    monkeypatch.setattr(fit, "BAND_PIXELS", rows * wanted[0])
    difference = ImageChops.difference(whole, fit.scaled(image, wanted, box))
    assert all(most <= 1 for _, most in ImageStat.Stat(difference).extrema)
