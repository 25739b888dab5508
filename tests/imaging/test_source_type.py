"""The IPTC term for where a picture comes from, as a file's XMP names it."""

from __future__ import annotations

import time

import pytest
from PIL.PngImagePlugin import PngInfo

from flask_media.imaging import inspect
from flask_media.imaging import provenance
from flask_media.imaging import render
from flask_media.imaging.marks import GENERATED
from flask_media.imaging.marks import xmp_packet
from flask_media.options import ImageFormat
from flask_media.types import Provenance
from flask_media.values import MODEL_MADE
from flask_media.values import UNMARKED

from .files import ALL
from .files import chunk
from .files import photo
from .files import sample
from .files import save
from .test_provenance import said

CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


def described(content: str, attributes: str = "") -> bytes:
    """An XMP packet with this in its description."""
    packet = xmp_packet(MODEL_MADE)
    start = packet.index(" Iptc4xmpExt:Digital")
    stop = packet.index("</rdf:RDF>")
    return (packet[:start] + attributes + f">{content}</rdf:Description>" + packet[stop:]).encode()


TAG = "Iptc4xmpExt:DigitalSourceType"
OTHER_PREFIX = (
    described("", f' {TAG}="{CAPTURE}"')
    .replace(b"Iptc4xmpExt:", b"o:")
    .replace(b"xmlns:Iptc4xmpExt", b"xmlns:o")
)


@pytest.mark.parametrize(
    ("packet", "found"),
    [
        (described("", f' {TAG}="{CAPTURE}"'), CAPTURE),
        (described(f"<{TAG}> {CAPTURE}\n</{TAG}>"), CAPTURE),
        (described(f'<{TAG} rdf:resource="{CAPTURE}"/>'), CAPTURE),
        (OTHER_PREFIX, CAPTURE),
        (described("", f' {TAG}="{CAPTURE}"') + b" \n" * 900 + b"\0", CAPTURE),
        (described("", f' {TAG}="digitalCapture"'), None),
        (described("", f' {TAG}="{CAPTURE}{"x" * 200}"'), None),
        (described(f"<note>{TAG} {CAPTURE}</note>"), None),
        (b"<!DOCTYPE a>" + described("", f' {TAG}="{CAPTURE}"'), None),
        (described("", f' xmlns:photoshop="urn:x" photoshop:{TAG[12:]}="{CAPTURE}"'), None),
        (described("", f' {TAG}="{CAPTURE}"')[:-30], None),
        (b"", None),
    ],
)
@pytest.mark.parametrize("file_format", ALL)
def test_source_type(file_format: ImageFormat, packet: bytes, found: str | None) -> None:
    """The IPTC term is read from a file's own XMP, as an XML parser reads it, and from no text."""
    if file_format is ImageFormat.PNG:
        good = sample(ImageFormat.PNG)
        note = chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + packet)
        data = good[:33] + note + good[33:]
    else:
        data = save(photo(), file_format, xmp=packet)
    assert said(inspect(data).data, file_format).digital_source_type == found


def test_packed_xmp() -> None:
    """XMP of a PNG may be packed; one that unpacks beyond measure is not read."""
    for padding, found in ((0, CAPTURE), (2_000_000, None)):
        info = PngInfo()
        packet = described(" " * padding, f' {TAG}="{CAPTURE}"').decode()
        info.add_itxt("XML:com.adobe.xmp", packet, zip=True)
        data = save(photo(), ImageFormat.PNG, pnginfo=info)
        assert said(data, ImageFormat.PNG).digital_source_type == found


def test_entities() -> None:
    """Entities, which a hostile packet uses to grow, are not read."""
    bomb = b'<!DOCTYPE x [<!ENTITY a "' + b"a" * 100 + b'">'
    for number in range(1, 9):
        bomb += b'<!ENTITY a%d "' % number + b"&a;" * 10 + b'">'
    start = time.process_time()
    data = save(photo(), ImageFormat.JPEG, xmp=bomb + b"]><x>&a8;</x>")
    assert said(data, ImageFormat.JPEG).digital_source_type is None
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize("file_format", ALL)
def test_upload_and_generated(file_format: ImageFormat) -> None:
    """What we encode says that a model made it; an upload does not."""
    given = inspect(sample(file_format))
    for marks, found in ((MODEL_MADE, GENERATED), (UNMARKED, None)):
        made = render(given, width=50, marks=marks)
        assert provenance(given, made) == Provenance(digital_source_type=found)
