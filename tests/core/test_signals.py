"""Six signals; no receiver can cost a picture or another receiver."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from blinker import NamedSignal

from flask_media import signals

SIX = (
    "generation_started",
    "generation_finished",
    "generation_failed",
    "upload_started",
    "upload_finished",
    "upload_failed",
)
SIGNALS: list[NamedSignal] = [getattr(signals, name) for name in SIX]
SENDER = object()


def test_six_signals() -> None:
    """The module has the six signals that are promised and no other."""
    found = {name for name, value in vars(signals).items() if isinstance(value, NamedSignal)}
    assert found == set(SIX)
    assert [signal.name for signal in SIGNALS] == [name.replace("_", "-") for name in SIX]


@pytest.mark.parametrize("signal", SIGNALS, ids=SIX)
def test_receivers_get_sender_and_values(signal: NamedSignal) -> None:
    """A receiver gets the sender and every value, and one of another sender gets nothing."""
    seen: list[tuple[str, object, dict[str, Any]]] = []

    def of_all(sender: object, **values: Any) -> None:
        seen.append(("all", sender, values))

    def of_this(sender: object, **values: Any) -> None:
        seen.append(("this", sender, values))

    def of_other(sender: object, **values: Any) -> None:
        seen.append(("other", sender, values))

    other = object()
    with (
        signal.connected_to(of_all),
        signal.connected_to(of_this, sender=SENDER),
        signal.connected_to(of_other, sender=other),
    ):
        signals.emit(signal, SENDER, job_id="7f", object_key=None, prompt="p")
    values = {"job_id": "7f", "object_key": None, "prompt": "p"}
    assert sorted(seen, key=lambda call: call[0]) == [
        ("all", SENDER, values),
        ("this", SENDER, values),
    ]


def test_a_raising_receiver_is_contained(caplog: pytest.LogCaptureFixture) -> None:
    """Of three receivers two raise: all are called, the faults are logged, nothing is raised."""
    called = []

    def first(sender: object, **values: Any) -> None:
        called.append("first")
        raise RuntimeError("broken one")

    def second(sender: object, **values: Any) -> None:
        called.append("second")

    def third(sender: object) -> None:
        raise AssertionError("never entered: it takes no values")

    signal = signals.upload_finished
    with signal.connected_to(first), signal.connected_to(second), signal.connected_to(third):
        signals.emit(signal, SENDER, job_id="7f")
    assert sorted(called) == ["first", "second"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert {record.getMessage() for record in caplog.records} == {
        "A receiver of upload-finished raised"
    }
    assert "broken one" in caplog.text
    assert "unexpected keyword argument 'job_id'" in caplog.text


def test_leaving_is_not_contained() -> None:
    """A receiver that ends the process, as with Ctrl-C, is not held back."""

    def stop(sender: object, **values: Any) -> None:
        raise KeyboardInterrupt

    with signals.upload_started.connected_to(stop), pytest.raises(KeyboardInterrupt):
        signals.emit(signals.upload_started, SENDER)


def test_muted() -> None:
    """A muted signal is silent, as blinker promises."""
    called = []

    def receive(sender: object, **values: Any) -> None:
        called.append(values)

    signal = signals.upload_started
    with signal.connected_to(receive):
        with signal.muted():
            signals.emit(signal, SENDER, number=1)
        signals.emit(signal, SENDER, number=2)
    assert called == [{"number": 2}]


def test_an_async_receiver_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """A coroutine function is not called to no effect: the log names it, and others are called."""
    called = []

    async def later(sender: object, **values: Any) -> None:
        called.append("later")

    def now(sender: object, **values: Any) -> None:
        called.append("now")

    signal = signals.generation_finished
    with signal.connected_to(later), signal.connected_to(now):
        signals.emit(signal, SENDER)
    assert called == ["now"]
    assert "A receiver of generation-finished is async and is not called" in caplog.text
    assert "later" in caplog.text


def test_without_receivers() -> None:
    """A signal without receivers costs nothing and says nothing."""
    signals.emit(signals.generation_failed, SENDER, error=None)
