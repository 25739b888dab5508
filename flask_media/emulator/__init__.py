"""A stand-in for the Gemini API on the loopback, for tests and for work without a key.

::

    from flask_media.emulator import GeminiEmulator

    with GeminiEmulator() as emulator:
        app.config["GEMINI_BASE_URL"] = emulator.url
        emulator.script("429", "ok")  # the next two answers, then the usual ones
        ...
        assert emulator.calls == 2

or as a program, ``python -m flask_media.emulator --port 8999``.

It answers ``POST /{version}/models/{model}:generateContent`` and ``:streamGenerateContent``
(Vertex-shaped paths too), ``:predict``, ``:countTokens`` and ``GET /{version}/models[/{model}]``
over HTTP/1.1 with keep-alive, one thread a connection, and records every request. What a request
gets, first match wins:

1. the next item of :meth:`GeminiEmulator.script` (one queue for all, one item a request);
2. the header ``x-stub-mode: <mode>``;
3. the query ``?mode=<mode>``;
4. the model's name, ``stub-<mode>``;
5. ``default_mode``.

A mode can carry options: ``ok,latency=0.5,w=64,h=64``, ``429,retry=0.3``, ``flaky,fail=2``. The
same options can come as ``x-stub-<option>`` headers. :data:`MODES` has all modes.

A mode or option that there is none of is never taken for ``ok``: from Python it raises
``ValueError``, over HTTP the answer is a 500 that names it.
"""

from __future__ import annotations

from .messages import Ask
from .messages import Recorded
from .messages import Reply
from .modes import MODES
from .server import GeminiEmulator

__all__ = ["MODES", "Ask", "GeminiEmulator", "Recorded", "Reply"]
