"""Object keys and metadata: what is refused, and that the rest comes back as it was."""

from __future__ import annotations

import enum
import pickle
from decimal import Decimal
from typing import Any

import pytest

from flask_media import ImageFormat
from flask_media import InvalidRequest
from flask_media.keys import MAX_JOB_ID_LENGTH
from flask_media.keys import MAX_KEY_BYTES
from flask_media.keys import MAX_METADATA_BYTES
from flask_media.keys import check_job_id
from flask_media.keys import check_metadata
from flask_media.keys import check_object_key
from flask_media.keys import decode_metadata
from flask_media.keys import encode_metadata
from flask_media.keys import quote_key
from flask_media.keys import variant_key


class Colour(str, enum.Enum):  # noqa: UP042 - the kind that shows as Colour.RED
    RED = "red"


@pytest.mark.parametrize(
    "key",
    [
        "house.png",
        "goals/7/sea_house.png",
        "Ünïcode/Être libre/日本語/🏠.png",
        "a b+c&d=e?f#g%2F:;@,'\"\\.png",
        "...",
        ".hidden/..x/x..",
        "x" * 1024,
        "é" * 512,
        "\u2028separator",
    ],
    ids=lambda key: key[:20],
)
def test_good_keys(key: str) -> None:
    """Any text of at most 1,024 bytes in clean segments is a key, unchanged."""
    assert check_object_key(key) == key


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("", "is empty"),
        ("../x", "segment '..'"),
        ("a/../x", "segment '..'"),
        ("a/..", "segment '..'"),
        ("./x", "segment '.'"),
        ("a/./x", "segment '.'"),
        ("/x", "starts with '/'"),
        ("//x", "starts with '/'"),
        ("/", "starts with '/'"),
        ("a//b", "segment ''"),
        ("a/", "segment ''"),
        ("a\0b", "U+0000 at position 1"),
        ("a\rb", "U+000D"),
        ("a\nb", "U+000A"),
        ("b\n", "U+000A at position 1"),
        ("a\tb", "U+0009"),
        ("a\x7fb", "U+007F"),
        ("a\x80b", "U+0080"),
        ("a\x9fb", "U+009F"),
        ("a\ud800b", "U+D800"),
        ("a\udfff", "U+DFFF"),
        ("x" * 1025, "has 1025 bytes"),
        ("é" * 512 + "x", "has 1025 bytes"),
        ("🏠" * 257, "has 1028 bytes"),
    ],
)
def test_wrong_keys(key: str, fault: str) -> None:
    """A key that a storage can't keep is refused with its fault, in text that can be written."""
    with pytest.raises(InvalidRequest) as caught:
        check_object_key(key)
    message = str(caught.value)
    assert message.startswith("object_key ")
    assert fault in message
    assert message.encode().decode() == message
    assert len(message) < 300
    assert "\n" not in message


@pytest.mark.parametrize("key", [None, 7, b"house.png", ["a"], object()])
def test_keys_of_other_types(key: object) -> None:
    """A key that is no str is refused by its type."""
    with pytest.raises(InvalidRequest, match=f"must be a str, not {type(key).__name__}"):
        check_object_key(key)


def test_metadata_becomes_text() -> None:
    """None is dropped, numbers and booleans become text, text stays."""
    given = {
        "goal_id": 7,
        "user_id": None,
        "name": "Être libre",
        "share": 0.5,
        "price": Decimal("0.0390"),
        "public": True,
        "draft": False,
        "empty": "",
        "spaces": "  x  ",
    }
    assert check_metadata(given) == {
        "goal_id": "7",
        "name": "Être libre",
        "share": "0.5",
        "price": "0.0390",
        "public": "true",
        "draft": "false",
        "empty": "",
        "spaces": "  x  ",
    }


@pytest.mark.parametrize("given", [None, {}, {"a": None}])
def test_no_metadata(given: dict[str, None] | None) -> None:
    """None, an empty mapping and one of Nones are no metadata."""
    assert check_metadata(given) == {}


def test_metadata_of_str_subclasses_is_plain() -> None:
    """A str of another class is kept as the text that it equals, and as a plain str."""
    made = check_metadata({Colour.RED: Colour.RED})
    assert made == {"red": "red"}
    assert {type(part) for part in (*made, *made.values())} == {str}
    pickle.dumps(made)


def test_metadata_is_a_copy() -> None:
    """What the caller does to its mapping afterwards changes nothing."""
    given = {"a": "1"}
    made = check_metadata(given)
    given["a"] = "2"
    assert made == {"a": "1"}


@pytest.mark.parametrize("value", [b"x", [1], (1,), {"a": 1}, object(), 1j])
def test_metadata_values_of_wrong_types(value: Any) -> None:
    """A value that is no text, number, bool or None is refused by name, type and fix."""
    with pytest.raises(
        InvalidRequest, match=f"'owner' is of the type {type(value).__name__}.*str\\(\\)"
    ):
        check_metadata({"owner": value})


@pytest.mark.parametrize("given", ["a=b", [("a", "b")], 7, {"a"}])
def test_metadata_of_wrong_types(given: object) -> None:
    """Metadata that is no mapping is refused."""
    with pytest.raises(InvalidRequest, match="metadata must be a mapping"):
        check_metadata(given)


@pytest.mark.parametrize("name", ["", 7, None, b"a"])
def test_metadata_names_of_wrong_types(name: object) -> None:
    """A name must be text and not empty, even if its value would be dropped."""
    with pytest.raises(InvalidRequest, match="metadata names must be non-empty str"):
        check_metadata({name: None})


@pytest.mark.parametrize(
    "fault", ["\r", "\n", "\r\nX-Amz-Acl: public", "\0", "\x7f", "\x85", "\ud800"]
)
@pytest.mark.parametrize("place", ["name", "value"])
def test_metadata_with_control_characters(place: str, fault: str) -> None:
    """A control character or lone surrogate in a name or value is refused, and says where."""
    given = {"a" + fault: "b"} if place == "name" else {"a": "b" + fault}
    with pytest.raises(InvalidRequest, match=f"the {place} has .* at position 1") as caught:
        check_metadata(given)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "given",
    [
        {"note": "x" * 3000},
        {f"n{i}": "x" * 40 for i in range(60)},
        {"n" * 2000: ""},
        {"a": "é" * 700},
    ],
    ids=["value", "many", "name", "as sent"],
)
def test_too_much_metadata(given: dict[str, str]) -> None:
    """Metadata over the limit, as it is sent, is refused with both sizes."""
    with pytest.raises(
        InvalidRequest, match=f"takes \\d+ bytes as sent; at most {MAX_METADATA_BYTES}"
    ):
        check_metadata(given)


@pytest.mark.parametrize("job_id", ["", "7f", "A-b_9", "x" * MAX_JOB_ID_LENGTH])
def test_good_job_id(job_id: str) -> None:
    """The id of a job is given back as it is; the empty one means none."""
    assert check_job_id(job_id) == job_id


@pytest.mark.parametrize(
    "job_id", ["a;b", "a b", "a\n", "é", "٣", "x" * (MAX_JOB_ID_LENGTH + 1), b"7f", None, 7]
)
def test_wrong_job_id(job_id: object) -> None:
    """What can't stand in a header beside other parts is no id of a job."""
    with pytest.raises(InvalidRequest, match="job_id"):
        check_job_id(job_id)


def test_largest_metadata() -> None:
    """Metadata of exactly the limit is taken."""
    given = {"a": "x" * (MAX_METADATA_BYTES - 2)}
    assert len(encode_metadata(check_metadata(given))) == MAX_METADATA_BYTES


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"goal_name": "Être libre"},
        {"a_b": "1", "a-b": "2", "A_B": "3"},
        {"a=b": "c=d", "a&b": "c&d", "100%": "%41", "a;b": "c;d", "a+b": "c+d e"},
        {"empty": ""},
        {"edges": "  x  ", " y ": "z"},
        {"日本語": "🏠", "quotes": "\"'\\", "=?utf-8?q?x?=": "=?utf-8?b?eA==?="},
        {"composed": "é", "decomposed": "e\u0301"},
    ],
)
def test_metadata_comes_back(metadata: dict[str, str]) -> None:
    """What is encoded is one line of plain ASCII, and decodes to the same names and values."""
    line = encode_metadata(metadata)
    assert line.isascii()
    assert line.isprintable()
    assert " " not in line
    assert decode_metadata(line) == metadata


def test_keys_in_urls() -> None:
    """A key in a URL is percent-encoded UTF-8 with its slashes kept."""
    assert quote_key("goals/Être libre?#.png") == "goals/%C3%8Atre%20libre%3F%23.png"
    assert quote_key("a~b/c+d%2F") == "a~b/c%2Bd%252F"


@pytest.mark.parametrize(
    ("key", "made"),
    [
        ("goals/7/house.png", "goals/7/house.thumb.webp"),
        ("house.jpg", "house.jpg.thumb.webp"),
        ("house.PNG", "house.PNG.thumb.webp"),
        ("house", "house_.thumb.webp"),
        ("v1.2/house", "v1.2/house_.thumb.webp"),
        ("report.pdf", "report.pdf_.thumb.webp"),
        ("house_.png", "house_.png.thumb.webp"),
        ("house.jpg.png", "house.jpg.png.thumb.webp"),
        ("a/.png", "a/.png.thumb.webp"),
        (".png", ".png.thumb.webp"),
        ("日本/家.png", "日本/家.thumb.webp"),
    ],
)
def test_variant_key(key: str, made: str) -> None:
    """A variant's key is the picture's, the variant's name and the format."""
    assert variant_key(key, "thumb", ImageFormat.WEBP) == made
    assert check_object_key(made) == made


def test_variant_key_of_each_format() -> None:
    """The extension says what the bytes are."""
    made = [variant_key("a.png", "b", file_format) for file_format in ImageFormat]
    assert made == ["a.b.png", "a.b.jpg", "a.b.webp", "a.b.avif"]


@pytest.mark.no_cover  # its many calls take ten times as long when they are traced
def test_variant_keys_never_meet() -> None:
    """Keys that are easily taken for one another have each their own variants."""
    ends = ("", ".png", ".jpg", ".jpeg", ".webp", ".avif", ".PNG", ".", "_", "-", ".thumb", ".png_")
    stems = {"a", "a/b", "ab", "é", *("x" * length for length in (964, 967, 970, 1012)), "é" * 500}
    keys = {
        stem + first + second + third
        for stem in stems
        for first in ends
        for second in ends
        for third in (ends if len(stem) < 4 else ends[:2])
    } | {"a/.png", "a/.jpg", "_", "-", "...png"}
    keys = {key for key in keys if len(key.encode()) <= MAX_KEY_BYTES}
    assert len(keys) > 5_000
    names = ("thumb", "x" * 32)
    made = [variant_key(key, name, ImageFormat.WEBP) for key in keys for name in names]
    assert len(set(made)) == len(made) == len(keys) * len(names)
    for key in made:
        assert len(check_object_key(key).encode()) <= MAX_KEY_BYTES
    # Cut keys are as easily taken for keys of their own.
    again = {key + end for key in made for end in ("", ".png") if key.startswith("xxx")}
    again = {key for key in again if len(key.encode()) <= MAX_KEY_BYTES} - keys
    more = {variant_key(key, "thumb", ImageFormat.WEBP) for key in again}
    assert len(more) == len(again)
    assert not more & set(made)


@pytest.mark.parametrize("key", ["é" * 512, "x" * 1024, "a/" * 511 + "b", "ab/" * 340 + ".png"])
def test_variant_key_of_a_long_key(key: str) -> None:
    """A key that would be too long is cut to a good one, always the same."""
    made = variant_key(key, "x" * 32, ImageFormat.AVIF)
    assert made == variant_key(key, "x" * 32, ImageFormat.AVIF)
    assert len(check_object_key(made).encode()) <= MAX_KEY_BYTES
    assert made.startswith(key[:400])
    assert made.endswith(f".{'x' * 32}.avif")


@pytest.mark.parametrize(
    ("key", "name"), [("", "a"), ("/a", "a"), ("a/../b", "a"), ("a", "A"), ("a", "../b"), ("a", "")]
)
def test_variant_key_of_wrong_parts(key: str, name: str) -> None:
    """Neither a wrong key nor a wrong name gets into a key."""
    with pytest.raises(InvalidRequest):
        variant_key(key, name, ImageFormat.WEBP)
