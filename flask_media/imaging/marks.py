"""What a picture says of itself: orientation read, marks of origin written."""

from __future__ import annotations

import struct
from typing import Any
from xml.sax.saxutils import escape

from ..options import ImageFormat
from ..values import Marks

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for a picture that a trained model made (Digital Source Type NewsCodes); the EU's
AI Act asks in article 50 for a mark that machines can read."""

XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about=""{}</rdf:RDF></x:xmpmeta>'
    '<?xpacket end="r"?>'
)
"""An XMP packet, around the attributes and the content of its one description."""

SOURCE_TYPE_NAMESPACE = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"


def xmp_packet(marks: Marks) -> str:
    """The XMP packet that says it; empty where there is nothing to say."""
    attributes = content = ""
    if marks.generated:
        attributes += f' xmlns:Iptc4xmpExt="{SOURCE_TYPE_NAMESPACE}"'
        attributes += f' Iptc4xmpExt:DigitalSourceType="{GENERATED}"'
    if marks.credit is not None:
        attributes += ' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
        content += f"<photoshop:Credit>{escape(marks.credit)}</photoshop:Credit>"
    if marks.copyright is not None:
        attributes += ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
        content += '<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">'
        content += f"{escape(marks.copyright)}</rdf:li></rdf:Alt></dc:rights>"
    if not attributes:
        return ""
    end = f">{content}</rdf:Description>" if content else "/>"
    return XMP.format(attributes + end)


def save_options(file_format: ImageFormat, marks: Marks) -> dict[str, Any]:
    """The options of Pillow's ``save`` that write the marks."""
    packet = xmp_packet(marks)
    if not packet:
        return {}
    if file_format is not ImageFormat.PNG:
        return {"xmp": packet.encode()}
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet)
    return {"pnginfo": info}


def orientation(exif: bytes) -> int:
    """The orientation (1 to 8) of an EXIF block, 1 where it says none or nonsense.

    Read here because Pillow's own reader warns about every other tag that is wrong.
    """
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    try:
        if order is not None:
            (start,) = struct.unpack_from(order + "I", exif, 4)
            (count,) = struct.unpack_from(order + "H", exif, start)
            for entry in range(start + 2, start + 2 + 12 * count, 12):
                tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, entry)
                if tag == 0x0112 and kind == 3 and 1 <= value <= 8:
                    return int(value)
    except struct.error:  # cut off or pointing outside
        pass
    return 1
