"""What must work with nothing but the wheel installed; run by a Python that has just that."""

import logging
from importlib.metadata import entry_points
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import flask

import flask_media


def main() -> None:
    """Generate a picture through the public API and read it back."""
    folder = Path(flask_media.__file__).parent
    assert "site-packages" in folder.parts, folder
    for name in ("py.typed", "templates/flask_media/prompt.txt"):
        assert (folder / name).is_file(), f"{name} is missing from the wheel"
    app = flask.Flask("smoke", instance_path=str(Path.cwd() / "instance"))
    app.config["MEDIA_GENERATOR"] = "placeholder"
    flask_media.FlaskMedia(app)
    with app.app_context():
        result = flask_media.current_media.generate_and_upload("A house by the sea", "a/b.webp")
        with flask_media.current_media.open("a/b.webp") as file:
            data = file.read()
    assert data[8:12] == b"WEBP", data[:16]
    assert (result.content_type, result.width, result.height) == ("image/webp", 1024, 1024)
    assert len(data) == result.size_bytes
    with flask_media.FlaskMedia().fake(app) as fake, app.app_context():  # needs no pytest
        flask_media.current_media.generate("A house by the sea")
    fake.assert_generated(times=1)
    (plugin,) = entry_points(group="pytest11", name="flask_media")
    assert find_spec(plugin.module), plugin
    print(f"flask-media-ai {version('flask-media-ai')}: {result.url}")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
