"""Assertions pass for what happened, and say what happened instead."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

import pytest

from flask_media import ContentBlocked
from flask_media import ImageGenerationConfig
from flask_media import ImageTheme
from flask_media import MediaService
from flask_media import current_media
from flask_media.generators.base import Generator
from flask_media.storage.memory import MemoryStorage
from flask_media.testing import Fake
from flask_media.testing.parts import FakeGenerator
from flask_media.testing.parts import FakeStorage

VIBRANT = ImageGenerationConfig(theme=ImageTheme.VIBRANT)


@pytest.fixture
def busy(fake: Fake) -> Fake:
    """A fake that has seen a boat, a blocked cat and two goals."""
    current_media.generate("A boat")
    fake.fail_generation(ContentBlocked("No cats."))
    with pytest.raises(ContentBlocked):
        current_media.generate("A cat")
    for number in (1, 2):
        current_media.generate_and_upload(
            f"Goal {number}", f"goals/{number}.png", {"goal": number}, VIBRANT, spender="7"
        )
    current_media.delete("goals/1.png")
    return fake


@pytest.mark.parametrize(
    ("matchers", "times"),
    [
        ({}, 3),
        ({"prompt": "A boat"}, 1),
        ({"prompt": "Goal"}, 0),
        ({"prompt": re.compile("^Goal")}, 2),
        ({"prompt": lambda call: call.width == 1024}, 3),
        ({"prompt": "A cat"}, 0),
        ({"config": VIBRANT}, 2),
        ({"config": lambda config: config.theme is ImageTheme.PROFESSIONAL}, 1),
        ({"spender": "7"}, 2),
        ({"spender": "8"}, 0),
        ({"references": 0}, 3),
        ({"object_key": "goals/2.png"}, 1),
        ({"object_key": re.compile("goals/")}, 2),
        ({"model": "gemini-nano-banana-2.1", "spender": "7", "config": VIBRANT}, 2),
    ],
)
def test_generated(busy: Fake, matchers: dict[str, Any], times: int) -> None:
    """Each matcher finds what it names, alone and with others, and no other number passes."""
    busy.assert_generated(**matchers, times=times)
    if times:
        busy.assert_generated(**matchers)
    with pytest.raises(AssertionError, match=f"{times} match, not {times + 1}"):
        busy.assert_generated(**matchers, times=times + 1)


def test_message_of_generated(busy: Fake) -> None:
    """A failure names the assertion and lists each call, failed ones too."""
    with pytest.raises(AssertionError) as caught:
        busy.assert_generated("A dog", spender="7")
    assert str(caught.value) == (
        "assert_generated(prompt='A dog', spender='7'): 0 match, not at least one. "
        "Calls to the model:\n"
        "  1. 'A boat' (gemini-nano-banana-2.1, 1024 x 1024, professional, standard)\n"
        "  2. 'A cat' (gemini-nano-banana-2.1, 1024 x 1024, professional, standard) failed: "
        "ContentBlocked: No cats.\n"
        "  3. 'Goal 1' -> 'goals/1.png' (gemini-nano-banana-2.1, 1024 x 1024, vibrant, standard, "
        "spender '7')\n"
        "  4. 'Goal 2' -> 'goals/2.png' (gemini-nano-banana-2.1, 1024 x 1024, vibrant, standard, "
        "spender '7')"
    )


def test_uploaded(busy: Fake) -> None:
    """Uploads are found by key, type and metadata."""
    busy.assert_uploaded("goals/1.png", times=1)
    busy.assert_uploaded(key=re.compile("^goals"), times=2)
    busy.assert_uploaded(lambda key: key.endswith("2.png"), metadata={"goal": 2}, times=1)
    busy.assert_uploaded(content_type="image/png", times=2)
    with pytest.raises(AssertionError, match=r"(?s)0 match.*1\. 'goals/1\.png' \(image/png"):
        busy.assert_uploaded("goals/3.png")
    with pytest.raises(AssertionError, match="0 match"):
        busy.assert_uploaded("goals/1.png", metadata={"goal": 2})


def test_deleted(busy: Fake) -> None:
    """Deletions are found by key."""
    busy.assert_deleted("goals/1.png")
    with pytest.raises(AssertionError, match=r"(?s)Deleted:.*'goals/1\.png'"):
        busy.assert_deleted("goals/2.png")


def test_nothing(fake: Fake) -> None:
    """Nothing passes for nothing; a call that failed was a call."""
    fake.assert_nothing_generated()
    fake.assert_nothing_uploaded()
    with pytest.raises(AssertionError, match="nothing"):
        fake.assert_generated()
    fake.fail_generation(ContentBlocked)
    with pytest.raises(ContentBlocked):
        current_media.generate("A boat")
    with pytest.raises(AssertionError, match="ContentBlocked"):
        fake.assert_nothing_generated()


def test_nothing_uploaded_fails(busy: Fake) -> None:
    """What was uploaded and deleted again was uploaded."""
    with pytest.raises(AssertionError, match=r"goals/1\.png"):
        busy.assert_nothing_uploaded()


@pytest.mark.parametrize("name", ["assert_generated", "assert_uploaded", "assert_deleted"])
def test_wrong_matcher(fake: Fake, name: str) -> None:
    """A matcher that can't match anything is a mistake of the test, not a failure of the app."""
    with pytest.raises(TypeError, match="must be text"):
        getattr(fake, name)(7)


def test_what_is_seen_is_frozen(busy: Fake) -> None:
    """What was recorded can't be changed, and the lists are copies."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        busy.generated[0].prompt = "Another"  # type: ignore[misc]
    busy.calls.clear()
    busy.uploads.clear()
    assert (len(busy.calls), len(busy.uploads)) == (4, 2)


def test_what_is_recorded(fake: Fake) -> None:
    """A call tells all that was asked, as it was given and as it was sent."""
    result = current_media.generate_and_upload(
        "Goal", "a.png", {"goal": 7, "none": None}, VIBRANT, reference_images=[], spender="7"
    )
    (call,) = fake.generated
    assert (call.prompt, call.sent_prompt) == ("Goal", result.prompt)
    assert call.sent_prompt != call.prompt
    assert (call.job_id, call.metadata, call.config) == (result.job_id, {"goal": "7"}, VIBRANT)
    (upload,) = fake.uploads
    assert (upload.sha256, upload.job_id) == (result.sha256, result.job_id)
    assert upload.data == call.data


def test_signatures(fake: Fake) -> None:
    """The faked service has the real signatures, being the real one; its parts have theirs."""
    assert type(current_media._get_current_object()) is MediaService  # type: ignore[attr-defined]
    for real, faked in ((Generator, FakeGenerator), (MemoryStorage, FakeStorage)):
        for name, method in inspect.getmembers(faked, inspect.isfunction):
            if name in vars(faked) and hasattr(real, name) and name != "__init__":
                assert inspect.signature(method) == inspect.signature(getattr(real, name)), name
