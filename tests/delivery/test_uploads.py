"""What users upload by a form: cleaned, whatever was hidden in it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask import request
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from werkzeug.test import TestResponse

from flask_media import InvalidImage
from flask_media import InvalidRequest
from flask_media import MediaResult
from flask_media import NotFound
from flask_media import current_media
from flask_media.inputs import MAX_INPUT_BYTES
from flask_media.options import ImageFormat

from ..imaging.files import chunk
from ..imaging.files import load
from ..imaging.files import photo
from ..imaging.files import riff
from ..imaging.files import sample
from ..imaging.files import save
from ..imaging.files import segment
from .conftest import MakeSite
from .site import KEY
from .site import SMALL
from .site import Site
from .site import keys
from .site import shape

MARKER = b"MARKER-of-what-was-hidden"

PHP = b"<?php system($_GET['c']); // " + MARKER + b" ?>"

HTML = b"<html><script>alert('" + MARKER + b"')</script></html>"

MODEL_MADE = b"trainedAlgorithmicMedia"


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("index.html", HTML)
    return file.getvalue()


def _located() -> bytes:
    """A photograph that says where it was taken, and by whom."""
    exif = Image.Exif()
    exif[0x013B] = MARKER.decode()
    exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 30.0, 26.0), 29: MARKER.decode()})
    return save(photo(), ImageFormat.JPEG, exif=exif)


def _noted() -> bytes:
    notes = PngInfo()
    notes.add_text("Comment", MARKER.decode())
    notes.add_itxt("XML:com.adobe.xmp", f"<x>{MARKER.decode()}</x>")
    notes.add_text("More", MARKER.decode() * 9, zip=True)
    return save(photo(), ImageFormat.PNG, pnginfo=notes)


PNG, JPEG, WEBP = (sample(one) for one in (ImageFormat.PNG, ImageFormat.JPEG, ImageFormat.WEBP))

HIDING = {
    "a ZIP in a comment": JPEG[:20] + segment(0xFE, _zip()) + JPEG[20:],
    "PHP in a comment": JPEG[:20] + segment(0xFE, PHP) + JPEG[20:],
    "HTML in a chunk": PNG[:33] + chunk(b"prIv", HTML) + PNG[33:],
    "PHP in a WebP": riff((b"VP8 ", WEBP[20:]), (b"EXIF", PHP + b"\0")),
    "GPS in EXIF": _located(),
    "text of a PNG": _noted(),
}
"""Good pictures by what is hidden in them."""

BEHIND = {
    "a ZIP behind a PNG": PNG + _zip(),
    "a ZIP behind a JPEG": JPEG + _zip(),
    "HTML behind a JPEG": JPEG + HTML,
    "PHP behind a WebP": WEBP + PHP,
    "PHP behind an AVIF": sample(ImageFormat.AVIF) + PHP,
}
"""Good pictures with another file behind their end."""


@dataclasses.dataclass
class Form:
    """A view that uploads what comes in a form.

    :param site: whose.
    :param options: of ``upload``.
    """

    site: Site
    options: dict[str, Any]
    key: str = KEY

    def send(self, data: bytes, name: str = "photo.png") -> TestResponse:
        """Send a form, as a browser does."""
        head = f'Content-Disposition: form-data; name="photo"; filename="{name}"\r\n\r\n'
        body = b"--edge\r\n" + head.encode() + data + b"\r\n--edge--\r\n"
        kind = "multipart/form-data; boundary=edge"
        return self.site.app.test_client().post("/upload", data=body, content_type=kind)

    def sent(self, data: bytes) -> MediaResult:
        """As :meth:`send`; the result."""
        response = self.send(data)
        assert response.status_code == 201, response.text
        document = response.json
        assert document
        return MediaResult.from_dict(document)


MakeForm = Callable[..., Form]


@pytest.fixture
def make_form(make_site: MakeSite) -> MakeForm:
    """Makes apps with a form; config keys in upper case, options of ``upload`` in lower."""

    def make(**values: Any) -> Form:
        config = {name: value for name, value in values.items() if name.isupper()}
        options = {name: value for name, value in values.items() if not name.isupper()}
        form = Form(make_site(**config), {"variants": SMALL} | options)
        _add_view(form.site.app, form)
        return form

    return make


def _add_view(app: Flask, form: Form) -> None:
    @app.post("/upload")
    def upload() -> tuple[dict[str, Any], int]:
        try:
            result = current_media.upload(request.files["photo"], form.key, **form.options)
        except (InvalidRequest, InvalidImage) as error:
            return {"error": type(error).__name__, "said": str(error)}, 422
        return result.to_dict(), 201


def everything(folder: Path) -> bytes:
    """All bytes below a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def stored(form: Form, result: MediaResult) -> dict[str, bytes]:
    """The files of a result by name, as a browser gets them; the picture's name is empty."""
    urls = {"": result.url} | {name: one.url or "" for name, one in result.variants.items()}
    responses = {name: form.site.get(url) for name, url in urls.items()}
    assert {one.status_code for one in responses.values()} == {200}
    return {name: one.data for name, one in responses.items()}


@pytest.mark.parametrize("hidden", HIDING)
def test_nothing_is_left_of_what_was_hidden(make_form: MakeForm, hidden: str) -> None:
    """Of an upload are the pixels stored, and not a byte of the file; nor is it kept as the
    original where the config keeps those."""
    data = HIDING[hidden]
    form = make_form(MEDIA_KEEP_ORIGINAL=True)
    result = form.sent(data)
    files = stored(form, result)
    assert set(files) == {"", *SMALL}
    assert {name: shape(one)[0] for name, one in files.items()} == {
        "": "PNG",
        "thumb": "WEBP",
        "card": "WEBP",
    }
    assert result.original is None
    assert form.site.files == keys("thumb.webp", "card.webp")
    assert MARKER not in everything(form.site.folder.parent)
    for one in files.values():
        picture = load(one)
        assert not picture.getexif()
        assert MARKER.decode() not in str(picture.info)


@pytest.mark.parametrize("hidden", HIDING)
def test_as_it_came(make_form: MakeForm, hidden: str) -> None:
    """Where nothing is to be encoded anew, the file is stored as it came, with all that it hides;
    its variants are made of pixels all the same."""
    form = make_form(reencode=False)
    form.key = f"house.{load(HIDING[hidden]).format}".lower()
    files = stored(form, form.sent(HIDING[hidden]))
    assert files.pop("") == HIDING[hidden]
    assert MARKER not in b"".join(files.values())


@pytest.mark.parametrize("reencode", [True, False])
@pytest.mark.parametrize("hidden", BEHIND)
def test_another_file_behind_it(make_form: MakeForm, hidden: str, reencode: bool) -> None:
    """A picture with another file behind its end is refused, whatever is to be done with it."""
    form = make_form(reencode=reencode, keep_original=True)
    response = form.send(BEHIND[hidden])
    assert response.status_code == 422
    assert "InvalidImage" in response.text
    assert form.site.files == set()
    assert MARKER not in everything(form.site.folder.parent)


def test_upright(make_form: MakeForm) -> None:
    """A photograph that lies on its side is stored upright, and its variants are."""
    lying = Image.new("RGB", (80, 40), "blue")
    lying.paste("red", (0, 0, 40, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    form = make_form(variants={"thumb": 20})
    result = form.sent(save(lying, ImageFormat.JPEG, exif=exif))
    assert (result.width, result.height) == (40, 80)
    for data in stored(form, result).values():
        picture = load(data).convert("RGB")
        assert picture.height == 2 * picture.width
        across = picture.width // 2
        top, bottom = (picture.getpixel((across, picture.height * part // 8)) for part in (1, 7))
        assert isinstance(top, tuple)
        assert isinstance(bottom, tuple)
        assert (top[0] > 200, bottom[2] > 200) == (True, True)


def test_the_original_where_it_is_asked_for(make_form: MakeForm) -> None:
    """The untouched file is kept beside the cleaned one where the call says so."""
    data = HIDING["GPS in EXIF"]
    form = make_form(keep_original=True)
    result = form.sent(data)
    assert result.original is not None
    assert (form.site.folder / result.original.object_key).read_bytes() == data
    assert MARKER not in b"".join(stored(form, result).values())
    assert form.site.files == keys("thumb.webp", "card.webp", "original.jpg")


@pytest.mark.parametrize("when", ["eager", "lazy"])
@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp", "avif"])
def test_marks(make_form: MakeForm, when: str, file_format: str) -> None:
    """An upload and its variants say whose they are where the config says so, and never that a
    model made them, whenever they are made."""
    form = make_form(
        variants={"small": {"width": 40, "format": file_format}},
        MEDIA_CREDIT="Märchen & Söhne",
        MEDIA_COPYRIGHT="© 2026 Die Erben",
        MEDIA_VARIANTS_WHEN=when,
    )
    for data in stored(form, form.sent(JPEG)).values():
        assert "<photoshop:Credit>Märchen &amp; Söhne<".encode() in data
        assert "© 2026 Die Erben".encode() in data
        assert MODEL_MADE not in data
    with form.site.app.app_context():
        form.site.media.make_variants(KEY, {"later": 30})
    assert MODEL_MADE not in everything(form.site.folder)
    generated = form.site.ask(key="made.png", variants={"small": 40})
    assert MODEL_MADE in stored(form, generated)["small"]


BOMB = PNG[:16] + (60_000).to_bytes(4) * 2 + PNG[24:]


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (b"", "InvalidImage", "empty"),
        (bytes(MAX_INPUT_BYTES + 1), "InvalidRequest", "over 50,000,000 bytes"),
        (b"My house.\n", "InvalidImage", ""),
        (HTML, "InvalidImage", ""),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "InvalidImage", ""),
        (PHP, "InvalidImage", ""),
        (_zip(), "InvalidImage", ""),
        (PNG[:-40], "InvalidImage", ""),
        (BOMB, "InvalidImage", ""),
    ],
    ids=["empty", "too large", "text", "HTML", "SVG", "PHP", "ZIP", "cut off", "a bomb"],
)
def test_refused(make_form: MakeForm, data: bytes, error: str, said: str) -> None:
    """What is no picture, or too large a one, is refused: nothing is stored or listed."""
    form = make_form()
    response = form.send(data)
    assert response.status_code == 422
    assert response.json
    assert response.json["error"] == error
    assert said in response.json["said"]
    assert form.site.files == set()
    with pytest.raises(NotFound):
        form.site.media.info(KEY)

    before = form.sent(PNG)
    assert form.send(data).status_code == 422
    assert form.site.media.info(KEY).sha256 == before.sha256
    picture = stored(form, before)[""]
    assert hashlib.sha256(picture).hexdigest() == before.sha256
    catalog, scope = form.site.media.journal.catalog, form.site.media.storage.location
    assert catalog.leftovers(scope, 0) == []
