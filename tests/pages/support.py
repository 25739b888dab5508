"""Pictures as the journal knows them, and HTML as a browser reads it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from html.parser import HTMLParser

from flask_media import PictureInfo
from flask_media import StoredVariant

LIKENESS = (
    "data:image/webp;base64," + "UklGRjoAAABXRUJQVlA4IC4AAABwAQCdASoCAAIAAgA0JaQAA3AA/vv9UAA="
)
"""A lossy WebP of 2 x 2 pixels."""


def variant(name: str, width: int, height: int, kind: str, **values: str) -> StoredVariant:
    """A variant that is not yet made; ``kind`` is its format."""
    url = values.get("url", f"/files/{name}.{kind}")
    return StoredVariant(
        url=url,
        object_key=f"{name}.{kind}",
        content_type=f"image/{kind}",
        width=width,
        height=height,
    )


def whole(kinds: str, *widths: int) -> dict[str, StoredVariant]:
    """Variants that are all of a picture of 4:3."""
    return {
        f"w{width}-{kind}": variant(f"w{width}", width, round(width * 3 / 4), kind)
        for width in widths
        for kind in kinds.split()
    }


def info(
    variants: Mapping[str, StoredVariant] | None = None,
    *,
    kind: str = "png",
    width: int = 1024,
    height: int = 768,
    url: str | None = None,
    placeholder: str | None = None,
    color: str | None = None,
) -> PictureInfo:
    """What the journal knows of a picture, of 4:3 unless said otherwise."""
    return PictureInfo(
        url=f"/files/house.{kind}" if url is None else url,
        object_key=f"house.{kind}",
        content_type=f"image/{kind}",
        width=width,
        height=height,
        size_bytes=1,
        sha256="0" * 64,
        job_id="1",
        variants=dict(variants or {}),
        placeholder=placeholder,
        color=color,
        provenance=None,
        is_public=True,
    )


Attributes = dict[str, str | None]


@dataclasses.dataclass
class Shown:
    """The tags of a picture's HTML: what a browser would make of it."""

    tags: list[str]
    sources: list[Attributes]
    img: Attributes

    @property
    def types(self) -> list[str | None]:
        """The formats of the ``<source>`` tags in their order."""
        return [source["type"] for source in self.sources]

    def source(self, kind: str) -> list[str]:
        """The candidates of that format's ``<source>``."""
        (found,) = (source for source in self.sources if source["type"] == f"image/{kind}")
        return candidates(found)


def candidates(attributes: Attributes) -> list[str]:
    """The candidates of a tag's srcset."""
    srcset = attributes.get("srcset")
    return [] if srcset is None else srcset.split(", ")


def read(html: str) -> Shown:
    """Read HTML that has one ``<img>``."""
    found: list[tuple[str, Attributes]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert len(dict(attrs)) == len(attrs), f"an attribute twice: {attrs}"
            found.append((tag, dict(attrs)))

    reader = Reader()
    reader.feed(html)
    reader.close()
    (img,) = (attributes for tag, attributes in found if tag == "img")
    sources = [attributes for tag, attributes in found if tag == "source"]
    return Shown([tag for tag, _ in found], sources, img)
