"""The server: the choice of a mode, what was asked, and how often."""

from __future__ import annotations

import random
import re
import ssl
import threading
from collections import deque
from collections.abc import Callable
from typing import Any
from typing import Self

from .choice import parse_mode
from .messages import NOT_FOUND
from .messages import Ask
from .messages import Recorded
from .messages import Reply
from .messages import answer_parts
from .messages import error_body
from .modes import MODES
from .strict import strict_refusal
from .wire import WireServer

GENERATING = ("generateContent", "streamGenerateContent")

Handler = Callable[[Ask], Reply | None]


class GeminiEmulator:
    """The server; a context manager, or ``start()`` and ``stop()``.

    :param port: 0 takes a free one; read :attr:`port` or :attr:`url` after the start.
    :param host: address to listen on.
    :param default_mode: the mode of a request that asks for none.
    :param latency: seconds before each answer.
    :param width: of the picture, in pixels.
    :param height: of the picture, in pixels.
    :param image_bytes: pad each PNG to about that many bytes; 0 for as small as it is.
    :param mime: ``image/png``, ``image/jpeg`` or ``image/webp``.
    :param gzip: compress for clients that accept it.
    :param chunked: send chunked bodies without a Content-Length.
    :param honour_image_config: take the picture's size from the request's imageConfig.
    :param auto_thought: Gemini 3 models answer with thoughts and a draft first.
    :param strict: refuse what the service refuses (``strict_refusal``).
    :param vary: take the picture's colours from the prompt, to tell answers apart.
    :param keep_bodies: keep the requests' bodies.
    :param seed: of the mode ``random``.
    :param ssl_context: speak HTTPS.
    :raises ValueError: there is no such mode, or it takes no such option or value.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        default_mode: str = "ok",
        latency: float = 0.0,
        width: int = 1024,
        height: int = 1024,
        image_bytes: int = 0,
        mime: str = "image/png",
        gzip: bool = False,
        chunked: bool = False,
        honour_image_config: bool = False,
        auto_thought: bool = False,
        strict: bool = False,
        vary: bool = False,
        keep_bodies: bool = True,
        seed: int = 1,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.host = host
        """Address that it listens on."""
        self.port = port
        """Port that it listens on, once it is started."""
        self.default_mode = default_mode
        self.latency = latency
        """Seconds before each answer."""
        self.width = width
        """Of the picture, in pixels."""
        self.height = height
        """Of the picture, in pixels."""
        self.image_bytes = image_bytes
        """Size in bytes that each PNG is padded to."""
        self.mime = mime
        """Media type of the picture."""
        self.gzip = gzip
        """Whether answers are compressed for clients that accept it."""
        self.chunked = chunked
        """Whether bodies are sent chunked."""
        self.honour_image_config = honour_image_config
        """Whether the picture's size is taken from the request's imageConfig."""
        self.auto_thought = auto_thought
        """Whether Gemini 3 models answer with thoughts and a draft first."""
        self.strict = strict
        """Whether what the service refuses is refused."""
        self.vary = vary
        """Whether the picture's colours come from the prompt."""
        self.keep_bodies = keep_bodies
        """Whether the requests' bodies are kept."""
        self.ssl_context = ssl_context
        """The TLS context of HTTPS, None for HTTP."""
        self.stopping = threading.Event()
        """Set when the server stops; what waits in it waits on this."""
        self.requests: list[Recorded] = []
        """Every request so far."""
        self.calls = 0
        """How many requests came."""
        self.connections = 0
        """How many TCP connections were made."""
        self.inflight = 0
        """How many requests are being answered."""
        self.max_inflight = 0
        """The most that were answered at once."""
        self._lock = threading.Lock()
        self._dice = random.Random(seed)  # noqa: S311 (faults, not secrets)
        self._counters: dict[str, int] = {}
        self._handlers: list[Handler] = []
        self._script: deque[str] = deque()
        self._server: WireServer | None = None

    @property
    def default_mode(self) -> str:
        """The mode of a request that asks for none, with its options. Can be set.

        :raises ValueError: there is no such mode, or it takes no such option or value.
        """
        return self._default_mode

    @default_mode.setter
    def default_mode(self, mode: str) -> None:
        parse_mode(mode)
        self._default_mode = mode

    @property
    def url(self) -> str:
        """What to set GEMINI_BASE_URL to."""
        return f"{'https' if self.ssl_context else 'http'}://{self.host}:{self.port}"

    def start(self) -> Self:
        """Listen. Returns itself."""
        self.stopping.clear()
        self._server = WireServer((self.host, self.port), self)
        self.port = self._server.server_port
        threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.02},
            name="gemini-emulator",
            daemon=True,
        ).start()
        return self

    def stop(self) -> None:
        """Stop listening and cut what is waiting."""
        self.stopping.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def script(self, *modes: str) -> None:
        """Set the next answers, in order; after them the usual choice applies again.

        :param modes: names from :data:`MODES`, each with its options, as ``429,retry=0.3``.
        :raises ValueError: there is no such mode, or it takes no such option or value. None of
            the modes is set then.
        """
        for mode in modes:
            parse_mode(mode)
        with self._lock:
            self._script.extend(modes)

    def handler(self, function: Handler) -> Handler:
        """Have a function asked before the modes; it returns a Reply, or None to pass."""
        self._handlers.append(function)
        return function

    def reset(self) -> None:
        """Forget script, handlers, requests and counts."""
        with self._lock:
            self._script.clear()
            self._handlers.clear()
            self._counters.clear()
            self.requests.clear()
            self.calls = self.connections = self.max_inflight = 0

    def count(self, key: str) -> int:
        """Count up and return how often that key was counted, from 1."""
        with self._lock:
            self._counters[key] = self._counters.get(key, 0) + 1
            return self._counters[key]

    def draw(self, choices: list[str]) -> tuple[float, str]:
        """A number from 0 to 1 and one of the choices."""
        with self._lock:
            return self._dice.random(), self._dice.choice(choices)

    # For the connections' threads

    def connected(self) -> int:
        """Count a connection and return its number."""
        with self._lock:
            self.connections += 1
            return self.connections

    def record(self, rec: Recorded) -> int:
        """Keep a request and return its number."""
        with self._lock:
            self.requests.append(rec)
            self.calls += 1
            return self.calls

    def enter(self) -> None:
        """A request is being answered."""
        with self._lock:
            self.inflight += 1
            self.max_inflight = max(self.max_inflight, self.inflight)

    def leave(self) -> None:
        """A request was answered."""
        with self._lock:
            self.inflight -= 1

    def choose(self, rec: Recorded) -> str:
        """The mode of a request, with its options."""
        if rec.action in (*GENERATING, "predict"):
            with self._lock:
                if self._script:
                    return self._script.popleft()
        asked = rec.headers.get("x-stub-mode") or rec.query.get("mode")
        if asked:
            return asked
        if rec.model.startswith("stub-"):
            return rec.model.removeprefix("stub-")
        if self.auto_thought and re.match(r"gemini-3|gemini-nano-banana-2", rec.model):
            return "thought"
        return self.default_mode

    def reply(self, ask: Ask) -> Reply:
        """The answer to a request."""
        for function in self._handlers:
            reply = function(ask)
            if reply is not None:
                return reply
        rec = ask.rec
        if rec.action in (*GENERATING, "predict"):
            reply = self._refusal(rec) or self._generated(ask)
            if rec.action == "predict" and reply.status == 200 and not reply.fault:
                return Reply(body={"predictions": _predictions(reply.body)})
            return reply
        if rec.action == "countTokens":
            return Reply(body={"totalTokens": 8})
        if rec.method == "GET" and not rec.action:
            return self._described(ask)
        return NOT_FOUND

    def _refusal(self, rec: Recorded) -> Reply | None:
        credentials = {"x-goog-api-key", "authorization"} & rec.headers.keys()
        if not credentials and "key" not in rec.query:
            message = "Method doesn't allow unregistered callers."
            return Reply(403, error_body(403, "PERMISSION_DENIED", message))
        return strict_refusal(rec) if self.strict and rec.action in GENERATING else None

    def _described(self, ask: Ask) -> Reply:
        """What is said of a model, or of all; refused where the mode would refuse a picture, and
        cut where that would be."""
        rec = ask.rec
        if rec.model:
            reply = self._refusal(rec) or self._generated(ask)
            if reply.status != 200 or reply.fault:
                return reply
        model = {
            "name": f"models/{rec.model or 'gemini-nano-banana-2.1'}",
            "version": "stub",
            "displayName": "stub",
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        }
        return Reply(body=model if rec.model else {"models": [model]})

    def _generated(self, ask: Ask) -> Reply:
        return MODES[ask.rec.mode](ask)


def _predictions(body: dict[str, Any]) -> list[dict[str, str]]:
    blobs = [
        part["inlineData"]
        for part in answer_parts(body)
        if "inlineData" in part and not part.get("thought")
    ]
    return [{"mimeType": blob["mimeType"], "bytesBase64Encoded": blob["data"]} for blob in blobs]
