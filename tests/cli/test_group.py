"""``flask media`` itself: late loading, help, faults in one line, the emulator."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import urllib.request

import click
import pytest

from flask_media.cli import COMMANDS
from flask_media.cli.faults import in_one_line

from ..journal.support import Gate
from .support import Shop


def test_help(shop: Shop) -> None:
    """The help lists every command with a whole sentence, within 80 columns."""
    said = shop.run("--help").stdout
    listed = said.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == list(COMMANDS)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)
    for command in COMMANDS:
        if command != "emulator":
            result = shop.run(command, "--help")
            assert result.exit_code == 0
            assert max(map(len, result.stdout.splitlines())) <= 80


def test_commands_are_loaded_late() -> None:
    """init_app loads no command's module, and none of them loads anything heavy."""
    code = f"""
import sys
from flask import Flask
from flask_media import FlaskMedia
FlaskMedia(Flask("shop"))
print([name for name in sys.modules if name.startswith("flask_media.cli.")])
from importlib import import_module
for name in {list(COMMANDS.values())}:
    import_module(f"flask_media.cli.{{name}}").command
heavy = {{"PIL", "boto3", "google.genai", "httpx2", "pydantic", "sqlalchemy", "tenacity", "celery"}}
print(sorted(heavy & sys.modules.keys()))
"""
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said == "[]\n[]\n"


@pytest.mark.parametrize(
    "line", [["nothing"], ["--nothing"], ["gc", "--older-than", "x"], ["gc", "--older-than", "nan"]]
)
def test_wrong_use_is_one_line(shop: Shop, line: list[str]) -> None:
    """A command or option that there is none of is one line that leads to the help."""
    result = shop.run(*line)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "--help'." in result.stderr


def test_what_nobody_foresaw() -> None:
    """An error that nobody foresaw says where it was, and not what it quotes."""
    with pytest.raises(click.ClickException) as caught, in_one_line():
        raise KeyError("secret-password")
    assert caught.value.message.startswith("KeyError in test_group.py:")
    assert "secret-password" not in caught.value.message
    assert caught.value.__cause__ is None


def test_interrupted(shop: Shop, gate: Gate) -> None:
    """Ctrl-C is one line and exit code 130, and the journal has what was under way."""
    process = shop.start("generate", "A house", "house.png")
    gate.arrived()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    gate.open()
    assert (process.returncode, errors) == (
        130,
        "Error: Stopped. What was under way is in the journal.\n",
    )
    assert [job.status for job in shop.media.jobs()] == ["generating"]


def test_a_reader_that_has_enough() -> None:
    """A pipe that was closed is left to Click, which ends quietly."""
    with pytest.raises(OSError, match="pipe"), in_one_line():
        raise OSError(errno.EPIPE, "Broken pipe")


def test_emulator(shop: Shop) -> None:
    """It serves, says what config an app needs, and ends on Ctrl-C without a traceback."""
    process = shop.start("emulator", "--port", "0", "--width", "64")
    assert process.stdout
    url = process.stdout.readline().removeprefix("listening on ").strip()
    with urllib.request.urlopen(f"{url}/v1/models/m?key=any") as answer:
        assert answer.status == 200
    said = "".join(process.stdout.readline() for _ in range(7))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert f"  export FLASK_GEMINI_BASE_URL={url}\n" in said
    assert "  export FLASK_GEMINI_API_KEY=any\n" in said


def test_emulator_options(shop: Shop) -> None:
    """A wrong option is one line; the help is the program's own."""
    done = shop.end("emulator", "--width", "0")
    assert done.returncode == 2
    assert done.stderr.startswith("flask media emulator: argument --width: ")
    assert done.stderr.count("\n") == 1
    done = shop.end("emulator", "--help")
    assert done.returncode == 0
    assert "--default-mode" in done.stdout


GUIDE = """
import click
from flask_media import get_image_generation_service

concepts = ["house", "boat"]

# Use in CLI commands
@click.command()
def generate_sample_images():
    service = get_image_generation_service()
    # Generate multiple images
    for concept in concepts:
        service.generate_and_upload(concept, f"samples/{concept}.png")

app.cli.add_command(generate_sample_images)
"""
"""The migration guide's command, with the import line changed and its dots filled in."""


def test_the_guides_command(shop: Shop) -> None:
    """The guide's command makes its pictures by the app's service, beside the group."""
    module = shop.folder / "shop.py"
    module.write_text(module.read_text() + GUIDE)
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "shop", "generate-sample-images"],
        cwd=shop.folder,
        env=shop.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    keys = {job["object_key"] for job in shop.lines("jobs")}
    assert keys == {"samples/house.png", "samples/boat.png"}


@pytest.mark.parametrize("command", ["check", "jobs"])
def test_a_wrong_config_is_one_line(shop: Shop, command: str) -> None:
    """A config key that init_app refuses is one line and exit code 1, not the app's traceback."""
    config = shop.folder / "config.json"
    config.write_text(config.read_text().replace("{", '{"MEDIA_STORAGE": "tape", ', 1))
    done = shop.end(command)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: MEDIA_STORAGE is 'tape'; it must be 'spaces' or 'filesystem' or 'memory', or one "
        "of your own as 'package.module:name'.\n"
    )
