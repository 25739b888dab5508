"""What a template says to show a stored picture: its URL, or all of ``<picture>``.

Both are globals of the app's templates. No script and no stylesheet comes with them.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Mapping
from typing import Any
from typing import TypeAlias
from urllib.parse import quote

from jinja2 import Environment
from jinja2.ext import Extension
from markupsafe import Markup

from .errors import InvalidRequest
from .errors import JournalError
from .errors import NotFound
from .fields import fields
from .globals import current_media
from .options import HEX_COLOR
from .options import check_text
from .options import wrong
from .types import MediaResult
from .types import PictureInfo
from .types import StoredVariant

logger = logging.getLogger(__name__)

MODERN = ("image/avif", "image/webp")
"""Formats for a ``<source>``, the one that browsers shall look at first in front."""

EVERYWHERE = ("image/jpeg", "image/png")
"""Formats that whatever reads HTML can show, the one for an ``<img>`` to prefer in front."""

LEAST_SHARE = 2
"""A format is offered if its widest file, so many times enlarged, is as wide as the picture: a
browser takes the format first and then a width of it, and would enlarge a lone thumbnail."""

OWN = frozenset({"alt", "height", "loading", "sizes", "src", "srcset", "width"})
"""Attributes that are arguments of their own, or follow from the picture."""

CHOICES = {
    "loading": ("lazy", "eager"),
    "decoding": ("async", "sync", "auto"),
    "fetchpriority": ("high", "low", "auto"),
}
"""Attributes with few values, which a browser would not complain of."""

_NO_URL = re.compile(r'[\s"<>\\^`{|}]')
_NAME = re.compile(r"[a-z][a-z0-9-]*")
# The 40 digits give 30 bytes: the head of a WebP file, and its flags.
_DATA_URI = re.compile(r"data:image/[a-z]+;base64,([A-Za-z0-9+/]{40})[A-Za-z0-9+/]*={0,2}")

Pictured: TypeAlias = PictureInfo | MediaResult
_File: TypeAlias = PictureInfo | MediaResult | StoredVariant
_Attributes: TypeAlias = Mapping[str, str | bool]


class PageGlobals(Extension):
    """Gives an environment :func:`media_url` and :func:`media_picture`, but where it has others."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        for function in (media_url, media_picture):
            environment.globals.setdefault(function.__name__, function)


def media_url(key: str, variant: str | None = None) -> str:
    """The URL of a stored picture, or of one of its variants.

    Of a picture that the journal doesn't know, as one that was deleted, it is the picture's own.

    :param key: the picture's object key.
    :param variant: the variant's name.
    :raises InvalidRequest: the key is wrong, or the picture has no such variant; names those that
        it has.
    """
    if not isinstance(key, str):
        raise wrong("media_url's key", key, "an object key, as 'goals/7/house.png'")
    if variant is not None:
        known = _known(key)
        if known is not None:
            return _variant(known, variant).url or known.url
    return current_media.url(key)


def media_picture(
    picture: str | Pictured,
    *,
    alt: str | None = None,
    sizes: str = "100vw",
    loading: str = "lazy",
    variant: str | None = None,
    placeholder: bool = True,
    **attributes: Any,
) -> Markup:
    """The HTML that shows a picture: the browser chooses among its variants by size and format.

    That is a ``<picture>`` with a ``<source>`` for AVIF and one for WebP, as far as there are
    variants, and an ``<img>``; without variants in these formats the ``<img>`` alone. It has the
    picture's width and height, so that nothing on the page moves when it comes.

    All variants of the same proportions are taken for the same picture in other sizes. Of two in
    one format and width it is the first.

    :param picture: an object key; or a :class:`~flask_media.MediaResult` or
        :class:`~flask_media.PictureInfo`, which saves a look into the journal. A picture that the
        journal doesn't know gives an ``<img>`` of its own file.
    :param alt: what the picture shows, for those who don't see it. Needed; ``""`` for decoration.
    :param sizes: how wide it is on the page, as in HTML: ``(min-width: 60em) 30em, 100vw``.
    :param loading: ``lazy`` for when it comes near the window, ``eager`` for at once.
    :param variant: the variant to show in the place of the picture, with those of its proportions.
    :param placeholder: show the main colour and the tiny likeness until the picture is there, by a
        ``style`` attribute. Not of transparent pictures, which would show it for ever.
    :param attributes: more attributes of the ``<img>``: ``class_="hero"``, ``data_id=7``. ``_`` is
        written as ``-``, but for one at the end, which goes. True gives the bare name; False and
        None leave it out.
    :raises InvalidRequest: an argument is wrong, or the picture has no such variant.
    """
    own = {**_checked(alt, sizes, loading), **_others(attributes)}
    if type(placeholder) is not bool:
        raise wrong("media_picture's placeholder", placeholder, "True or False")
    if isinstance(picture, str):
        known = _known(picture)
        if known is None:
            return _tag("img", {"src": _candidate(current_media.url(picture)), **own})
        picture = known
    elif not isinstance(picture, PictureInfo | MediaResult):
        allowed = "an object key, a MediaResult or a PictureInfo"
        raise wrong("media_picture's picture", picture, allowed)
    shown = picture if variant is None else _variant(picture, variant)
    if shown.url is None:
        shown = picture
    if placeholder and (background := _background(picture)):
        style = own.get("style")
        own["style"] = f"{background}; {style}" if isinstance(style, str) else background
    return _picture(shown, _groups(picture, shown), _text("sizes", sizes), own)


def _known(key: str) -> PictureInfo | None:
    try:
        return current_media.info(key)
    except NotFound:
        return None
    except JournalError as error:  # the page can be shown without
        extra = fields(object_key=key, error=error)
        logger.warning("The variants of %r can't be looked up: %s", key, error, extra=extra)
        return None


def _variant(picture: Pictured, name: str) -> StoredVariant:
    variant = picture.variants.get(name) if isinstance(name, str) else None
    if variant is None:
        names = ", ".join(map(repr, picture.variants))
        has = f"has {names}" if names else "has no variants; see MEDIA_VARIANTS"
        raise InvalidRequest(f"variant is {name!r:.80}; the picture {picture.object_key!r} {has}.")
    return variant


# Which files a browser may choose among


def _groups(picture: Pictured, shown: _File) -> dict[str, dict[int, _File]]:
    """The files that show the same, by content type and width, the narrowest first."""
    groups: dict[str, dict[int, _File]] = {}
    for file in (shown, *picture.variants.values()):
        if file.url is not None and _is_alike(file, shown):
            groups.setdefault(file.content_type, {}).setdefault(file.width, file)
    return {
        content_type: dict(sorted(group.items()))
        for content_type, group in groups.items()
        # Several widths were chosen by somebody, who knows how wide it is shown.
        if len(group) > 1 or max(group) * LEAST_SHARE >= shown.width
    }


def _is_alike(one: _File, other: _File) -> bool:
    """Whether one scale can have made both sides, each of which was rounded to whole pixels."""

    def scales(mine: int, its: int) -> tuple[float, float]:
        return (mine - 0.5) / (its + 0.5), (mine + 0.5) / (its - 0.5)

    across, down = scales(one.width, other.width), scales(one.height, other.height)
    return across[0] <= down[1] and down[0] <= across[1]


def _fallback(shown: _File, groups: Mapping[str, Mapping[int, _File]]) -> str:
    """The content type for the ``<img>``, which is read where no ``<source>`` is."""
    if shown.content_type in EVERYWHERE:
        return shown.content_type
    known = [content_type for content_type in EVERYWHERE if content_type in groups]
    if known:
        return max(known, key=lambda content_type: max(groups[content_type]))
    # Of the modern ones the older, which more can show.
    return "image/webp" if "image/webp" in groups else shown.content_type


# HTML


def _picture(
    shown: _File, groups: Mapping[str, Mapping[int, _File]], sizes: str, own: _Attributes
) -> Markup:
    fallback = _fallback(shown, groups)
    sources = [
        _tag("source", {"type": content_type, "srcset": _srcset(group), "sizes": sizes})
        for content_type in MODERN
        if content_type != fallback and (group := groups.get(content_type))
    ]
    group = groups[fallback]
    # The one that is nearest to what is shown: for readers that know no srcset.
    width = max((width for width in group if width <= shown.width), default=min(group))
    choice: _Attributes = {"srcset": _srcset(group), "sizes": sizes} if len(group) > 1 else {}
    pixels = {"width": str(shown.width), "height": str(shown.height)}
    img = _tag("img", {"src": _candidate(group[width].url or ""), **choice, **pixels, **own})
    if not sources:
        return img
    return Markup("<picture>{}{}</picture>").format(Markup().join(sources), img)


def _tag(name: str, attributes: _Attributes) -> Markup:
    parts = [
        Markup(" {}").format(name) if value is True else Markup(' {}="{}"').format(name, value)
        for name, value in attributes.items()
        if value is not False
    ]
    return Markup("<{}{}>").format(name, Markup().join(parts))


def _srcset(group: Mapping[int, _File]) -> str:
    return ", ".join(f"{_candidate(file.url or '')} {width}w" for width, file in group.items())


def _candidate(url: str) -> str:
    """The URL as it can stand in a srcset: it ends at white space, and commas about it are lost.

    Commas within stay, since services that scale pictures read them.
    """
    url = _NO_URL.sub(lambda found: quote(found[0]), url)
    start = len(url) - len(url.lstrip(","))
    end = len(url.rstrip(","))
    return "%2C" * start + url[start:end] + "%2C" * (len(url) - max(start, end))


def _background(picture: Pictured) -> str | None:
    """CSS that shows what is known of the picture; nothing that could end its string or value."""
    parts = []
    if picture.color and HEX_COLOR.fullmatch(picture.color):
        parts.append(picture.color)
    if picture.placeholder and (found := _DATA_URI.fullmatch(picture.placeholder)):
        if _is_transparent(base64.b64decode(found[1])):
            return None
        parts.append(f'url("{picture.placeholder}") center / cover no-repeat')
    return f"background: {' '.join(parts)}" if parts else None


def _is_transparent(head: bytes) -> bool:
    """Whether a lossy WebP has an alpha channel, by the flags of its extended header."""
    return head[12:16] == b"VP8X" and bool(head[20] & 0x10)


# Arguments


def _checked(alt: object, sizes: object, loading: object) -> dict[str, str | bool]:
    if alt is None:
        raise InvalidRequest(
            "media_picture needs alt: what the picture shows, for those who don't see it. "
            'Give alt="" to a picture that is mere decoration.'
        )
    if not _text("sizes", sizes).strip():
        raise wrong("media_picture's sizes", sizes, "how wide it is on the page, as '50vw'")
    return {
        "alt": _text("alt", alt),
        "loading": _choice("loading", loading),
        "decoding": "async",
    }


def _others(attributes: Mapping[str, Any]) -> dict[str, str | bool]:
    """More attributes of the ``<img>``, by their names in HTML."""
    checked: dict[str, str | bool] = {}
    for keyword, value in attributes.items():
        name = keyword.removesuffix("_").replace("_", "-").lower()
        if not _NAME.fullmatch(name):
            raise wrong("an attribute's name", keyword, "letters of ASCII, digits, '_' and '-'")
        if name.startswith("on"):
            raise InvalidRequest(
                f"media_picture's {keyword} would be a script in the page; take "
                "addEventListener in a script of yours."
            )
        if name in OWN or name in checked:
            raise InvalidRequest(
                f"media_picture's {keyword} would be a second {name!r}; "
                "src, srcset, width and height follow from the picture, and others are given once."
            )
        if value is None:
            continue
        if type(value) is bool:
            checked[name] = value
        elif type(value) in (int, float):
            checked[name] = str(value)
        elif name in CHOICES:
            checked[name] = _choice(name, value)
        else:
            checked[name] = _text(keyword, value)
    return checked


def _choice(name: str, value: object) -> str:
    for choice in CHOICES[name]:
        if value == choice:
            return choice
    raise wrong(f"media_picture's {name}", value, " or ".join(map(repr, CHOICES[name])))


def _text(name: str, value: object) -> str:
    """The text of a value. HTML, as translations are in templates, is taken for what it says."""
    if hasattr(value, "__html__"):
        value = Markup(value).unescape()  # noqa: S704 - it becomes text, and is escaped as such
    if not isinstance(value, str):
        raise wrong(f"media_picture's {name}", value, "text")
    check_text(f"media_picture's {name}", value)
    return str.__str__(value)
