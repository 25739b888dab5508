"""Parts of one picture in many sizes, from one decoding."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from collections.abc import Sequence

from PIL.Image import Image  # noqa: TID253 - this package is imported where it is first needed

from ..values import Picture
from ..variants import Cut
from ..variants import Variant
from .fit import decode
from .fit import finished
from .fit import open_picture
from .fit import reduced
from .fit import scalable
from .fit import scaled
from .memory import give_back

CHAIN_GAP = 1.5
"""A picture is scaled from a smaller copy that is at least so many times as large as it; nearer,
and it gets softer than what the encoders lose anyway."""

REDUCE_GAP = 2
"""Pixels are averaged down to no less than so many times what is wanted, before Lanczos."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Level:
    """The whole picture in some size."""

    image: Image
    scale: tuple[float, float]
    """Its pixels for one of the upright picture, across and down."""
    turn: int = 1
    """The orientation that it is stored in; copies are upright."""
    profile: bytes = b""
    """Its colour profile; copies are in sRGB."""

    def take(self, cut: Cut) -> Image:
        """The part in its size, upright and in sRGB; no alpha channel where all is opaque."""
        left, right = (edge * self.scale[0] for edge in cut.box[::2])
        top, bottom = (edge * self.scale[1] for edge in cut.box[1::2])
        size, (across, down) = cut.size, self.image.size
        if self.turn > 4:
            left, top, right, bottom = top, left, bottom, right
            size = size[1], size[0]
        if self.turn in (2, 3, 7, 8):
            left, right = across - right, across - left
        if self.turn in (3, 4, 6, 7):
            top, bottom = down - bottom, down - top
        box = max(left, 0.0), max(top, 0.0), min(right, across), min(bottom, down)
        image = finished(scaled(self.image, size, box), self.turn, self.profile)
        if "A" in image.getbands() and image.getchannel("A").getextrema() == (255, 255):
            return image.convert(image.mode[:-1])
        return image


def cut_all(picture: Picture, variants: Iterable[Variant]) -> list[tuple[Cut, Image]]:
    """Decode the picture and make of it, in their order, all that the variants ask for.

    Pixels are upright, in sRGB, of mode L, LA, RGB or RGBA. Equal cuts share them. The large ones
    are gone when this returns, before an encoder takes any memory.

    :raises InvalidImage: it can't be decoded.
    """
    give_back(picture.width * picture.height)  # what an encoder before has left
    image, profile = open_picture(picture)
    stored = image.size
    width, height = picture.upright_size
    cuts = [variant.cut(width, height) for variant in variants]
    wanted = sorted(set(cuts), key=lambda cut: -cut.scale)
    most = min(wanted[0].scale, 1.0)
    decode(picture.format, image, (stored[0] * most, stored[1] * most))
    image = scalable(image)
    scale = image.width / stored[0], image.height / stored[1]
    factor = int(min(scale) / (most * REDUCE_GAP))
    if factor > 1:
        image = reduced(image, factor)
        scale = scale[0] / factor, scale[1] / factor
    turn = picture.orientation
    upright = (scale[1], scale[0]) if turn > 4 else scale
    source = _Level(image, upright, turn, profile)
    del image
    parents = _parents(wanted, (width, height))
    images = {cut: source.take(cut) for cut in wanted if cut not in parents}
    del source
    for cut in wanted:
        if cut in parents:
            parent = images[parents[cut]]
            images[cut] = _Level(parent, (parent.width / width, parent.height / height)).take(cut)
    give_back(width * height)
    return [(cut, images[cut]) for cut in cuts]


def _parents(wanted: Sequence[Cut], size: tuple[int, int]) -> dict[Cut, Cut]:
    """Which cuts, ordered by scale, are made of which others; the rest are made of the source."""
    parents: dict[Cut, Cut] = {}
    whole: list[tuple[Cut, float]] = []
    for cut in wanted:
        near = [parent for parent, scale in whole if scale >= CHAIN_GAP * cut.scale]
        if near:
            parents[cut] = near[-1]
        if cut.box == (0, 0, *size) and cut.scale < 1:
            whole.append((cut, min(cut.size[0] / size[0], cut.size[1] / size[1])))
    return parents
