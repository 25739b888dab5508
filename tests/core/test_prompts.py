"""The prompt that is sent: whole, safe from its own text, and an app's to change."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
from flask import Blueprint
from flask import Flask

from flask_media import FlaskMedia
from flask_media import ImageGenerationConfig
from flask_media import ImageSize
from flask_media import ImageTheme
from flask_media import InvalidRequest
from flask_media import NotConfigured
from flask_media.prompts import LOOKS
from flask_media.prompts import MAX_PROMPT_CHARS
from flask_media.prompts import build_prompt
from flask_media.prompts import check_prompt
from flask_media.prompts import prompt_environment

from .conftest import MakeApp

ENVIRONMENT = prompt_environment()
PLAIN = ImageGenerationConfig()


def _build(prompt: str = "Sea house", config: ImageGenerationConfig = PLAIN) -> str:
    return build_prompt(prompt, config, ENVIRONMENT)


def test_the_whole_prompt() -> None:
    """A full config makes a prompt that a person would write: all asked for, nothing twice."""
    config = ImageGenerationConfig(
        brand_colors=["#0066CC", "green"],
        style_notes=" soft morning light ",
        negative="people, cars.",
    )
    assert _build("Sea house", config) == (
        "Create a professional, aspirational and visually appealing square image that shows: "
        "Sea house\n"
        "\n"
        "Style: clean and realistic, natural light, restrained colors, the finish of editorial "
        "photography for a trusted brand, an optimistic and motivating mood.\n"
        "Composition: one clear focal point that reads at a glance, balanced, filling the whole "
        "square frame (1024 by 1024 pixels) from edge to edge, without a border or a frame. "
        "Keep what matters away from the edges.\n"
        "Colors: work our brand colors #0066CC, green into the scene naturally, in its light, "
        "objects and background; the codes themselves never appear.\n"
        "Also: soft morning light\n"
        "The image shall carry the feeling of what it shows, be memorable, polished and ready "
        "to publish in an application.\n"
        "Do not include any text, letters, numbers, currency symbols, logos or watermarks, and "
        "none of this: people, cars."
    )


def test_as_good_as_the_prompt_it_replaces() -> None:
    """What the hand-written prompt of the migration guide asked for is asked for."""
    text = _build("Sea house", ImageGenerationConfig(brand_colors=["blue", "green"])).lower()
    for wish in (
        "sea house",
        "square",
        "visually appealing",
        "aspirational",
        "professional",
        "realistic",
        "memorable",
        "motivating",
        "application",
        "brand colors blue, green",
        "text",
        "currency symbols",
        "logos",
    ):
        assert wish in text, wish


def test_without_options() -> None:
    """Without colours and notes there are no empty lines or headings for them."""
    text = _build()
    assert "Colors:" not in text
    assert "Also:" not in text
    assert "none of this" not in text
    assert text.endswith("logos or watermarks.")
    assert text == text.strip()
    assert "\n\n\n" not in text


@pytest.mark.parametrize("prompt", ["Sea house", "  Sea house\n", "{{ 7 * 7 }}"])
def test_without_enhancement(prompt: str) -> None:
    """With enhance_prompt=False the text is sent exactly as it is."""
    assert (
        _build(prompt, ImageGenerationConfig(enhance_prompt=False, theme=ImageTheme.VIBRANT))
        == prompt
    )


@pytest.mark.parametrize("theme", ImageTheme)
def test_every_theme_has_its_own_look(theme: ImageTheme) -> None:
    """Each theme's words are in its prompt, and no two themes give the same one."""
    text = _build(config=ImageGenerationConfig(theme=theme))
    assert text.startswith(f"Create {LOOKS[theme].article} {LOOKS[theme].adjectives} square image")
    assert f"Style: {LOOKS[theme].style}." in text
    others = [_build(config=ImageGenerationConfig(theme=t)) for t in ImageTheme if t is not theme]
    assert text not in others
    starts_with_vowel = LOOKS[theme].adjectives[0] in "aeiou"
    assert LOOKS[theme].article == ("an" if starts_with_vowel else "a")


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        (ImageSize.SQUARE, "square"),
        (ImageSize.THUMBNAIL, "square"),
        ((1000, 1040), "square"),
        (ImageSize.BANNER, "landscape-format"),
        (ImageSize.LANDSCAPE, "landscape-format"),
        ((1100, 1000), "landscape-format"),
        (ImageSize.PORTRAIT, "portrait-format"),
        ((1000, 1100), "portrait-format"),
        ((2000, 1000), "panoramic"),
        ((8000, 1000), "panoramic"),
    ],
)
def test_shape_by_size(size: ImageSize | tuple[int, int], shape: str) -> None:
    """The prompt says the shape of the size, and square of none but squares."""
    config = ImageGenerationConfig(size=size)
    text = _build(config=config)
    assert f"{shape} image" in text
    assert ("square" in text) is (shape == "square")
    assert f"{config.pixels[0]} by {config.pixels[1]} pixels" in text


@pytest.mark.parametrize(
    ("colors", "words"),
    [(["navy"], "brand color navy"), (["navy", "#FFF"], "brand colors navy, #FFF")],
)
def test_brand_colors_are_named(colors: list[str], words: str) -> None:
    """Each brand colour is named, one in the singular."""
    assert words in _build(config=ImageGenerationConfig(brand_colors=colors))


HOSTILE = [
    "{{ 7 * 7 }} {% raw %} {# gone #}",
    "{{ config }} {{ self.__init__.__globals__ }}",
    "{% for x in range(9) %}x{% endfor %}",
    "{0} {prompt} {prompt.__class__} {} %s %(prompt)s $prompt ${prompt}",
    "<script>alert('x')</script> & \"quotes\" &amp;",
    "line one\nline two\r\n\ttabbed",
    "# not a heading\n## nor this",
    "Être libre 日本語 🏠 \u202e",
    "back\\slash \\n \\u0041",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_stays_literally_as_it_is(text: str) -> None:
    """Text of a user is data: no syntax in it is read, and no character of it changes."""
    assert f"that shows: {text}\n\nStyle:" in _build(text)
    config = ImageGenerationConfig(style_notes=text, negative=text)
    built = _build("Sea house", config)
    assert built.count(text.strip()) == 2


@pytest.mark.parametrize("prompt", ["", " ", "\n\t ", "\u3000", "\u00a0"])
def test_blank_prompts(prompt: str) -> None:
    """A prompt without anything to see is refused with the fix."""
    with pytest.raises(InvalidRequest, match="prompt is empty; say what"):
        check_prompt(prompt)


@pytest.mark.parametrize("prompt", [None, 7, b"house", ["house"]])
def test_prompts_of_other_types(prompt: object) -> None:
    """A prompt that is no str is refused by its type."""
    with pytest.raises(InvalidRequest, match=f"must be a str, not {type(prompt).__name__}"):
        check_prompt(prompt)


@pytest.mark.parametrize(
    ("prompt", "where"),
    [
        ("a\ud83cb", "U+D83C at position 1"),
        ("\0", "U+0000 at position 0"),
        ("x" * 99 + "\udfff", "U+DFFF at position 99"),
    ],
)
def test_prompts_that_are_no_text(prompt: str, where: str) -> None:
    """A lone surrogate or NUL is refused with its place, in text that can be written."""
    with pytest.raises(InvalidRequest) as caught:
        check_prompt(prompt)
    assert where in str(caught.value)
    str(caught.value).encode()


def test_longest_prompt() -> None:
    """A prompt of the limit is taken as it is, and one character more is refused with both."""
    assert check_prompt("x" * MAX_PROMPT_CHARS) == "x" * MAX_PROMPT_CHARS
    with pytest.raises(InvalidRequest, match="has 30,001 characters; at most 30,000 are allowed"):
        check_prompt("x" * (MAX_PROMPT_CHARS + 1))


def test_too_long_by_its_enhancement() -> None:
    """A prompt that only its enhancement makes too long is refused with both lengths."""
    with pytest.raises(InvalidRequest, match=r"has 29,900 characters, and 30,\d+ with its enh"):
        _build("x" * 29_900)
    assert _build("x" * 29_900, ImageGenerationConfig(enhance_prompt=False))


# An app's own template


def _environment(text: str | bytes, folder: Path) -> jinja2.Environment:
    (folder / "own.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return prompt_environment(jinja2.FileSystemLoader(folder))


def test_own_template_sees_all(tmp_path: Path) -> None:
    """An app's template sees each name that is promised, and no HTML is escaped."""
    text = (
        "{{ prompt }}|{{ look.article }}|{{ look.adjectives }}|{{ look.style }}|{{ shape }}|"
        "{{ width }}x{{ height }}|{{ theme }}|{{ quality }}|{{ brand_colors | join('+') }}|"
        "{{ style_notes }}|{{ negative }}\n"
    )
    config = ImageGenerationConfig(
        size=(640, 480), theme=ImageTheme.ABSTRACT, brand_colors=["navy", "#FFF"], style_notes="<b>"
    )
    look = LOOKS[ImageTheme.ABSTRACT]
    assert build_prompt(" Sea & house ", config, _environment(text, tmp_path), "own.txt") == (
        f"Sea & house|an|{look.adjectives}|{look.style}|landscape-format|"
        "640x480|abstract|standard|navy+#FFF|<b>|None"
    )


def test_own_template_includes_the_built_in_one(tmp_path: Path) -> None:
    """An app's template can take the built-in one and add to it."""
    environment = _environment("{% include 'flask_media/prompt.txt' %}\nHigh key.", tmp_path)
    text = build_prompt("Sea house", PLAIN, environment, "own.txt")
    assert text.startswith("Create a professional")
    assert text.endswith("High key.")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{{ promt }}", "UndefinedError: 'promt' is undefined"),
        ("{{ prompt.body }}", "UndefinedError"),
        ("one\n\n{% if %}", "in line 3: TemplateSyntaxError"),
        ("{{ prompt | nofilter }}", "TemplateAssertionError: No filter named 'nofilter'"),
        ("{% include 'gone.txt' %}", "there is no template 'gone.txt'"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ prompt + 7 }}", "TypeError"),
        ("{{ prompt[9] / 2 }}", "Error"),
        (b"caf\xe9 {{ prompt }}", "UnicodeDecodeError"),
        ("{# nothing #} \n", "renders to nothing"),
    ],
)
def test_own_template_that_fails(text: str | bytes, fault: str, tmp_path: Path) -> None:
    """A template that fails in any way names the key, the template and the fault on one line."""
    with pytest.raises(NotConfigured) as caught:
        build_prompt("Sea house", PLAIN, _environment(text, tmp_path), "own.txt")
    message = str(caught.value)
    assert message.startswith("MEDIA_PROMPT_TEMPLATE is 'own.txt', ")
    assert fault in message
    assert "\n" not in message


def _sent(app: Flask) -> str:
    """The prompt that the app's service sends to the placeholder generator."""
    with app.app_context():
        return app.extensions["media"].generate("Sea house").prompt  # type: ignore[no-any-return]


OWN = {"MEDIA_GENERATOR": "placeholder", "MEDIA_PROMPT_TEMPLATE": "media/own.txt"}


@pytest.mark.parametrize("before", [True, False])
def test_template_in_the_apps_folder(before: bool, make_app: MakeApp, tmp_path: Path) -> None:
    """MEDIA_PROMPT_TEMPLATE is found in the app's template folder, also one made later."""
    folder = tmp_path / "templates" / "media"

    def write() -> None:
        folder.mkdir(parents=True)
        (folder / "own.txt").write_text("Own: {{ prompt }}")

    if before:
        write()
    app = make_app(FlaskMedia(), **OWN)
    if not before:
        write()
    assert _sent(app) == "Own: Sea house"


@pytest.mark.parametrize("before", [True, False])
def test_template_in_a_blueprints_folder(before: bool, make_app: MakeApp, tmp_path: Path) -> None:
    """It is found in a blueprint's folder, registered before init_app or after."""
    folder = tmp_path / "goals" / "looks" / "media"
    folder.mkdir(parents=True)
    (folder / "own.txt").write_text("Goals: {{ prompt }}")
    blueprint = Blueprint(
        "goals", __name__, root_path=str(tmp_path / "goals"), template_folder="looks"
    )
    app = make_app(**OWN)
    if before:
        app.register_blueprint(blueprint)
    FlaskMedia(app)
    if not before:
        app.register_blueprint(blueprint)
    assert _sent(app) == "Goals: Sea house"


def test_missing_template(make_app: MakeApp) -> None:
    """A template that is nowhere names the key, the template and where it belongs."""
    app = make_app(FlaskMedia(), **OWN)
    with pytest.raises(NotConfigured) as caught:
        _sent(app)
    assert str(caught.value) == (
        "MEDIA_PROMPT_TEMPLATE is 'media/own.txt', but there is no template 'media/own.txt'. Put "
        "it in the template folder of the app or of a blueprint, and write its name relative to "
        "that folder."
    )
