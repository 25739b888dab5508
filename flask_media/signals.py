"""Signals around every picture, sent by the app with ``job_id``, ``object_key`` and ``prompt``.

A receiver that raises is logged and costs nothing: neither the picture nor another receiver.
"""

from __future__ import annotations

import inspect
import logging
from typing import Any

from blinker import NamedSignal
from blinker import Namespace

logger = logging.getLogger(__name__)

_signals = Namespace()

generation_started = _signals.signal("generation-started")
"""Everything is checked; the model is about to be asked."""
generation_finished = _signals.signal("generation-finished")
"""The picture is there; ``image`` is a :class:`~flask_media.GeneratedImage`."""
generation_failed = _signals.signal("generation-failed")
"""No picture came of it; ``error`` is the :class:`~flask_media.MediaError` that is raised."""
upload_started = _signals.signal("upload-started")
"""The picture is about to be stored."""
upload_finished = _signals.signal("upload-finished")
"""The picture is stored; ``result`` is a :class:`~flask_media.MediaResult`."""
upload_failed = _signals.signal("upload-failed")
"""It could not be stored; ``error`` is the :class:`~flask_media.MediaError` that is raised."""


def has_receivers(signal: NamedSignal, sender: object) -> bool:
    """Whether anybody is told of a signal of that sender."""
    return not signal.is_muted and signal.has_receivers_for(sender)


def emit(signal: NamedSignal, sender: object, **values: Any) -> None:
    """Call each receiver; one that raises is logged and the next is called."""
    if not has_receivers(signal, sender):
        return
    for receiver in signal.receivers_for(sender):
        if inspect.iscoroutinefunction(receiver):
            logger.error("A receiver of %s is async and is not called: %r", signal.name, receiver)
            continue
        try:
            receiver(sender, **values)
        except Exception:
            logger.exception("A receiver of %s raised", signal.name)
