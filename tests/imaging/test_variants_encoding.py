"""How variants are encoded: together, on threads, each as it would be alone."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_media.imaging import derive
from flask_media.imaging import inspect
from flask_media.imaging import make_variants
from flask_media.imaging import variants as making
from flask_media.options import ImageFormat
from flask_media.options import ImageQuality
from flask_media.variants import Variant
from flask_media.variants import VariantSpec

from .files import ALL
from .files import load
from .files import photo
from .files import sample
from .test_render import picture
from .test_variants import MIXED


def test_alike_are_encoded_once() -> None:
    """Variants that come out alike share their bytes."""
    given = inspect(sample(ImageFormat.PNG, 100, 60))
    made = make_variants(
        given,
        {"a": 640, "b": 1280, "c": (100, 60), "d": Variant(width=100, quality="low")},  # type: ignore[arg-type]
    )
    assert made["a"].data is made["b"].data is made["c"].data
    assert made["d"].data != made["a"].data


def test_quality() -> None:
    """More quality takes more bytes."""
    specs: dict[str, VariantSpec] = {
        quality: Variant(width=200, quality=quality) for quality in ImageQuality
    }
    made = make_variants(inspect(sample(ImageFormat.PNG, 300, 300)), specs)
    sizes = [len(one.data) for one in made.values()]
    assert sizes == sorted(set(sizes))


def test_large_ones_are_encoded_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the encoders are spread, the bytes are the same."""
    given = inspect(sample(ImageFormat.PNG, 400, 240))
    threads = make_variants(given, MIXED)
    monkeypatch.setattr(making, "LARGE_PIXELS", 1)
    assert make_variants(given, MIXED) == threads
    monkeypatch.undo()
    monkeypatch.setattr(making, "THREADS_FROM", 10**9)
    assert make_variants(given, MIXED) == threads


def test_threads_of_the_caller() -> None:
    """Many callers at once get each the right bytes."""
    given = [inspect(sample(source, 400, 240)) for source in ALL]
    alone = [derive(one, MIXED) for one in given]

    def work(number: int) -> object:
        return derive(given[number % len(given)], MIXED)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, range(12))) == alone * 3


def test_same_pixels_in_many_files() -> None:
    """The same pixels in all formats and qualities at once are each as they are alone."""
    given = inspect(sample(ImageFormat.PNG, 500, 400))
    specs: dict[str, VariantSpec] = {
        f"{file_format}-{quality}": Variant(width=300, format=file_format, quality=quality)
        for file_format in ALL
        for quality in ImageQuality
    }
    alone = {name: make_variants(given, {name: spec})[name] for name, spec in specs.items()}
    for _ in range(3):
        assert make_variants(given, specs) == alone


def test_interpreter_that_ends() -> None:
    """When no threads can be had any more, as in the last moments of a process, it works too."""
    code = (
        "import atexit, sys, threading\n"
        "from tests.imaging.files import sample\n"
        "from flask_media.imaging import inspect, make_variants\n"
        "from flask_media.options import ImageFormat\n"
        "given = inspect(sample(ImageFormat.PNG, 600, 600))\n"
        "def late():\n"
        "    made = make_variants(given, {'a': 500, 'b': 400, 'c': 300})\n"
        "    print(*(one.width for one in made.values()))\n"
        "atexit.register(late)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=os.curdir
    )
    assert done.stdout.split() == ["500", "400", "300"]
    assert not done.stderr


def test_save_takes_no_old_options() -> None:
    """The options of the source file, as its quality, do not go over into variants."""
    low = picture(photo(200, 200), ImageFormat.JPEG, quality=5)
    high = picture(load(low.data), ImageFormat.PNG)
    specs: dict[str, VariantSpec] = {"a": Variant(width=200, format=ImageFormat.JPEG)}
    assert make_variants(low, specs)["a"].data == make_variants(high, specs)["a"].data
