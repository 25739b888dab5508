"""The encoders' settings and the memory of a large picture, measured.

``python -m tests.bench.encoders [--quick]`` compares the settings of ``flask_media.imaging`` with
plain ones of Pillow (the first guess of the project's plan) on three pictures of 1920 x 1080, and
scales a PNG of 4096 x 4096 pixels to 1920 x 1080 in a process of its own. It exits with 1 if ours
are worse, or if that process takes more than 110 MiB over what its imports take.

Needs the ``bench`` dependency group and, for the memory, Linux.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
import PIL
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFilter
from skimage.metrics import structural_similarity

from flask_media.imaging import inspect
from flask_media.imaging import render
from flask_media.imaging.encode import encode
from flask_media.options import ImageFormat
from flask_media.values import UNMARKED

SIZE = (1920, 1080)
MEMORY_MIB = 110
"""Most that a PNG of 4096 x 4096 may add to the imports, its own file included."""

PLAIN: dict[ImageFormat, dict[str, Any]] = {
    ImageFormat.PNG: {"compress_type": zlib.Z_RLE},
    ImageFormat.JPEG: {"quality": 85, "optimize": True},
    ImageFormat.WEBP: {"quality": 80, "method": 2},
    ImageFormat.AVIF: {"quality": 65, "speed": 9, "max_threads": 1},
}
"""The settings to beat."""


class Figures(NamedTuple):
    """What an encoder costs and gives."""

    cpu: float
    """Milliseconds."""
    size: float
    """Thousands of bytes."""
    likeness: float
    """SSIM of the greys, 1 for no difference."""


def sources() -> dict[str, Image.Image]:
    """A grainy gradient, something like a photograph, and a drawing with few colours."""
    return {"grain": _grain(), "photo": _photo(), "drawing": _drawing()}


def _grain() -> Image.Image:
    down, across = np.mgrid[0 : SIZE[1], 0 : SIZE[0]].astype(np.float32)
    waves = (across / 400, down / 300, (across + down) / 500)
    base = np.stack([120 + 70 * np.sin(wave) for wave in waves], axis=2)
    noise = np.random.default_rng(1).normal(0, 12, (SIZE[1], SIZE[0], 1))
    return _picture(base + noise)


def _photo() -> Image.Image:
    random = np.random.default_rng(2)
    field = np.zeros((SIZE[1], SIZE[0], 3), np.float32)
    for octave in range(9):
        side = 2 ** (octave + 1)
        for channel in range(3):
            cells = random.normal(0, 1, (max(2, side * 9 // 16), side)).astype(np.float32)
            layer = Image.fromarray(cells).resize(SIZE, Image.Resampling.BICUBIC)
            field[:, :, channel] += np.asarray(layer) * 38 * 0.62**octave
    image = _picture(128 + field)
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y, radius = (int(random.integers(*span)) for span in ((0, 1920), (0, 1080), (20, 160)))
        red, green, blue = (int(value) for value in random.integers(20, 235, 3))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(red, green, blue))
    image = image.filter(ImageFilter.GaussianBlur(1.2))
    return _picture(np.asarray(image) + random.normal(0, 2, (SIZE[1], SIZE[0], 3)))


def _drawing() -> Image.Image:
    random = np.random.default_rng(3)
    image = Image.new("RGB", (2 * SIZE[0], 2 * SIZE[1]), "#f4efe6")
    draw = ImageDraw.Draw(image)
    colors = ["#0066cc", "#00aa66", "#ffb703", "#d62828", "#222222", "#ffffff"]
    for number in range(120):
        x, y, radius = (int(random.integers(*span)) for span in ((0, 3840), (0, 2160), (20, 300)))
        box, color = (x - radius, y - radius, x + radius, y + radius), colors[number % 6]
        if number % 3 == 0:
            draw.ellipse(box, fill=color, outline="#222222", width=6)
        elif number % 3 == 1:
            draw.rounded_rectangle(box, 20, fill=color)
        else:
            draw.line(box, fill=color, width=12)
    return image.resize(SIZE, Image.Resampling.LANCZOS)


def _picture(values: Any) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def plain(image: Image.Image, file_format: ImageFormat) -> bytes:
    """Pillow with the settings to beat."""
    file = BytesIO()
    image.save(file, file_format.name, **PLAIN[file_format])
    return file.getvalue()


def ours(image: Image.Image, file_format: ImageFormat) -> bytes:
    """Ours, without the mark of generated media (0.6 kB), which the plain ones lack too."""
    return encode(image, file_format, marks=UNMARKED)


def measure(image: Image.Image, file_format: ImageFormat, rounds: int) -> tuple[Figures, Figures]:
    """The plain settings' figures and ours; CPU is the least of interleaved rounds."""
    encoders: list[Callable[[Image.Image, ImageFormat], bytes]] = [plain, ours]
    best = [math.inf, math.inf]
    files = [b"", b""]
    for _ in range(rounds):
        for place, encoder in enumerate(encoders):
            start = time.process_time()
            files[place] = encoder(image, file_format)
            best[place] = min(best[place], (time.process_time() - start) * 1000)
    found = [
        Figures(cpu, len(file) / 1000, likeness(image, file, file_format))
        for cpu, file in zip(best, files, strict=True)
    ]
    return found[0], found[1]


def likeness(image: Image.Image, file: bytes, file_format: ImageFormat) -> float:
    """SSIM of what the file decodes to, in the middle quarter."""
    if file_format is ImageFormat.PNG:
        return 1.0
    middle = (SIZE[0] // 4, SIZE[1] // 4, SIZE[0] * 3 // 4, SIZE[1] * 3 // 4)
    greys = [picture.convert("L").crop(middle) for picture in (image, Image.open(BytesIO(file)))]
    similarity: Callable[..., Any] = structural_similarity
    return float(similarity(*(np.asarray(grey) for grey in greys)))


def compare(*, quick: bool) -> bool:
    """Print the table; whether ours are no worse. Quick is one round, with room for its noise."""
    pictures, rounds, bound = sources(), 1 if quick else 7, 1.05 if quick else 1.0
    print(f"Pillow {PIL.__version__}; CPU ms, kB, SSIM: plain settings -> ours (ratio)")
    ratios = []
    alike = True
    for file_format in ImageFormat:
        for name, image in pictures.items():
            theirs, own = measure(image, file_format, rounds)
            cpu, size = own.cpu / theirs.cpu, own.size / theirs.size
            ratios.append(math.log(cpu * size) / 2)
            alike &= own.likeness > theirs.likeness - 0.001
            print(
                f"{file_format.name:4} {name:8} "
                f"{theirs.cpu:6.0f} -> {own.cpu:6.0f} ms ({cpu:4.2f})  "
                f"{theirs.size:6.0f} -> {own.size:6.0f} kB ({size:4.2f})  "
                f"{theirs.likeness:.3f} -> {own.likeness:.3f}  ratio {math.sqrt(cpu * size):4.2f}",
                flush=True,
            )
    mean = math.exp(sum(ratios) / len(ratios))
    print(f"geometric mean of CPU and bytes: {mean:.3f} (bound {bound})")
    return alike and mean <= bound


def large(file: str) -> None:
    """The child process: scale it and print MiB over the imports at the peak."""
    Image.init()
    before = _status("VmRSS")
    picture = inspect(Path(file).read_bytes())
    render(picture, width=1920, height=1080)
    print(_status("VmHWM") - before, len(picture.data) / 2**20)


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def memory() -> bool:
    """Print the peak of a 4096 x 4096 PNG scaled to 1920 x 1080; whether it is within bounds."""
    grain = Image.effect_noise((1024, 1024), 40).resize((4096, 4096))
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "large.png"))
        bands = (grain, grain.transpose(Image.Transpose.ROTATE_90), grain)
        Image.merge("RGB", bands).save(file, compress_level=1)
        command = [sys.executable, "-m", "tests.bench.encoders", "--large", file]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    peak, size = (float(word) for word in done.stdout.split())
    print(
        f"4096 x 4096 PNG to 1920 x 1080: {peak:.0f} MiB over the imports at the peak, "
        f"{size:.0f} MiB of them the file (bound {MEMORY_MIB})"
    )
    return peak < MEMORY_MIB


def main(arguments: list[str]) -> int:
    """Run it."""
    if arguments[:1] == ["--large"]:
        large(arguments[1])
        return 0
    good = compare(quick="--quick" in arguments)
    return 0 if memory() and good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
