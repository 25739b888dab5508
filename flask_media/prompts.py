"""The prompt that is sent, made from the user's text and the config."""

from __future__ import annotations

from types import CodeType
from typing import NamedTuple

import jinja2
from jinja2.bccache import Bucket

from .errors import InvalidRequest
from .errors import NotConfigured
from .options import ImageGenerationConfig
from .options import ImageTheme
from .options import check_text

MAX_PROMPT_CHARS = 30_000
"""Longest prompt in characters: the smallest input limit of the known models is 32,768 tokens,
and a character is one token at most in nearly all scripts."""

BUILT_IN_TEMPLATE = "flask_media/prompt.txt"
"""The template that MEDIA_PROMPT_TEMPLATE replaces."""


class Look(NamedTuple):
    """The words of a theme."""

    article: str
    adjectives: str
    style: str


LOOKS = {
    ImageTheme.PROFESSIONAL: Look(
        "a",
        "professional, aspirational and visually appealing",
        "clean and realistic, natural light, restrained colors, the finish of editorial "
        "photography for a trusted brand, an optimistic and motivating mood",
    ),
    ImageTheme.ILLUSTRATION: Look(
        "a",
        "warm and inviting illustrated",
        "modern digital illustration, clear shapes, soft shading, a consistent line and a "
        "friendly palette",
    ),
    ImageTheme.MINIMALIST: Look(
        "a",
        "calm, minimalist",
        "minimalist, few elements, generous empty space, flat or softly graded surfaces, two or "
        "three colors",
    ),
    ImageTheme.PHOTOREALISTIC: Look(
        "a",
        "photorealistic, true to life",
        "photograph with real materials and textures, natural light, believable perspective and "
        "depth of field",
    ),
    ImageTheme.VIBRANT: Look(
        "a",
        "vibrant, inspiring and energetic",
        "saturated colors, strong contrast, dynamic light, an optimistic mood",
    ),
    ImageTheme.ABSTRACT: Look(
        "an",
        "expressive abstract",
        "abstract composition of shape, color and texture that carries the idea without "
        "depicting it literally",
    ),
    ImageTheme.WATERCOLOR: Look(
        "a",
        "delicate watercolor",
        "watercolor on textured paper, transparent washes, soft edges, visible brushwork",
    ),
    ImageTheme.ISOMETRIC: Look(
        "an",
        "inviting isometric",
        "isometric three-dimensional scene, true parallel projection, soft shadows, small "
        "precise details",
    ),
}
"""The words of each theme."""


def check_prompt(prompt: object) -> str:
    """Return the text if it can be sent.

    :raises InvalidRequest: it is no text, blank, over 30,000 characters, or holds a NUL or a lone
        surrogate.
    """
    if not isinstance(prompt, str):
        raise InvalidRequest(f"prompt must be a str, not {type(prompt).__name__}.")
    if not prompt.strip():
        raise InvalidRequest("prompt is empty; say what the picture shall show.")
    if len(prompt) > MAX_PROMPT_CHARS:
        raise InvalidRequest(
            f"prompt has {len(prompt):,} characters; at most {MAX_PROMPT_CHARS:,} are allowed."
        )
    check_text("prompt", prompt)
    return prompt


def build_prompt(
    prompt: str,
    config: ImageGenerationConfig,
    environment: jinja2.Environment,
    template: str = BUILT_IN_TEMPLATE,
) -> str:
    """The prompt to send: the text itself, or built around it with ``enhance_prompt``.

    :param prompt: the user's text; goes into the template as data and is never read as one.
    :param config: how the picture shall look.
    :param environment: finds the template.
    :param template: its name; it sees ``prompt``, ``look``, ``shape``, ``width``,
        ``height`` (pixels), ``theme``, ``quality``, ``brand_colors``, ``style_notes``,
        ``negative``.
    :raises InvalidRequest: what comes out is too long.
    :raises NotConfigured: the app's template is missing or fails.
    """
    if not config.enhance_prompt:
        return prompt
    width, height = config.pixels
    try:
        text = environment.get_template(template).render(
            prompt=prompt.strip(),
            look=LOOKS[config.theme],
            shape=_shape(width, height),
            width=width,
            height=height,
            theme=config.theme.value,
            quality=config.quality.value,
            brand_colors=config.brand_colors,
            style_notes=config.style_notes,
            negative=config.negative,
        )
    except Exception as error:  # what an app's own template raises
        raise NotConfigured(_template_fault(template, error)) from error
    text = text.strip()
    if not text:
        raise NotConfigured(
            f"MEDIA_PROMPT_TEMPLATE is {template!r}, which renders to nothing; it must hold at "
            "least {{ prompt }}."
        )
    if len(text) > MAX_PROMPT_CHARS:
        raise InvalidRequest(
            f"prompt has {len(prompt):,} characters, and {len(text):,} with its enhancement; at "
            f"most {MAX_PROMPT_CHARS:,} are allowed. Shorten it or its config.style_notes."
        )
    return text


def prompt_environment(loader: jinja2.BaseLoader | None = None) -> jinja2.Environment:
    """An environment for prompt templates: plain text, misspelt names are errors.

    :param loader: finds the app's own templates; the built-in one is always found.
    """
    built_in = jinja2.PackageLoader("flask_media")
    return jinja2.Environment(
        bytecode_cache=_templates,
        loader=jinja2.ChoiceLoader([loader, built_in]) if loader else built_in,
        autoescape=False,  # noqa: S701 - plain text for a model, no HTML
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


class _CompiledTemplates(jinja2.BytecodeCache):
    """The compiled templates of a process, whose apps are many where each test makes one."""

    def __init__(self) -> None:
        self._code: dict[str, tuple[str, CodeType | None]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        checksum, code = self._code.get(bucket.key, ("", None))
        if checksum == bucket.checksum:
            bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key] = (bucket.checksum, bucket.code)


_templates = _CompiledTemplates()


def _template_fault(template: str, error: Exception) -> str:
    what = f"MEDIA_PROMPT_TEMPLATE is {template!r}, "
    if isinstance(error, jinja2.TemplateNotFound):
        return (
            f"{what}but there is no template {error.name!r}. Put it in the template folder of "
            "the app or of a blueprint, and write its name relative to that folder."
        )
    message = getattr(error, "message", None) or error
    line = f" in line {error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else ""
    return f"{what}which can't be rendered{line}: {type(error).__name__}: {message}"


def _shape(width: int, height: int) -> str:
    ratio = width / height
    if 0.95 <= ratio <= 1.05:
        return "square"
    if ratio >= 2:
        return "panoramic"
    return "landscape-format" if ratio > 1 else "portrait-format"
