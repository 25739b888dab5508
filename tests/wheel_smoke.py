"""What must work with nothing but the wheel installed; run by a Python that has just that.

It runs README from top to bottom: the README that the wheel carries.
"""

import json
import logging
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from importlib.metadata import metadata
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import flask

import flask_media
from flask_media.emulator import GeminiEmulator

BLOCK = re.compile(
    r"^```([\w+]+)\n(.*?)^```$|^<!--- invisible-code-block: python\n(.*?)^-->$",
    re.MULTILINE | re.DOTALL,
)
START_SECONDS = 60
"""How long the app's server may take until it answers."""


def main() -> None:
    """Look at what is installed, then do what README says."""
    folder = Path(flask_media.__file__).parent
    assert "site-packages" in folder.parts, folder
    for name in ("py.typed", "templates/flask_media/prompt.txt"):
        assert (folder / name).is_file(), f"{name} is missing from the wheel"
    (plugin,) = entry_points(group="pytest11", name="flask_media")
    assert find_spec(plugin.module), plugin
    assert not find_spec("pytest"), "the environment is not a clean one"

    readme = str(metadata("flask-media-ai").json["description"])
    blocks = [
        (language or "python", shown or hidden) for language, shown, hidden in BLOCK.findall(readme)
    ]
    saved = next(code for language, code in blocks if language == "python")
    (command,) = re.findall(
        r"^(FLASK_MEDIA_GENERATOR=placeholder) flask run$", readme, re.MULTILINE
    )
    serve(saved, command)
    count = run(blocks)
    print(f"flask-media-ai {version('flask-media-ai')}: {count} examples of README")


def run(blocks: list[tuple[str, str]]) -> int:
    """README's Python and templates in one program, in an app with a stand-in for Gemini."""
    names: dict[str, object] = {"__name__": "readme"}
    count = 0
    with GeminiEmulator() as emulator:
        os.environ["FLASK_GEMINI_API_KEY"] = "key"
        os.environ["FLASK_GEMINI_BASE_URL"] = emulator.url
        for language, code in blocks:
            if language == "python":
                exec(compile(code, f"<README, example {count}>", "exec"), names)
                count += 1
            elif language == "html+jinja":
                app = names["app"]
                assert isinstance(app, flask.Flask)
                with app.test_request_context():
                    shown = flask.render_template_string(code)
                assert 'alt="A house by the sea"' in shown, shown
                count += 1
    assert count >= 10, count
    return count


def serve(code: str, setting: str) -> None:
    """README's app, saved as ``app.py`` and started as it says, shows a picture."""
    Path("app.py").write_text(code)
    name, _, value = setting.partition("=")
    with server(os.environ | {name: value}) as url:
        with urllib.request.urlopen(f"{url}/draw", timeout=60) as answer:
            drawn = json.load(answer)
        assert drawn["pixels"] == [1024, 1024], drawn
        with urllib.request.urlopen(url + drawn["url"], timeout=60) as answer:
            assert answer.headers["Content-Type"] == "image/png"
            assert answer.read(8) == b"\x89PNG\r\n\x1a\n"


@contextmanager
def server(environment: dict[str, str]) -> Iterator[str]:
    """``flask run`` on a port of its own choice; gives its URL."""
    command = [sys.executable, "-m", "flask", "run", "--port=0"]
    log = Path("server.log")
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        end = time.monotonic() + START_SECONDS
        while not (found := re.search(r"Running on (http://\S+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        yield found[1]
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)  # README's test has a view fail
    main()
