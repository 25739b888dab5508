"""Many derivatives of one picture, from one decoding."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import NamedTuple

from PIL.Image import Image  # noqa: TID253 - this package is imported where it is first needed

from ..options import ImageFormat
from ..options import ImageQuality
from ..values import MODEL_MADE
from ..values import Marks
from ..values import Picture
from ..variants import Cut
from ..variants import Variant
from ..variants import VariantSpec
from ..variants import check_variants
from .cuts import cut_all
from .encode import encode
from .memory import LARGE_PIXELS
from .memory import give_back
from .preview import THUMB
from .preview import Preview
from .preview import preview_of

if TYPE_CHECKING:
    from concurrent.futures import Future

ENCODERS = 2
"""Most encoders at work for one picture; Pillow frees the GIL in them."""

THREADS_FROM = 100_000
"""Fewest pixels in all that are worth the start of threads (two tenths of a millisecond)."""


class Derived(NamedTuple):
    """What was made of a picture."""

    variants: dict[str, Picture]
    """The variants by name, in the order asked for."""
    preview: Preview
    """Placeholder data."""


class _File(NamedTuple):
    """All that the bytes of a variant depend on."""

    cut: Cut
    format: ImageFormat
    quality: ImageQuality

    @property
    def pixels(self) -> int:
        return self.cut.size[0] * self.cut.size[1]


def make_variants(
    picture: Picture, variants: Mapping[str, VariantSpec], *, marks: Marks = MODEL_MADE
) -> dict[str, Picture]:
    """The variants of a picture by name, without the placeholder data; see :func:`derive`."""
    checked = check_variants(variants)
    if not checked:
        return {}
    pictures = _encoded(picture, checked, cut_all(picture, checked.values()), marks)
    give_back(picture.width * picture.height)
    return pictures


def derive(
    picture: Picture, variants: Mapping[str, VariantSpec], *, marks: Marks = MODEL_MADE
) -> Derived:
    """The variants and the placeholder data of a picture, decoded once for all of them.

    Each is turned upright, brought to sRGB, scaled with Lanczos and encoded from pixels: nothing of
    the old file's metadata is in it. Small ones are scaled from larger ones where that can't be
    seen. Variants that come out alike (of a picture smaller than both, say) share their bytes.

    :param picture: a verified picture.
    :param variants: :class:`~flask_media.variants.Variant`, widths or boxes by name, 32 at most.
    :param marks: what they say of their origin (XMP): that a trained model made them, unless they
        say otherwise.
    :raises InvalidRequest: a name or a variant is wrong.
    :raises InvalidImage: the picture can't be decoded.
    """
    checked = check_variants(variants)
    *made, (_, thumb) = cut_all(picture, [*checked.values(), THUMB])
    derived = Derived(_encoded(picture, checked, made, marks), preview_of(thumb))
    del made, thumb
    give_back(picture.width * picture.height)
    return derived


def _encoded(
    picture: Picture,
    variants: Mapping[str, Variant],
    made: Sequence[tuple[Cut, Image]],
    marks: Marks,
) -> dict[str, Picture]:
    files = [
        _File(cut, variant.format or picture.format, variant.quality)
        for variant, (cut, _) in zip(variants.values(), made, strict=True)
    ]
    # The heap of a thread keeps what an encoder took; after a large picture it is given back.
    workers = ENCODERS if picture.width * picture.height < LARGE_PIXELS else 1
    pictures = {
        file: Picture(
            data=data, format=file.format, width=file.cut.size[0], height=file.cut.size[1]
        )
        for file, data in _encode_all(set(files), dict(made), marks, workers).items()
    }
    return {name: pictures[file] for name, file in zip(variants, files, strict=True)}


def _encode_all(
    files: set[_File], images: Mapping[Cut, Image], marks: Marks, workers: int
) -> dict[_File, bytes]:
    """The bytes of each; large ones one by one, since an encoder takes up to 24 bytes a pixel."""

    def work(file: _File) -> bytes:
        # Pillow keeps the options of a save on the picture: two threads must not share one.
        image = images[file.cut] if owners[file.cut] is file else images[file.cut].copy()
        return encode(image, file.format, file.quality, marks=marks)

    order = sorted(files, key=lambda file: (-file.pixels, file))
    owners = {file.cut: file for file in order}
    data = {file: work(file) for file in order if file.pixels > LARGE_PIXELS}
    rest = [file for file in order if file not in data]
    workers = min(len(rest), workers, os.cpu_count() or 1)
    futures: dict[_File, Future[bytes]] = {}
    if workers > 1 and sum(file.pixels for file in rest) >= THREADS_FROM:
        # While the interpreter ends there are no more threads, and not even the module.
        with contextlib.suppress(RuntimeError):
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(workers, "flask-media-encoder") as pool:
                for file in rest:
                    futures[file] = pool.submit(work, file)
    for file in rest:
        data[file] = futures[file].result() if file in futures else work(file)
    return data
