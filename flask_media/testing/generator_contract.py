"""What every generator must do, as tests to run on your own.

::

    class TestMyGenerator(GeneratorContract):
        @pytest.fixture
        def generator(self):
            return MyGenerator(...)

Needs pytest. Each test draws a few pictures, so let the generator talk to a stand-in for its
service. For assertions that show their values call
``pytest.register_assert_rewrite("flask_media.testing.generator_contract")`` in your
``conftest.py``.
"""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

import dataclasses
import multiprocessing
import warnings
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from ..generators.base import Generator
from ..imaging import inspect
from ..options import ImageQuality
from ..types import Usage
from ..values import GenerationAnswer
from ..values import GenerationRequest
from .pictures import draw_picture

THREADS = 8
"""Threads of the test of concurrency."""

FORK_SECONDS = 60
"""How long a forked child may take for a picture."""

REQUEST = GenerationRequest(
    prompt="A house by the sea, in soft light", original_prompt="A house", width=1024, height=1024
)


class GeneratorContract:
    """Subclass it with a fixture ``generator``; every test must pass."""

    @pytest.fixture
    def generator(self) -> Generator:
        """The generator to test. Yours to write."""
        raise NotImplementedError

    def test_picture(self, generator: Generator) -> None:
        """A call gives a whole picture, as the provider sent it, and says which model made it."""
        generator.check(REQUEST)
        answer = generator.generate(REQUEST)
        check_answer(answer)
        assert answer.model == generator.model_of(REQUEST)

    @pytest.mark.parametrize(
        "size", [(1920, 1080), (1080, 1920), (64, 64), (2048, 512)], ids=lambda size: str(size[0])
    )
    def test_sizes(self, generator: Generator, size: tuple[int, int]) -> None:
        """Any shape is drawn; the pixels need not be just those, the service sees to that."""
        request = dataclasses.replace(REQUEST, width=size[0], height=size[1])
        generator.check(request)
        check_answer(generator.generate(request))

    @pytest.mark.parametrize("quality", ImageQuality)
    def test_qualities(self, generator: Generator, quality: ImageQuality) -> None:
        """Each quality is drawn, for a price that is known before or not at all."""
        request = dataclasses.replace(REQUEST, quality=quality)
        check_cost(generator.expected_cost(request))
        check_answer(generator.generate(request))

    @pytest.mark.parametrize(
        "prompt", ["Être libre · 目標 🏠", "line\nfeed\tand 'quotes\"", "x", "long " * 6000]
    )
    def test_prompts(self, generator: Generator, prompt: str) -> None:
        """A prompt may be in any script, and 30,000 characters long."""
        request = dataclasses.replace(REQUEST, prompt=prompt, original_prompt=None)
        generator.check(request)
        check_answer(generator.generate(request))

    def test_references(self, generator: Generator) -> None:
        """It takes as many reference pictures as it says, which may be none."""
        most = generator.max_references(REQUEST)
        assert isinstance(most, int)
        assert most >= 0
        assert generator.reference_side(REQUEST) > 0
        picture = inspect(draw_picture(64, 48, "reference"))
        request = dataclasses.replace(REQUEST, references=(picture,) * most)
        generator.check(request)
        check_answer(generator.generate(request))

    def test_questions(self, generator: Generator) -> None:
        """What is asked before a call has the same answer each time, and changes nothing."""
        for ask in (generator.model_of, generator.expected_cost, generator.max_references):
            assert ask(REQUEST) == ask(REQUEST)
        model = generator.model_of(REQUEST)
        assert isinstance(model, str)
        assert model.isprintable()
        assert 1 <= len(model) <= 255
        assert generator.model_of(dataclasses.replace(REQUEST, model=model)) == model
        check_cost(generator.expected_cost(REQUEST))

    def test_threads(self, generator: Generator) -> None:
        """Many threads ask at once, and each gets a picture."""
        with ThreadPoolExecutor(THREADS) as pool:
            for answer in pool.map(lambda _: generator.generate(REQUEST), range(THREADS)):
                check_answer(answer)

    def test_close(self, generator: Generator) -> None:
        """It can be closed, more than once, and used again."""
        generator.close()
        check_answer(generator.generate(REQUEST))
        generator.close()
        generator.close()
        check_answer(generator.generate(REQUEST))

    @pytest.mark.skipif(
        "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system"
    )
    def test_fork(self, generator: Generator) -> None:
        """Made and used before a fork, it works in the child and goes on in the parent."""
        check_answer(generator.generate(REQUEST))
        child = multiprocessing.get_context("fork").Process(
            target=_draw, args=(generator,), daemon=True
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
            child.start()
        child.join(FORK_SECONDS)
        is_late = child.is_alive()
        if is_late:
            child.kill()
            child.join()
        assert not is_late, f"no picture within {FORK_SECONDS} s in a forked child"
        assert child.exitcode == 0
        check_answer(generator.generate(REQUEST))


def _draw(generator: Generator) -> None:
    check_answer(generator.generate(REQUEST))


def check_answer(answer: GenerationAnswer) -> None:
    """Fail unless it is a picture with honest numbers."""
    assert isinstance(answer, GenerationAnswer)
    picture = inspect(answer.data, decode=True)
    assert picture.width >= 1
    assert picture.height >= 1
    assert answer.model
    assert answer.usage is None or isinstance(answer.usage, Usage)
    check_cost(answer.cost_usd)


def check_cost(cost: Decimal | None) -> None:
    """Fail unless it is a price: floats lose cents, and unknown is None."""
    assert cost is None or isinstance(cost, Decimal)
    assert cost is None or (cost.is_finite() and cost >= 0)
