"""Files that nobody here wrote: the test pictures of Pillow, libpng, libgd and gdk-pixbuf.

Each is fetched once, by the ordinary client of its registry, and kept in a folder.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

PILLOW = "13.0.0"
PILLOW_SHA256 = "cdcd1ba258178f7356d74170c9a81ba4eab6a5d55748bc402a5a2a6fe6be3510"
"""Of the source distribution."""

DEBIAN = ("libpng1.6", "libgd2", "gdk-pixbuf")
"""Source packages."""

RELEASE = "bookworm"
"""Debian's release that they are of."""

DEADLINE = 300
"""Seconds for a fetch."""

PICTURES = frozenset(
    {".ani", ".avif", ".bmp", ".cur", ".gd", ".gd2", ".gif", ".heic", ".icns", ".ico", ".jfif"}
    | {".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".qtif", ".ras", ".svg"}
    | {".tga", ".tif", ".tiff", ".wbmp", ".webp", ".xbm", ".xpm"}
)
"""How names of pictures end; the other files of a source package are no test of a decoder."""


class CannotFetchError(Exception):
    """A registry can't be reached, or its client is not there."""


def pillow(folder: Path) -> list[Path]:
    """All files in ``Tests/images`` of Pillow's source distribution.

    :raises CannotFetchError: uv is not there, or the index can't be reached.
    """
    return _kept(folder / f"pillow-{PILLOW}", _fetch_pillow, lambda name: "/Tests/images/" in name)


def debian(folder: Path) -> dict[str, list[Path]]:
    """The pictures in Debian's source packages, by package.

    :raises CannotFetchError: this is no Debian, or its archive can't be reached.
    """

    return {
        package: _kept(
            folder / package,
            functools.partial(_fetch_source, package=package),
            lambda name: Path(name).suffix.lower() in PICTURES,
        )
        for package in DEBIAN
    }


def _kept(
    folder: Path, fetch: Callable[[Path], Path], is_wanted: Callable[[str], bool]
) -> list[Path]:
    """The files of an archive in the folder, which is made where it is not there."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            fetched, pictures = Path(name, "fetched"), Path(name, "pictures")
            fetched.mkdir()
            pictures.mkdir()
            with tarfile.open(fetch(fetched)) as archive:
                members = (one for one in archive if one.isfile() and is_wanted(one.name))
                for number, member in enumerate(members):
                    content = archive.extractfile(member)
                    assert content is not None
                    # A number keeps names apart; nothing of the archive's folders is trusted.
                    target = pictures / f"{number:04} {Path(member.name).name}"
                    target.write_bytes(content.read())
            with contextlib.suppress(FileExistsError):  # two runs at once
                pictures.rename(folder)
    return sorted(folder.iterdir())


def _fetch_pillow(folder: Path) -> Path:
    """Have pip fetch it; what it takes to read its metadata has to be there for that."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"pillow=={PILLOW} --hash=sha256:{PILLOW_SHA256}\n")
    command = ["uv", "tool", "run", "--with", "setuptools", "--with", "pybind11", "pip", "download"]
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-binary", ":all:"]
    _run([*command, *options, "--requirement", str(wanted), "--dest", str(folder)])
    return next(folder.glob("*.tar.gz"))


def _fetch_source(folder: Path, package: str) -> Path:
    """Have apt fetch it, with sources of its own: those of the system stay as they are."""
    archives = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    if not archives.exists():
        raise CannotFetchError("the keys of Debian's archive are not here")
    apt = folder / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    source = f"deb-src [signed-by={archives}] http://deb.debian.org/debian {RELEASE} main\n"
    (apt / "sources.list").write_text(source)
    config = apt / "apt.conf"
    config.write_text(
        f'Dir::Etc::sourcelist "{apt}/sources.list";\nDir::Etc::sourceparts "-";\n'
        f'Dir::State::lists "{apt}/lists";\nDir::Cache "{apt}/cache";\n'
        'APT::Sandbox::User "";\nAcquire::Languages "none";\n'
    )
    for command in (["update", "-qq"], ["source", "-qq", "--download-only", package]):
        _run(["apt-get", *command], cwd=folder, env=os.environ | {"APT_CONFIG": str(config)})
    return next(path for path in folder.iterdir() if ".orig.tar." in path.name)


def _run(command: list[str], **options: object) -> None:
    try:
        subprocess.run(  # type: ignore[call-overload]
            command, check=True, capture_output=True, timeout=DEADLINE, **options
        )
    except (OSError, subprocess.SubprocessError) as error:
        words = getattr(error, "stderr", None) or b""
        said = words.decode(errors="replace").strip()[-500:]
        raise CannotFetchError(f"{command[0]} failed: {error}\n{said}") from error


if __name__ == "__main__":
    print(len(pillow(Path(sys.argv[1]))))
