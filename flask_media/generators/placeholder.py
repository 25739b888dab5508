"""Pictures without a model: offline, free, and honest about it."""

from __future__ import annotations

import array
import bisect
import hashlib
import json
import math
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from ..options import MAX_PIXELS
from ..options import MAX_SIDE
from ..values import GenerationAnswer
from ..values import GenerationRequest
from .base import Generator

if TYPE_CHECKING:
    from PIL.Image import Image

MODEL = "placeholder"
WORD = "placeholder"
SKETCH = 32
"""Longest side of the sketch that is scaled up to the background, in pixels: soft by nature."""

BLOBS = 5
EDGE = 0.42
"""Width of a disc's soft edge, in longest sides."""

STRIP = 64
"""Rows that are scaled up at once, so that a large picture takes no memory for floats."""

MIN_LETTERS = 6
"""Smallest letters drawn, in pixels; where the word needs smaller ones, there is none."""

LINE_LETTERS = 22
"""Longest line, in heights of its letters: about 45 letters, as a book has."""

MAX_LINES = 6
MAX_LETTERS = 600
"""Of the prompt; more never fit in six lines."""

ELLIPSIS = "..."
SPELLED = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
    | {"đ": "d", "Đ": "D", "\u0131": "i", "€": "EUR", "•": "-", "„": '"', "«": '"', "»": '"'}
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-")
    | dict.fromkeys("\u201c\u201d", '"')
    | dict.fromkeys("\u2018\u2019", "'")
    | {"\u2044": "/", "\u00d7": "x", "£": "GBP", "¥": "JPY"}
)
"""What can't be taken apart into a letter and its accent."""

BAYER = (
    (0, 32, 8, 40, 2, 34, 10, 42),
    (48, 16, 56, 24, 50, 18, 58, 26),
    (12, 44, 4, 36, 14, 46, 6, 38),
    (60, 28, 52, 20, 62, 30, 54, 22),
    (3, 35, 11, 43, 1, 33, 9, 41),
    (51, 19, 59, 27, 49, 17, 57, 25),
    (15, 47, 7, 39, 13, 45, 5, 37),
    (63, 31, 55, 23, 61, 29, 53, 21),
)
"""Bayer's matrix, the thresholds of an ordered dither in 64ths. Rounded without it, the slow
gradients show as steps; noise would hide them too, but take more bytes as a PNG."""

PALETTES = (
    ("#12355b", "#1f6e8c", "#2e8a99", "#d1a679", "#84a7a1"),
    ("#3a1c4a", "#7b2d6b", "#c2506a", "#d08c60", "#5c3d99"),
    ("#0f4c3a", "#2a7f62", "#6fa287", "#cfb56a", "#1c5f6e"),
    ("#1d2b53", "#3d52a0", "#7091c6", "#a58ccf", "#c88ba8"),
    ("#5b2333", "#a63d40", "#d08159", "#cfae6e", "#6c4a6d"),
    ("#23395b", "#406e8e", "#8ea8c3", "#b8c5b9", "#5f7f95"),
    ("#2d1e4f", "#4b3f8f", "#3e7cb1", "#59a5a0", "#9a6fb0"),
    ("#333d29", "#656d4a", "#a4ac86", "#c2a878", "#7f5539"),
)
"""Ground and discs. No channel is over 209, so that :data:`PANEL_OPACITY` is enough."""

INK, PALE_INK, PANEL = (255, 255, 255), (232, 234, 242), (16, 18, 27)
PANEL_OPACITY = 150
"""Of 255. On the lightest background the panel is then no lighter than (95, 96, 102), on which
the paler ink has a contrast of 5:1 (WCAG AA asks for 4.5:1)."""


class PlaceholderGenerator(Generator):
    """Draws a soft abstract picture with the word "placeholder" and the prompt on it.

    The theme, the brand colours and the other options of the look change nothing that is shown:
    the colours are chosen by a hash of the request. Of the prompt it writes the words that
    Pillow's own font can, without accents.

    The same request gives the same bytes, another one another picture. Nothing is sent anywhere
    and nothing costs. Chosen by ``MEDIA_GENERATOR = "placeholder"``, never silently.
    """

    is_trained = False

    @property
    def provider(self) -> str:
        """None that the conventions know."""
        return "flask_media.placeholder"

    def check(self, request: GenerationRequest) -> None:
        """Nothing can be missing but room.

        :raises InvalidRequest: the size is none.
        """
        if not (
            1 <= request.width <= MAX_SIDE
            and 1 <= request.height <= MAX_SIDE
            and request.width * request.height <= MAX_PIXELS
        ):
            raise InvalidRequest(
                f"size is {request.width} x {request.height} pixels; sides from 1 to {MAX_SIDE:,} "
                f"and {MAX_PIXELS:,} pixels in all are drawn."
            )

    def model_of(self, request: GenerationRequest) -> str:  # noqa: ARG002
        """``placeholder``, whatever model is asked for."""
        return MODEL

    def expected_cost(self, request: GenerationRequest) -> Decimal | None:  # noqa: ARG002
        """Nothing."""
        return Decimal(0)

    def generate(self, request: GenerationRequest) -> GenerationAnswer:
        """Draw it: exactly the pixels of the request, as a PNG.

        :raises InvalidRequest: the size is none.
        """
        self.check(request)
        image = _background(request.width, request.height, _seed(request))
        _write(image, request.original_prompt or request.prompt)
        file = BytesIO()
        image.save(file, "PNG", compress_level=1)
        return GenerationAnswer(data=file.getvalue(), model=MODEL, cost_usd=Decimal(0))


def _seed(request: GenerationRequest) -> bytes:
    """32 bytes that depend on everything in the request."""
    parts = [
        request.prompt,
        request.width,
        request.height,
        request.quality.value,
        request.model,
        [hashlib.sha256(picture.data).hexdigest() for picture in request.references],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def _background(width: int, height: int, seed: bytes) -> Image:
    """Overlapping soft discs of kindred colours, drawn small and scaled up.

    All in floats and rounded once, at the end: a sketch of whole numbers shows its own pixels.
    """
    from PIL import Image
    from PIL import ImageMath

    bands = _sketch(width, height, seed)
    across, down = bands[0].size
    noise = _dither(width)
    image = Image.new("RGB", (width, height))
    for top in range(0, height, STRIP):
        tall = min(STRIP, height - top)
        box = (0, top * down / height, across, (top + tall) * down / height)
        rounded = [
            ImageMath.lambda_eval(
                lambda names: names["convert"](names["band"] + names["noise"], "L"),
                band=band.resize((width, tall), Image.Resampling.BICUBIC, box),
                noise=noise.crop((0, 0, width, tall)),
            )
            for band in bands
        ]
        image.paste(Image.merge("RGB", rounded), (0, top))
    return image


def _sketch(width: int, height: int, seed: bytes) -> list[Image]:
    """Red, green and blue of the background, small."""
    from PIL import Image
    from PIL import ImageColor

    longest = max(width, height)
    across, down = (max(4, round(side * SKETCH / longest)) for side in (width, height))
    ground, *colors = (ImageColor.getrgb(name) for name in PALETTES[seed[0] % len(PALETTES)])
    edge, discs = EDGE * SKETCH, []
    for blob in range(BLOBS):
        left, top, size = seed[1 + 3 * blob : 4 + 3 * blob]
        radius = (0.2 + size / 900) * SKETCH
        discs.append((left / 255 * across, top / 255 * down, radius, colors[blob % len(colors)]))
    start = [float(value) for value in ground]
    bands = array.array("f"), array.array("f"), array.array("f")
    for row in range(down):
        for column in range(across):
            red, green, blue = start
            for x, y, radius, paint in discs:
                part = (radius - math.hypot(column + 0.5 - x, row + 0.5 - y)) / edge + 0.5
                if part <= 0:
                    continue
                part = part * part * (3 - 2 * part) if part < 1 else 1.0  # smoothstep
                red += (paint[0] - red) * part
                green += (paint[1] - green) * part
                blue += (paint[2] - blue) * part
            for band, value in zip(bands, (red, green, blue), strict=True):
                band.append(value)
    return [Image.frombytes("F", (across, down), band.tobytes()) for band in bands]


def _dither(width: int) -> Image:
    """What is added before the fraction is cut off: :data:`BAYER` over a whole strip."""
    from PIL import Image

    rows = (array.array("f", [(value + 0.5) / 64 for value in row]) for row in BAYER)
    wide = [(row * (width // 8 + 1))[:width].tobytes() for row in rows]
    return Image.frombytes("F", (width, STRIP), b"".join(wide) * (STRIP // 8))


def _write(image: Image, prompt: str) -> None:
    """The word and as much of the prompt as fits, on a darkened panel in the middle."""
    from PIL import Image
    from PIL import ImageDraw
    from PIL import ImageFont

    width, height = image.size
    margin = max(1, min(width, height) // 16)
    across, down = width - 4 * margin, height - 4 * margin
    # The letters grow with the picture and shrink until the word fits.
    widest = across * 100 / ImageFont.load_default(100).getlength(WORD)
    size = int(min(widest, 0.8 * down, max(14.0, math.sqrt(width * height) / 14)))
    if size < MIN_LETTERS:
        return
    small = max(MIN_LETTERS, round(0.58 * size))
    gap, step = round(0.5 * size), round(1.3 * small)
    title, text = ImageFont.load_default(size), ImageFont.load_default(small)
    most = min(MAX_LINES, (down - size - gap) // step)
    measure = min(across, LINE_LETTERS * small)
    lines = _wrap(_drawable(prompt), text.getlength, measure, most)
    tall = size + (gap + step * len(lines) if lines else 0)
    wide = round(
        max(
            font.getlength(line)
            for font, line in [(title, WORD), *((text, line) for line in lines)]
        )
    )
    left, top = (width - wide) // 2, (height - tall) // 2

    panel = (left - margin, top - margin, left + wide + margin, top + tall + margin)
    mask = Image.new("L", (panel[2] - panel[0], panel[3] - panel[1]))
    draw = ImageDraw.Draw(mask)
    draw.rounded_rectangle((0, 0, mask.width - 1, mask.height - 1), margin, fill=PANEL_OPACITY)
    image.paste(PANEL, panel, mask)
    draw = ImageDraw.Draw(image)
    draw.text((width // 2, top + 0.8 * size), WORD, fill=INK, font=title, anchor="ms")
    for number, line in enumerate(lines):
        baseline = top + size + gap + number * step + 0.85 * small
        draw.text((width // 2, baseline), line, fill=PALE_INK, font=text, anchor="ms")


def _drawable(text: str) -> str:
    """The text in letters that Pillow's own font has, which is ASCII: accents are left off, and
    so are words of other scripts, with the dashes that led to them."""
    words: list[str] = []
    is_whole = True
    for word in text[:MAX_LETTERS].split():
        if spelled := _spelled(word):
            words.append(spelled)
            continue
        is_whole = False
        while words and not any(letter.isalnum() for letter in words[-1]):
            words.pop()
    shown = " ".join(words)
    if not is_whole:
        shown = shown.strip(" ,;:-") if any(letter.isalnum() for letter in shown) else ""
    return shown + ELLIPSIS if shown and len(text) > MAX_LETTERS else shown


def _spelled(word: str) -> str:
    """The word in ASCII; ``""`` if it has a letter that can't be written in it."""
    letters = unicodedata.normalize("NFKD", word).translate(SPELLED)
    if any(letter.isalnum() and not letter.isascii() for letter in letters):
        return ""
    return "".join(letter for letter in letters if letter.isascii() and letter.isprintable())


def _wrap(text: str, length: Callable[[str], float], across: float, most: int) -> list[str]:
    """The text in at most so many lines, cut with an ellipsis."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < most:
        line = words.pop(0)
        while words and length(f"{line} {words[0]}") <= across:
            line += " " + words.pop(0)
        if length(line) > across:  # one long word
            fits = _longest(line, length, across)
            if len(lines) + 1 < most:
                line, rest = line[:fits], line[fits:]
                words.insert(0, rest)
        lines.append(line)
    if lines and (words or length(lines[-1]) > across):
        last = lines[-1].removesuffix(ELLIPSIS)
        fits = _longest(last, lambda start: length(start + ELLIPSIS), across)
        cut = last if fits >= len(last) else last[:fits].rpartition(" ")[0] or last[:fits]
        lines[-1] = cut.rstrip(" ,.;:-") + ELLIPSIS
    return lines


def _longest(text: str, length: Callable[[str], float], across: float) -> int:
    """How many letters fit, at least one."""
    return max(
        1, bisect.bisect_right(range(1, len(text) + 1), across, key=lambda end: length(text[:end]))
    )
