"""The contract of generators, on every generator that there is."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from flask_media.config_checks import Secret
from flask_media.emulator import GeminiEmulator
from flask_media.generators.base import Generator
from flask_media.generators.gemini import GeminiGenerator
from flask_media.generators.placeholder import PlaceholderGenerator
from flask_media.testing import Fake
from flask_media.testing import draw_picture
from flask_media.testing.generator_contract import GeneratorContract
from flask_media.testing.generator_contract import check_cost
from flask_media.values import GenerationAnswer
from flask_media.values import GenerationRequest


class TestPlaceholder(GeneratorContract):
    """Drawn offline."""

    @pytest.fixture
    def generator(self) -> Generator:
        return PlaceholderGenerator()


class TestFake(GeneratorContract):
    """A fake's."""

    @pytest.fixture
    def generator(self, app: object, fake: Fake) -> Generator:
        from flask_media import current_media

        return current_media.generator


class TestGemini(GeneratorContract):
    """Gemini, over a socket to the emulator."""

    @pytest.fixture
    def generator(self) -> Iterator[Generator]:
        with GeminiEmulator(width=64, height=64) as emulator:
            generator = GeminiGenerator(
                api_key=Secret("key"),
                model="gemini-nano-banana-2.1",
                base_url=emulator.url,
                api_version="v1",
                timeout=30,
            )
            yield generator
            generator.close()


class Small(Generator):
    """The least that a third party writes."""

    def check(self, request: GenerationRequest) -> None:
        """Nothing can be missing."""

    def generate(self, request: GenerationRequest) -> GenerationAnswer:
        """A picture."""
        return GenerationAnswer(data=draw_picture(8, 8), model="small")

    def model_of(self, request: GenerationRequest) -> str:
        """Always the same."""
        return "small"


class TestSmall(GeneratorContract):
    """One of a third party."""

    @pytest.fixture
    def generator(self) -> Generator:
        return Small()


@pytest.mark.parametrize("cost", [0.034, Decimal(-1), Decimal("nan")])
def test_it_finds_faults(cost: Decimal) -> None:
    """What is no price is found."""
    with pytest.raises(AssertionError):
        check_cost(cost)


def test_it_finds_a_wrong_model() -> None:
    """A generator that answers with another model than it names is found."""

    class Wrong(Small):
        def model_of(self, request: GenerationRequest) -> str:
            return "another"

    with pytest.raises(AssertionError):
        GeneratorContract().test_picture(Wrong())
