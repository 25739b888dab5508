"""What a picture says of itself: orientation read, the mark of generated media written."""

from __future__ import annotations

import struct
from typing import Any

from ..options import ImageFormat

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for a picture that a trained model made (Digital Source Type NewsCodes); the EU's
AI Act asks in article 50 for a mark that machines can read."""

XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about=""'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    f' Iptc4xmpExt:DigitalSourceType="{GENERATED}"/>'
    "</rdf:RDF></x:xmpmeta>"
    '<?xpacket end="r"?>'
)
"""The XMP packet of a generated picture."""


def save_options(file_format: ImageFormat) -> dict[str, Any]:
    """The options of Pillow's ``save`` that write the mark."""
    if file_format is not ImageFormat.PNG:
        return {"xmp": XMP.encode()}
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP)
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
