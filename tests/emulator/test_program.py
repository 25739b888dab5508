"""``python -m flask_media.emulator``."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request

import pytest

from flask_media.emulator import GeminiEmulator
from flask_media.emulator.__main__ import main


def test_program() -> None:
    """The program says where it listens, answers there, and ends on Ctrl-C without a traceback."""
    command = [sys.executable, "-m", "flask_media.emulator", "--port", "0", "--width", "64"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        url = process.stdout.readline().removeprefix("listening on ").strip()
        with urllib.request.urlopen(f"{url}/v1/models/gemini-nano-banana-2.1?key=any") as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def test_options(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every option of the command line reaches the server."""
    made: list[GeminiEmulator] = []

    def start(emulator: GeminiEmulator) -> GeminiEmulator:
        made.append(emulator)
        emulator.stopping.set()
        return emulator

    monkeypatch.setattr(GeminiEmulator, "start", start)
    line = (
        "--port 1 --latency 0.5 --default-mode thought --width 2 --height 3 --image-bytes 4 "
        "--mime image/webp --gzip --chunked --honour-image-config --auto-thought --strict "
        "--vary"
    )
    main(line.split())
    (emulator,) = made
    assert (emulator.port, emulator.latency, emulator.default_mode) == (1, 0.5, "thought")
    assert (emulator.width, emulator.height, emulator.image_bytes) == (2, 3, 4)
    assert emulator.mime == "image/webp"
    assert emulator.gzip
    assert emulator.chunked
    assert emulator.honour_image_config
    assert emulator.auto_thought
    assert emulator.strict
    assert emulator.vary
    assert not emulator.keep_bodies
    assert capsys.readouterr().out == "listening on http://127.0.0.1:1\n"


def test_interrupt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends it with a word."""

    def start(emulator: GeminiEmulator) -> GeminiEmulator:
        def wait(timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

        monkeypatch.setattr(emulator.stopping, "wait", wait)
        return emulator

    monkeypatch.setattr(GeminiEmulator, "start", start)
    main([])
    assert capsys.readouterr().out.endswith("stopped\n")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--default-mode bad", "no mode 'bad'; its modes are 400, "),
        ("--default-mode 429,retry=soon", "it must be a number of seconds"),
        ("--width 0", "it must be a number of pixels from 1"),
        ("--latency -1", "it must be a number of seconds"),
        ("--mime image/gif", "invalid choice"),
        ("--port 65536", "'65536' is no port"),
        ("--port http", "'http' is no port"),
    ],
)
def test_wrong_options(line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong value on the command line is refused by its option's name."""
    with pytest.raises(SystemExit) as caught:
        main(line.split())
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert f"argument {line.partition(' ')[0]}: " in said
    assert words in said


def test_a_port_in_use() -> None:
    """A port that something else listens on is one line and a non-zero exit."""
    with GeminiEmulator() as other:
        command = [sys.executable, "-m", "flask_media.emulator", "--port", str(other.port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert f"can't listen on 127.0.0.1:{other.port}: Address already in use" in line
