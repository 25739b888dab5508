"""What a filesystem storage does with odd keys, links, faults, crashes and other processes."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import logging
import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flask_media.errors import InvalidRequest
from flask_media.errors import NotConfigured
from flask_media.errors import NotFound
from flask_media.errors import StorageError
from flask_media.storage import filesystem
from flask_media.storage.base import StoredFile
from flask_media.storage.filesystem import FilesystemStorage
from flask_media.storage.folder import replace
from flask_media.storage.folder import temporary
from flask_media.storage.memory import MemoryStorage
from flask_media.types import ObjectStat

PNG = b"\x89PNG\r\n\x1a\n and so on"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The root, which is not there yet."""
    return tmp_path / "media"


@pytest.fixture
def storage(folder: Path) -> FilesystemStorage:
    """A storage in that folder."""
    return FilesystemStorage(folder)


def put(storage: FilesystemStorage, key: str, data: bytes = PNG, **metadata: str) -> None:
    """Put an object."""
    storage.put(
        key,
        data,
        content_type="image/png",
        sha256=hashlib.sha256(data).hexdigest(),
        metadata=metadata,
    )


def read(storage: FilesystemStorage, key: str) -> bytes:
    """The bytes of an object."""
    with storage.open(key) as file:
        return file.read()


def visible(folder: Path) -> list[str]:
    """All that lies in the folder, but for the sidecars."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    return sorted(name for name in names if not name.startswith(".meta"))


# Names


def test_nothing_is_made_before_the_first_put(storage: FilesystemStorage, folder: Path) -> None:
    """The folder is made when something is to be put; asking before that finds nothing."""
    with pytest.raises(NotFound):
        storage.stat("a")
    storage.delete("a")
    storage.check_key("a")
    assert not folder.exists()
    storage.check_ready()
    assert visible(folder) == []
    put(storage, "goals/7/a.png")
    assert visible(folder) == ["goals", "goals/7", "goals/7/a.png"]


@pytest.mark.parametrize(
    "key",
    [
        ".meta",
        ".META/a",
        ".meta/00/a.json",
        ".tmp-0123",
        "a/.TMP-0123",
        "x" * 201,
        "é" * 512,
        "." * 300,
        "x~" + "0" * 40,
        "/".join("d" * 512),
    ],
    ids=lambda key: key[:12],
)
def test_names_that_files_cannot_have(storage: FilesystemStorage, folder: Path, key: str) -> None:
    """A key that is reserved here or too long for a file name is stored under another name."""
    put(storage, key, name=key[:50])
    assert read(storage, key) == PNG
    assert storage.stat(key).metadata == {"name": key[:50]}
    assert not [name for name in visible(folder) if ".tmp-" in name.lower()]
    assert storage.url(key).startswith(folder.as_uri())
    storage.delete(key)
    assert visible(folder) == []


def test_no_two_keys_share_a_file(storage: FilesystemStorage, folder: Path) -> None:
    """The key that looks like another one's escaped name is another file."""
    put(storage, "y" * 300, b"first")
    (escaped,) = visible(folder)
    put(storage, escaped, b"second")
    assert read(storage, "y" * 300) == b"first"
    assert read(storage, escaped) == b"second"
    assert len(visible(folder)) == 2


def test_key_below_another(storage: FilesystemStorage) -> None:
    """A key below another's file, or above it, is refused before anything is paid."""
    put(storage, "a/b")
    for key in ("a/b/c", "a/b/c/d", "a"):
        with pytest.raises(InvalidRequest, match="another"):
            storage.check_key(key)
        with pytest.raises(InvalidRequest):
            put(storage, key)
    for key in ("a/b/c", "a"):
        with pytest.raises(NotFound):
            storage.stat(key)
        storage.delete(key)
    assert read(storage, "a/b") == PNG
    storage.delete("a/b")
    put(storage, "a")
    assert read(storage, "a") == PNG


def test_left_over_folder_is_replaced(storage: FilesystemStorage, folder: Path) -> None:
    """An empty folder that a crash left in the place of a key is no obstacle."""
    (folder / "a").mkdir(parents=True)
    storage.check_key("a")
    put(storage, "a")
    assert read(storage, "a") == PNG


def test_url(folder: Path) -> None:
    """The URL is what the function gives, and the file's own where it gives none."""
    urls: dict[str, str | None] = {"a b": "/media/a%20b"}
    storage = FilesystemStorage(folder, base_url=urls.get)
    assert storage.url("a b") == "/media/a%20b"
    assert storage.url("c d#") == f"{folder.as_uri()}/c%20d%23"
    assert MemoryStorage(base_url=urls.get).url("a b") == "/media/a%20b"
    assert MemoryStorage(base_url=urls.get).url("c d") == "memory://c%20d"
    assert repr(storage) == f"<FilesystemStorage {folder.as_uri()}>"


# What lies in the folder


def test_files_put_there_by_hand(storage: FilesystemStorage, folder: Path) -> None:
    """A file that nobody described has the type of its bytes, else of its name, else none."""
    folder.mkdir()
    heads = {
        "png.bin": (PNG, "image/png"),
        "jpeg": (b"\xff\xd8\xff\xe0", "image/jpeg"),
        "webp": (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        "avif": (b"\0\0\0\x20ftypavif", "image/avif"),
        "gif": (b"GIF89a", "image/gif"),
        "note.txt": (b"text", "text/plain"),
        "what": (b"", "application/octet-stream"),
    }
    for name, (data, content_type) in heads.items():
        (folder / name).write_bytes(data)
        found = storage.stat(name)
        assert (found.content_type, found.size_bytes) == (content_type, len(data))
        assert (found.metadata, found.sha256) == ({}, None)
        storage.delete(name)
    assert visible(folder) == []


def test_changed_by_hand(storage: FilesystemStorage, folder: Path) -> None:
    """A file that somebody replaced has nothing of the description of the old one."""
    put(storage, "a.png", goal="7")
    (folder / "a.png").write_bytes(b"GIF89a")
    assert storage.stat("a.png").metadata == {}
    assert storage.stat("a.png").content_type == "image/gif"


def test_copied_folder(storage: FilesystemStorage, folder: Path, tmp_path: Path) -> None:
    """A copy of the folder that keeps times, as a backup does, keeps all descriptions."""
    put(storage, "a/b.png", goal="7")
    subprocess.run(["cp", "-a", str(folder), str(tmp_path / "copy")], check=True)
    assert FilesystemStorage(tmp_path / "copy").stat("a/b.png").metadata == {"goal": "7"}


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff", b"{}"])
def test_damaged_sidecar(storage: FilesystemStorage, folder: Path, damage: bytes) -> None:
    """A sidecar that can't be read costs the description, not the object."""
    put(storage, "a.png", goal="7")
    (sidecar,) = folder.glob(".meta/*/*.json")
    sidecar.write_bytes(damage)
    assert storage.stat("a.png").content_type == "image/png"
    assert storage.stat("a.png").sha256 is None


def test_sidecar_says_what_it_is_of(storage: FilesystemStorage, folder: Path) -> None:
    """A sidecar is JSON that names its key, and is deleted with the object."""
    put(storage, "a/Être.png", goal="7")
    (sidecar,) = folder.glob(".meta/*/*.json")
    assert json.loads(sidecar.read_text())["key"] == "a/Être.png"
    storage.delete("a/Être.png")
    assert not list(folder.glob(".meta/*/*.json"))


def test_permissions(storage: FilesystemStorage, folder: Path) -> None:
    """Files follow the umask, so that a web server can read them; descriptions are private."""
    before = os.umask(0o022)
    try:
        put(storage, "a/b.png")
    finally:
        os.umask(before)
    modes = {
        name: stat.S_IMODE((folder / name).stat().st_mode) for name in ("a", "a/b.png", ".meta")
    }
    assert modes == {"a": 0o755, "a/b.png": 0o644, ".meta": 0o700}


def test_no_link_is_followed(storage: FilesystemStorage, folder: Path, tmp_path: Path) -> None:
    """A symbolic link below the folder is no object and no folder, and its target stays."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(b"secret")
    folder.mkdir()
    (folder / "file.png").symlink_to(outside / "secret.png")
    (folder / "dir").symlink_to(outside)
    for key in ("file.png", "dir/secret.png", "dir"):
        for ask in (storage.open, storage.stat):
            with pytest.raises(NotFound):
                ask(key)
        storage.delete(key)
    with pytest.raises(InvalidRequest, match="symbolic link"):
        put(storage, "dir/new.png")
    put(storage, "file.png")
    assert not (folder / "file.png").is_symlink()
    assert (outside / "secret.png").read_bytes() == b"secret"
    assert sorted(path.name for path in outside.iterdir()) == ["secret.png"]


def test_linked_sidecars(storage: FilesystemStorage, folder: Path, tmp_path: Path) -> None:
    """The folder of the sidecars is not followed either."""
    folder.mkdir()
    (folder / ".meta").symlink_to(tmp_path)
    with pytest.raises(StorageError, match="MEDIA_FOLDER"):
        put(storage, "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["media"]


def test_pipes_and_folders_are_no_objects(storage: FilesystemStorage, folder: Path) -> None:
    """A pipe does not hang the reader, and neither it nor a folder is an object."""
    (folder / "folder").mkdir(parents=True)
    os.mkfifo(folder / "pipe")
    for key in ("pipe", "folder"):
        with pytest.raises(NotFound):
            storage.open(key)


# Faults


def failing(number: int) -> Callable[..., Any]:
    """A function that fails with that error number."""

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "ENOSPC.*disk is full"),
        (errno.EROFS, "EROFS.*read-only"),
        (errno.EACCES, "EACCES.*right"),
        (errno.EIO, "EIO.*MEDIA_FOLDER"),
    ],
)
@pytest.mark.parametrize("step", ["fsync", "replace", "open"])
def test_fault_of_the_disk(
    storage: FilesystemStorage, monkeypatch: pytest.MonkeyPatch, step: str, number: int, advice: str
) -> None:
    """A write that fails leaves the old object as it was, and says what to do."""
    folder = storage._folder.root
    put(storage, "a/b.png", b"old", version="1")
    before = visible(folder)
    with monkeypatch.context() as patch:
        patch.setattr(os, step, failing(number))
        with pytest.raises(StorageError, match=advice) as caught:
            put(storage, "a/b.png", b"new", version="2")
        assert caught.value.retryable is (number in (errno.ENOSPC, errno.EIO))
        assert str(folder) in str(pickle.loads(pickle.dumps(caught.value)))
    assert read(storage, "a/b.png") == b"old"
    assert visible(folder) == before


def test_failed_first_write_leaves_nothing(
    storage: FilesystemStorage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folders that a failed write made are gone with it."""
    put(storage, "other")
    with monkeypatch.context() as patch:
        patch.setattr(filesystem, "temporary", failing(errno.ENOSPC))
        with pytest.raises(StorageError):
            put(storage, "a/b/c")
    assert visible(folder) == ["other"]


def test_crash_between_the_two_renames(
    storage: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a crash with the new sidecar and the old file, neither describes the other."""
    put(storage, "a.png", b"GIF89a old", version="1")
    calls = []

    def crash(source: str, target: bytes, parent: int) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        replace(source, target, parent)

    with monkeypatch.context() as patch:
        patch.setattr(filesystem, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            put(storage, "a.png", PNG, version="2")
    assert read(storage, "a.png") == b"GIF89a old"
    assert storage.stat("a.png").metadata == {}
    put(storage, "a.png", PNG, version="3")
    assert storage.stat("a.png").metadata == {"version": "3"}


def test_folder_that_others_keep_deleting(
    storage: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A put that loses its folder to a delete makes it again, and gives up in the end."""
    calls = []

    def lose(parent: int, parts: Iterable[bytes]) -> Any:
        calls.append(parent)
        if len(calls) < 5:
            raise FileNotFoundError(errno.ENOENT, "gone")
        return temporary(parent, parts)

    with monkeypatch.context() as patch:
        patch.setattr(filesystem, "temporary", lose)
        put(storage, "a/b")
        assert read(storage, "a/b") == PNG
        patch.setattr(filesystem, "temporary", failing(errno.ENOENT))
        with pytest.raises(StorageError, match="ENOENT"):
            put(storage, "a/c")


def test_puts_and_deletes_of_one_folder(storage: FilesystemStorage, folder: Path) -> None:
    """Deletes that take away the empty folder never make a put fail."""

    def work(number: int) -> None:
        for _ in range(40):
            put(storage, f"a/b/{number}", bytes([number]) * 100, number=str(number))
            assert storage.stat(f"a/b/{number}").metadata == {"number": str(number)}
            storage.delete(f"a/b/{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert visible(folder) == []


def test_no_fault_of_reading_is_hidden(
    storage: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that can't be read is not one that is not there."""
    put(storage, "a")
    monkeypatch.setattr(os, "open", failing(errno.EACCES))
    for ask in (storage.open, storage.stat, storage.delete, storage.check_key):
        with pytest.raises(StorageError, match="EACCES") as caught:
            ask("a")
        assert not isinstance(caught.value, NotFound)


@pytest.mark.parametrize("what", ["file", "below a file", "link to nothing", "loop"])
def test_folder_that_is_none(folder: Path, what: str) -> None:
    """A MEDIA_FOLDER that is no folder is at fault, and not the key, whatever is asked first."""
    if what == "link to nothing":
        folder.symlink_to(folder.parent / "nothing")
    elif what == "loop":
        folder.symlink_to(folder)
    else:
        folder.write_bytes(b"")
    storage = FilesystemStorage(folder / "below" if what == "below a file" else folder)
    with pytest.raises(NotConfigured, match=f"MEDIA_FOLDER is '{folder}"):
        storage.check_ready()
    if what != "link to nothing":
        with pytest.raises(NotConfigured, match=f"MEDIA_FOLDER is '{folder}"):
            storage.check_key("goals/7/a.png")


def test_folder_that_can_not_be_made() -> None:
    """A folder that even root can't make is said before anything is paid."""
    with pytest.raises(NotConfigured, match=r"MEDIA_FOLDER is '/proc/media/x'.*can't be made"):
        FilesystemStorage(Path("/proc/media/x")).check_ready()


def test_folder_that_can_not_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is there and can't be written is said before anything is paid."""
    folder.mkdir()
    monkeypatch.setattr(os, "access", lambda *args: False)  # root may write anywhere
    with pytest.raises(NotConfigured, match=r"MEDIA_FOLDER.*can't write"):
        FilesystemStorage(folder).check_ready()


def test_open_describes_what_it_opened(
    storage: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is opened while a writer is between its two renames has its own description."""
    put(storage, "a.png", b"old", version="1")
    look = storage._look
    states: list[ObjectStat] = []

    def between(key: str) -> StoredFile:
        found = look(key)
        if not states:
            # As if the sidecar were of the next object already.
            found.stat = dataclasses.replace(found.stat, sha256=None, metadata={})
            put(storage, "a.png", b"the new one", version="2")
        states.append(found.stat)
        return found

    monkeypatch.setattr(storage, "_look", between)
    with storage.open("a.png") as file:
        put(storage, "a.png", b"the newest", version="3")
        assert file.read() == b"the new one"
        assert (file.stat.size_bytes, file.stat.metadata) == (11, {"version": "2"})
    assert len(states) == 2


def test_any_locale(folder: Path) -> None:
    """Names are UTF-8 in whatever locale a server is started."""
    program = (
        "import pathlib, sys; from flask_media.storage.filesystem import FilesystemStorage as F\n"
        "F(pathlib.Path(sys.argv[1])).put('\\xcatre/\\u76ee.png', b'x', content_type='image/png', "
        "sha256='0' * 64)"
    )
    environment = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run(
        [sys.executable, "-c", program, str(folder)], check=True, env=os.environ | environment
    )
    assert read(FilesystemStorage(folder), "Être/目.png") == b"x"


def test_nothing_is_logged(storage: FilesystemStorage, caplog: pytest.LogCaptureFixture) -> None:
    """The storage itself logs nothing: the service tells the story of a job."""
    caplog.set_level(logging.DEBUG)
    put(storage, "a")
    storage.delete("a")
    assert not caplog.records
