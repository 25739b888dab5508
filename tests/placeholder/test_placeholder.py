"""The offline generator: exact, repeatable, legible, free."""

from __future__ import annotations

import array
import dataclasses
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from io import BytesIO

import pytest
from PIL import Image
from PIL import ImageColor
from PIL import ImageFont

from flask_media.errors import InvalidRequest
from flask_media.generators import placeholder
from flask_media.generators.placeholder import PlaceholderGenerator
from flask_media.imaging import inspect
from flask_media.options import ImageFormat
from flask_media.options import ImageQuality
from flask_media.values import GenerationRequest

REQUEST = GenerationRequest(prompt="Être libre: a house by the sea", width=320, height=200)


def draw(request: GenerationRequest) -> bytes:
    """The bytes for a request."""
    return PlaceholderGenerator().generate(request).data


def test_answer() -> None:
    """It says what it is, costs truly nothing and counts no tokens."""
    answer = PlaceholderGenerator().generate(REQUEST)
    assert (answer.model, answer.usage, answer.cost_usd) == ("placeholder", None, Decimal(0))


@pytest.mark.parametrize(
    ("width", "height"),
    [(1, 1), (16, 16), (64, 64), (256, 256), (1600, 100), (100, 1600), (12_288, 20), (3, 900)],
)
def test_exact_pixels(width: int, height: int) -> None:
    """The picture has the pixels asked for, however small or narrow."""
    picture = inspect(draw(dataclasses.replace(REQUEST, width=width, height=height)), decode=True)
    assert (picture.format, picture.width, picture.height) == (ImageFormat.PNG, width, height)


def test_same_request_same_bytes() -> None:
    """The same request gives the same bytes, on many threads too; any other gives others."""
    first = draw(REQUEST)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(draw, [REQUEST] * 16)) == {first}
    others = [
        dataclasses.replace(REQUEST, prompt="Another"),
        dataclasses.replace(REQUEST, quality=ImageQuality.HIGH),
        dataclasses.replace(REQUEST, model="other"),
        dataclasses.replace(REQUEST, references=(inspect(first),)),
    ]
    assert len({first, *(draw(other) for other in others)}) == 5


@pytest.mark.parametrize(("width", "height"), [(0, 10), (10, -1), (12_289, 1), (9000, 9000)])
def test_sizes_refused(width: int, height: int) -> None:
    """A size that is none is refused with its numbers."""
    with pytest.raises(InvalidRequest, match=f"{width} x {height}"):
        draw(dataclasses.replace(REQUEST, width=width, height=height))


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        " \n\t ",
        "日本の海辺の家",
        "\ud800 lone surrogate",
        "control \x07\x1b and \u202e right to left \u200b",
        "x" * 5000,
        "many words " * 5000,
        "😀🏖️ e\u0301",
        "%s {0} {{ x }}",
    ],
)
@pytest.mark.parametrize("side", [48, 300])
def test_any_text(prompt: str, side: int) -> None:
    """No text makes it fail."""
    assert draw(dataclasses.replace(REQUEST, prompt=prompt, width=side, height=side))


def test_letters_that_the_font_lacks() -> None:
    """Accents are left off, ligatures and dashes spelled."""
    assert placeholder._drawable("Être libre — “œuvre” Straße") == 'Etre libre - "oeuvre" Strasse'
    assert placeholder._drawable("a\tb\n½ ǽ") == "a b 1/2 ae"
    assert placeholder._drawable("y" * 601) == "y" * 600 + "..."


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ("Être libre — 海辺の家 🏠", "Etre libre"),
        ("海辺の家: a house", "a house"),
        ("one - 海 - two", "one - two"),
        ("café🏠, tea", "cafe, tea"),
        ("「海」 !", ""),
        ("日" * 601, ""),
        ("?!", "?!"),
    ],
)
def test_words_that_the_font_lacks(prompt: str, shown: str) -> None:
    """Words of other scripts and symbols are left out, with what led to them."""
    assert placeholder._drawable(prompt) == shown


def test_a_prompt_without_a_letter_to_draw() -> None:
    """Where no word can be written, only "placeholder" is."""
    same = dataclasses.replace(REQUEST, prompt="x")
    pictures = {
        draw(dataclasses.replace(same, original_prompt=text)) for text in (" ", "海辺の家", "🏠")
    }
    assert len(pictures) == 1


def test_gradients_have_no_steps() -> None:
    """Over 8 x 8 pixels the background's mean is the gradient's, to a fifth of a level."""
    size, seed = (256, 192), bytes(range(32))
    image = placeholder._background(*size, seed)
    for drawn, sketch in zip(image.split(), placeholder._sketch(*size, seed), strict=True):
        exact = sketch.resize(size, Image.Resampling.BICUBIC).reduce(8)
        pairs = zip(_floats(drawn.convert("F").reduce(8)), _floats(exact), strict=True)
        assert max(abs(one - other) for one, other in pairs) < 0.2


def _floats(image: Image.Image) -> array.array[float]:
    return array.array("f", image.tobytes())


def test_wrapping() -> None:
    """Words wrap, long ones break, and what does not fit ends in an ellipsis."""
    length = lambda text: float(len(text))  # noqa: E731
    wrap = placeholder._wrap
    assert wrap("one two three", length, 7, 5) == ["one two", "three"]
    assert wrap("abcdefghij", length, 4, 5) == ["abcd", "efgh", "ij"]
    assert wrap("one two three four", length, 8, 2) == ["one two", "three..."]
    assert wrap("abcdefghij", length, 6, 1) == ["abc..."]
    assert wrap("one, two", length, 7, 1) == ["one..."]
    assert wrap("text", length, 9, 0) == wrap("", length, 9, 3) == []


def luminance(color: tuple[int, ...]) -> float:
    """Relative luminance as WCAG defines it."""
    parts = [value / 255 for value in color[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast() -> None:
    """The paler ink has a contrast of at least 4.5:1 on every colour of every palette."""
    part = placeholder.PANEL_OPACITY / 255
    ink = luminance(placeholder.PALE_INK)
    for color in (ImageColor.getrgb(name) for names in placeholder.PALETTES for name in names):
        mixed = zip(placeholder.PANEL, color, strict=False)
        panel = tuple(round(top * part + below * (1 - part)) for top, below in mixed)
        assert (ink + 0.05) / (luminance(panel) + 0.05) >= 4.5, color


def test_the_word_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The word is drawn in letters of the height that its size promises."""
    image = Image.open(BytesIO(draw(dataclasses.replace(REQUEST, prompt="")))).convert("L")
    monkeypatch.setattr(placeholder, "WORD", " ")
    blank = Image.open(BytesIO(draw(dataclasses.replace(REQUEST, prompt="")))).convert("L")
    bright = [picture.point(lambda value: 255 * (value > 235)) for picture in (image, blank)]
    box = bright[0].getbbox()
    assert box is not None
    assert bright[1].getbbox() is None
    size = (320 * 200) ** 0.5 / 14
    expected = ImageFont.load_default(size).getlength("placeholder")
    assert abs((box[2] - box[0]) - expected) < 8


@pytest.mark.alone
def test_quick() -> None:
    """A picture of 1024 x 1024 takes well under half a second of CPU, and under 1 MB."""
    request = dataclasses.replace(REQUEST, width=1024, height=1024)
    draw(request)
    start = time.process_time()
    assert len(draw(request)) < 1_000_000
    assert time.process_time() - start < 0.5


def test_import_is_light() -> None:
    """Importing the generator imports no Pillow."""
    code = "import sys, flask_media.generators.placeholder; sys.exit('PIL' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
