"""A Gemini emulator that always sends the same photograph-like PNG of 1.25 MB, as a program.

``python -m tests.bench.model LATENCY_SECONDS`` prints its URL. The emulator's own picture is quick
to encode, which would flatter code that encodes again.
"""

from __future__ import annotations

import base64
import json
import sys
from io import BytesIO

import numpy as np
from PIL import Image

from flask_media.emulator import Ask
from flask_media.emulator import GeminiEmulator
from flask_media.emulator import Reply


def photograph() -> bytes:
    """A PNG of 1024 x 1024 pixels with the grain of a photograph."""
    down, across = np.mgrid[0:1024, 0:1024].astype(np.float32)
    waves = np.stack([np.sin(across / 90), np.sin(down / 70), np.sin((across + down) / 120)], 2)
    grain = np.random.default_rng(1).normal(0, 1.5, (1024, 1024, 3))
    pixels = np.clip(128 + 70 * waves + grain, 0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def main() -> None:
    """Listen until killed."""
    data = photograph()
    part = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(data).decode()}}
    body = {
        "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}],
        "usageMetadata": {
            "promptTokenCount": 12,
            "candidatesTokenCount": 1120,
            "totalTokenCount": 1132,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
        },
    }
    reply = Reply(raw=json.dumps(body).encode())
    emulator = GeminiEmulator(latency=float(sys.argv[1]), keep_bodies=False)

    @emulator.handler
    def send(_ask: Ask) -> Reply:
        return reply

    with emulator:
        print(f"{len(data)} {emulator.url}", flush=True)
        emulator.stopping.wait()


if __name__ == "__main__":
    main()
