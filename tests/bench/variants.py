"""Three widths and a placeholder of one picture, and the memory of a large one, measured.

``python -m tests.bench.variants [--quick]`` makes three WebP widths and a placeholder of pictures
of 1024 x 1024 pixels (PNG, as models send them) with ``flask_media.imaging.derive`` and with
careful Pillow by hand, in turns in one process; and of a picture of 4096 x 4096 pixels, in a
process of its own, three larger widths and the picture in 1920 x 1080. It exits with 1 if ours
takes over 1.1 times the CPU of the best by hand or is less like the original (SSIM) than that, or
if the large one takes 120 MB or more over what its imports take.

django-imagekit and easy-thumbnails take part where they are installed
(``uv run --group bench --with django-imagekit --with easy-thumbnails python -m ...``): then ours
may take half their CPU at most.

Needs the ``bench`` dependency group and, for the memory, Linux.
"""

from __future__ import annotations

import base64
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image
from skimage.metrics import structural_similarity

from flask_media.imaging import derive
from flask_media.imaging import inspect
from flask_media.values import UNMARKED

from . import toolkits
from .encoders import sources

WIDTHS = (768, 512, 256)
CPU_BOUND, QUICK_CPU_BOUND = 1.1, 1.3
"""Times the best by hand; a quick run has few rounds and is noisy."""
TOOLKIT_BOUND = 0.5
LIKENESS_SLACK = 0.0005
"""SSIM that is no difference."""
MEMORY_MB = 120

Files = dict[int, bytes]
Way = Callable[[bytes], Files]
LANCZOS = Image.Resampling.LANCZOS


def ours(data: bytes) -> Files:
    """Flask-Media, without the mark of generated media, which the others lack too."""
    made = derive(inspect(data), {str(width): width for width in WIDTHS}, marks=UNMARKED)
    assert made.preview.placeholder
    return {width: made.variants[str(width)].data for width in WIDTHS}


def chain(data: bytes) -> Files:
    """Decoded once, each width scaled from the one before."""
    image, files = _decoded(data), {}
    for width in WIDTHS:
        image = image.resize((width, width), LANCZOS)
        files[width] = _webp(image, 80)
    _placeholder(image)
    return files


def direct(data: bytes) -> Files:
    """Decoded once, each width scaled from the source, with averaging before."""
    image = _decoded(data)
    _placeholder(image)
    return {
        width: _webp(image.resize((width, width), LANCZOS, reducing_gap=2), 80) for width in WIDTHS
    }


def thumbnails(data: bytes) -> Files:
    """Opened anew for each width, with Pillow's defaults: what toolkits do."""
    files = {}
    for width in WIDTHS:
        image = _decoded(data)
        image.thumbnail((width, width), LANCZOS)
        file = BytesIO()
        image.save(file, "WEBP", quality=80)
        files[width] = file.getvalue()
    _placeholder(_decoded(data))
    return files


def _decoded(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data), formats=("PNG",))
    image.load()
    return image


def _webp(image: Image.Image, quality: int) -> bytes:
    file = BytesIO()
    image.save(file, "WEBP", quality=quality, method=2)
    return file.getvalue()


def _placeholder(image: Image.Image) -> tuple[str, object]:
    small = image.resize((24, 24), LANCZOS, reducing_gap=2)
    uri = "data:image/webp;base64," + base64.b64encode(_webp(small, 30)).decode()
    return uri, small.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))


WAYS: tuple[Way, ...] = (ours, chain, direct, thumbnails)
BY_HAND = ("chain", "direct")


def likeness(image: Image.Image, files: Files) -> float:
    """Mean SSIM of the greys against the picture itself in each width."""
    similarity: Callable[..., Any] = structural_similarity
    found = []
    for width, file in files.items():
        wanted = image.resize((width, width), LANCZOS)
        shown = Image.open(BytesIO(file))
        found.append(similarity(*(np.asarray(one.convert("L")) for one in (wanted, shown))))
    return float(np.mean(found))


def compare(*, quick: bool) -> bool:
    """Print the table; whether ours is within its bounds."""
    rounds, ways = 2 if quick else 9, WAYS + tuple(toolkits.installed(WIDTHS))
    tables: list[dict[str, list[float]]] = [{way.__name__: [] for way in ways} for _ in range(4)]
    cpu, wall, size, alike = tables
    for image in (image.resize((1024, 1024), LANCZOS) for image in sources().values()):
        file = BytesIO()
        image.save(file, "PNG", compress_level=1)
        data = file.getvalue()
        best = {way.__name__: [math.inf, math.inf] for way in ways}
        for _ in range(rounds):
            for way in ways:
                start = time.process_time(), time.perf_counter()
                files = way(data)
                took = time.process_time() - start[0], time.perf_counter() - start[1]
                best[way.__name__] = [
                    min(pair) for pair in zip(best[way.__name__], took, strict=True)
                ]
        for way in ways:
            files = way(data)
            alike[way.__name__].append(likeness(image, files))
            size[way.__name__].append(sum(map(len, files.values())) / 1000)
            cpu[way.__name__].append(best[way.__name__][0] * 1000)
            wall[way.__name__].append(best[way.__name__][1] * 1000)
    print(
        f"Pillow {PIL.__version__}; {WIDTHS} and a placeholder of 1024 x 1024, means of 3 pictures"
    )
    for name in cpu:
        means = (float(np.mean(table[name])) for table in tables)
        print("{:10} {:6.1f} ms CPU {:6.1f} ms wall {:6.0f} kB SSIM {:.4f}".format(name, *means))
    best_name = min(BY_HAND, key=lambda name: sum(cpu[name]))
    ratio = sum(cpu["ours"]) / sum(cpu[best_name])
    less = float(np.mean(alike[best_name]) - np.mean(alike["ours"]))
    bound = QUICK_CPU_BOUND if quick else CPU_BOUND
    print(f"CPU against {best_name}: {ratio:.2f} (bound {bound}); SSIM {-less:+.4f}")
    good = ratio <= bound and less <= LIKENESS_SLACK
    for way in ways[len(WAYS) :]:
        ratio = sum(cpu["ours"]) / sum(cpu[way.__name__])
        print(f"CPU against {way.__name__}: {ratio:.2f} (bound {TOOLKIT_BOUND})")
        good &= ratio <= TOOLKIT_BOUND
    return good


CHILD = """
import sys
from pathlib import Path

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

bare = status("VmRSS")
from PIL import Image
from flask_media.imaging import derive, inspect, render
Image.init()
imported = status("VmRSS")
picture = inspect(Path(sys.argv[1]).read_bytes())
stored = render(picture, width=1920, height=1080)
derive(picture, {"large": 1920, "medium": 1280, "small": 640})
peak = status("VmHWM")
print((peak - imported) / 1e6, (peak - bare) / 1e6, len(picture.data) / 1e6)
"""


def memory() -> bool:
    """Print the peak for 4096 x 4096 pixels; whether it is within bounds."""
    grain = Image.effect_noise((1024, 1024), 40).resize((4096, 4096))
    good = True
    with tempfile.TemporaryDirectory() as folder:
        bands = (grain, grain.transpose(Image.Transpose.ROTATE_90), grain)
        image = Image.merge("RGB", bands)
        for name, options in (("PNG", {"compress_level": 1}), ("JPEG", {"quality": 92})):
            file = Path(folder, name)
            image.save(file, name, **options)
            command = [sys.executable, "-c", CHILD, str(file)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peak, bare, size = (float(word) for word in done.stdout.split())
            print(
                f"4096 x 4096 {name} to 1920 x 1080 and three widths: {peak:.0f} MB over the "
                f"imports at the peak (bound {MEMORY_MB}), {size:.0f} MB of them the file; "
                f"{bare:.0f} MB over a bare interpreter"
            )
            good &= peak < MEMORY_MB
    return good


def main(arguments: list[str]) -> int:
    """Run it."""
    good = compare(quick="--quick" in arguments)
    return 0 if memory() and good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
