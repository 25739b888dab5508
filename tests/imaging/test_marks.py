"""Credit, copyright and the mark of generated media, read back with an XML parser."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from flask_media.errors import InvalidRequest
from flask_media.imaging import clean
from flask_media.imaging import derive
from flask_media.imaging import inspect
from flask_media.imaging import make_variants
from flask_media.imaging import render
from flask_media.imaging.marks import GENERATED
from flask_media.options import MAX_NOTE_LENGTH
from flask_media.options import ImageFormat
from flask_media.values import MODEL_MADE
from flask_media.values import UNMARKED
from flask_media.values import Marks
from flask_media.values import Picture
from flask_media.variants import Variant
from flask_media.variants import VariantSpec

from .files import ALL
from .files import load
from .files import sample

DC = "{http://purl.org/dc/elements/1.1/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

TEXTS = (
    "Acme",
    "© 2026 Müller & Söhne <info@example.com>",
    "]]> \"'&amp; <!-- --> {0} {} %s <?xpacket?>",
    "画像 🌄\u00a0\u200f\u05e2\u05d1\u05e8",
    "&" * MAX_NOTE_LENGTH,
)


def read(picture: Picture) -> Marks:
    """What the XMP of a file says, by its meaning."""
    packet = load(picture.data).info.get("xmp")
    if packet is None:
        return UNMARKED
    root = ElementTree.fromstring(packet)
    [description] = root.iter(RDF + "Description")
    assert description.get(RDF + "about") == ""
    kind = description.get(IPTC + "DigitalSourceType")
    assert kind in (None, GENERATED)
    rights = description.find(f"{DC}rights/{RDF}Alt/{RDF}li")
    assert rights is None or rights.get(LANGUAGE) == "x-default"
    return Marks(
        generated=kind is not None,
        credit=description.findtext(PHOTOSHOP + "Credit"),
        copyright=None if rights is None else rights.text,
    )


EVERY = (
    MODEL_MADE,
    UNMARKED,
    Marks(credit="Acme"),
    Marks(copyright="© Acme", generated=False),
    Marks(credit="Acme", copyright="© Acme", generated=False),
    *(Marks(credit=text, copyright=text[::-1]) for text in TEXTS),
)


@pytest.mark.parametrize("marks", EVERY)
@pytest.mark.parametrize("file_format", ALL)
def test_written_and_read(file_format: ImageFormat, marks: Marks) -> None:
    """Whatever the marks are, they are in the file as they were given, and nothing else is."""
    given = inspect(sample(ImageFormat.PNG))
    for made in (
        render(given, width=40, format=file_format, marks=marks),
        clean(given, format=file_format, marks=marks),
    ):
        assert inspect(made.data, decode=True) == made
        assert read(made) == marks


@pytest.mark.parametrize("marks", EVERY[:5])
def test_variants(marks: Marks) -> None:
    """Variants have the marks too, in each format."""
    given = inspect(sample(ImageFormat.PNG))
    specs: dict[str, VariantSpec] = {one: Variant(width=40, format=one) for one in ALL}
    for made in (
        derive(given, specs, marks=marks).variants,
        make_variants(given, specs, marks=marks),
    ):
        assert [read(one) for one in made.values()] == [marks] * len(ALL)


def test_untouched_gets_no_marks() -> None:
    """A picture that fits stays as it is, whatever the marks are."""
    given = inspect(sample(ImageFormat.PNG))
    assert render(given, marks=Marks(credit="Acme")) is given


@pytest.mark.parametrize("name", ["credit", "copyright"])
@pytest.mark.parametrize(
    "value", ["", "a\0b", "a\nb", "\x7f", "\ud800", "\uffff", "x" * (MAX_NOTE_LENGTH + 1), 7, b"x"]
)
def test_wrong_texts(name: str, value: object) -> None:
    """A text that a file can't hold is refused when the marks are made, by its name."""
    with pytest.raises(InvalidRequest, match=rf"marks\.{name} is .* 500 characters"):
        Marks(**{name: value})  # type: ignore[arg-type]


def test_wrong_flag() -> None:
    """Only True and False say whether a model made a picture."""
    with pytest.raises(InvalidRequest, match=r"marks\.generated is 'no'"):
        Marks(generated="no")  # type: ignore[arg-type]
